import type { Effects } from '../../../src/raft/effects.ts';
import type { Input } from '../../../src/raft/inputs.ts';
import type { Entry, LogIndex, NodeId, RestoredLog, Term, WriteUnit } from '../../../src/raft/types.ts';
import type { EntryPrint, NodeHistory } from '../cluster/node-history.ts';
import { check, type Invariant } from './invariant.ts';

/** What only ever grows: a node's term, in memory and on disk and over restarts; within one run its commit index and what it applied. */
export class Monotone implements Invariant {
  readonly #terms = new Map<NodeId, Term>();

  stepped(node: NodeHistory, _input: Input, { commitIndex, status }: Effects): void {
    if (commitIndex !== undefined)
      check(
        commitIndex > node.commitIndex,
        'Monotone Commit',
        () => `${node.id} went from commit ${node.commitIndex} to ${commitIndex}`,
      );
    if (status !== undefined)
      check(status.term >= node.term, 'Monotone Term', () => `${node.id} went from term ${node.term} to ${status.term}`);
  }

  applied(node: NodeHistory, entry: Entry, _print: EntryPrint): void {
    // The first of a run goes on where the stored state ends.
    // After a snapshot was taken in, it goes on behind that.
    const follows = node.appliedIndex === 0 || entry.index === node.appliedIndex + 1 || entry.index === node.restoredIndex + 1;
    check(follows, 'Monotone Applied', () => `${node.id} applies entry ${entry.index} after ${node.appliedIndex}`);
    node.appliedIndex = entry.index as LogIndex;
  }

  writing(node: NodeHistory, unit: WriteUnit): void {
    this.#check(node, unit.hardState.term);
  }

  afterOpened(node: NodeHistory, restored: RestoredLog): void {
    check(
      restored.hardState.term >= node.durable.hardState.term,
      'Monotone Term',
      () => `${node.id} started in term ${restored.hardState.term}`,
    );
  }

  #check(node: NodeHistory, term: Term): void {
    const before = this.#terms.get(node.id) ?? 0;
    const durable = node.durable.hardState.term;
    check(term >= durable, 'Monotone Term', () => `${node.id} writes term ${term} after ${durable} was durable`);
    // A term that was never durable may be forgotten in a crash.
    this.#terms.set(node.id, Math.max(before, term) as Term);
  }
}
