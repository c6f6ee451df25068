/** Sees every node at work, keeps their histories, and asks the invariants at each step. */
import type { Effects } from '../../../src/raft/effects.ts';
import type { Input } from '../../../src/raft/inputs.ts';
import type { PeerMessage } from '../../../src/raft/messages.ts';
import type { Entry, NodeId, RestoredLog, WriteSequence, WriteUnit } from '../../../src/raft/types.ts';
import type { ReplicaObserver } from '../../../src/replica/replica-observer.ts';
import type { Scheduler } from '../engine/scheduler.ts';
import type { Trace } from '../engine/trace.ts';
import { AcknowledgedIsDurable } from '../invariants/acknowledged-is-durable.ts';
import { CommittedNeverChanges } from '../invariants/committed-never-changes.ts';
import { ElectionSafety } from '../invariants/election-safety.ts';
import { type Invariant, Violation } from '../invariants/invariant.ts';
import { LeaderCompleteness } from '../invariants/leader-completeness.ts';
import { LogMatching } from '../invariants/log-matching.ts';
import { Monotone } from '../invariants/monotone.ts';
import { NoTruncationBelowCommit } from '../invariants/no-truncation-below-commit.ts';
import { OneVotePerTerm } from '../invariants/one-vote-per-term.ts';
import { StateMachineSafety } from '../invariants/state-machine-safety.ts';
import { Committed } from './committed.ts';
import { NodeHistory, printOf } from './node-history.ts';
import type { LogWitness } from './observed-log.ts';

export class Witness {
  readonly nodes = new Map<NodeId, NodeHistory>();
  readonly committed = new Committed();
  readonly elections = new ElectionSafety();
  readonly #scheduler: Scheduler;
  readonly #trace: Trace;
  readonly #invariants: readonly Invariant[];
  readonly #waiting = new Map<PeerMessage['type'], () => void>();

  /** `founders` of `ids` are the first voters. */
  constructor(ids: readonly NodeId[], founders: readonly NodeId[], scheduler: Scheduler, trace: Trace) {
    this.#scheduler = scheduler;
    this.#trace = trace;
    for (const id of ids) this.nodes.set(id, new NodeHistory(id, this.committed));
    this.#invariants = [
      this.elections,
      new OneVotePerTerm(),
      new LogMatching(),
      new LeaderCompleteness(this.committed),
      new StateMachineSafety(this.committed),
      new CommittedNeverChanges(this.committed, this.nodes, (node) => votersOf(node, founders)),
      new Monotone(),
      new NoTruncationBelowCommit(this.committed),
      new AcknowledgedIsDurable(),
    ];
  }

  node(id: NodeId): NodeHistory {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** Does `task` when anybody sends the next message of this type. */
  whenNext(type: PeerMessage['type'], task: () => void): void {
    this.#waiting.set(type, task);
  }

  /** A process of the node opened its log. */
  opened(id: NodeId, restored: RestoredLog): void {
    this.#guard(() => {
      const node = this.node(id);
      if (!node.opened(restored)) {
        const { entries, hardState } = node.durable;
        throw new Violation(
          'Durable Log Survives',
          `${id} finds ${restored.lastIndex} entries in ${JSON.stringify(restored.hardState)}, ${entries.length - 1} entries in ${JSON.stringify(hardState)} were durable`,
        );
      }
      this.#ask((invariant) => invariant.afterOpened?.(node, restored));
    });
  }

  ended(id: NodeId): void {
    this.node(id).ended();
  }

  logOf(id: NodeId, alive: () => boolean): LogWitness {
    const node = this.node(id);
    return {
      writing: (unit: WriteUnit) => {
        if (!alive()) return;
        this.#guard(() => {
          this.#ask((invariant) => invariant.writing?.(node, unit));
          node.take(unit);
        });
      },
      written: (sequence: WriteSequence) => {
        if (!alive()) return;
        this.#guard(() => {
          node.written(sequence);
          this.#ask((invariant) => invariant.afterWritten?.(node));
        });
      },
    };
  }

  replicaOf(id: NodeId): ReplicaObserver {
    const node = this.node(id);
    return {
      stepped: (input: Input, effects: Effects) => this.#guard(() => this.#stepped(node, input, effects)),
      sent: (to: NodeId, message: PeerMessage) => {
        this.#guard(() => this.#ask((invariant) => invariant.sent?.(node, to, message)));
        this.#waiting.get(message.type)?.();
        this.#waiting.delete(message.type);
      },
      applied: (entry: Entry, result: unknown) =>
        this.#guard(() => {
          const print = printOf(entry);
          this.#ask((invariant) => invariant.applied?.(node, entry, print, result));
        }),
    };
  }

  #stepped(node: NodeHistory, input: Input, effects: Effects): void {
    this.#ask((invariant) => invariant.stepped?.(node, input, effects));
    const { status, commitIndex } = effects;
    if (status !== undefined) {
      node.role = status.role;
      node.term = status.term;
      node.configuration = status.configuration;
      this.#trace.note(
        this.#scheduler.nowMs,
        node.id,
        () => `${status.role} in term ${status.term}, leader ${status.leader ?? '-'}`,
      );
    }
    if (commitIndex !== undefined) node.commitIndex = commitIndex;
  }

  #ask(question: (invariant: Invariant) => void): void {
    for (const invariant of this.#invariants) question(invariant);
  }

  /** What is found inside a node must end the run, not look like a failure of that node. */
  #guard(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#scheduler.fail(error);
      throw error;
    }
  }
}

function votersOf({ configuration }: NodeHistory, founders: readonly NodeId[]): readonly (readonly NodeId[])[] {
  if (configuration === undefined) return [founders];
  const { voters, outgoing } = configuration;
  return outgoing.length > 0 ? [voters, outgoing] : [voters];
}
