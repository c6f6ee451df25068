/** What must hold at every step, whatever happens. One file each, named as in the Raft paper where it has a name there. */
import type { Effects, Status } from '../../../src/raft/effects.ts';
import type { Input } from '../../../src/raft/inputs.ts';
import type { PeerMessage } from '../../../src/raft/messages.ts';
import type { Entry, NodeId, RestoredLog, WriteUnit } from '../../../src/raft/types.ts';
import type { EntryPrint, NodeHistory } from '../cluster/node-history.ts';

/** Told before the node's history is brought up to date, unless its name says otherwise. */
export interface Invariant {
  stepped?(node: NodeHistory, input: Input, effects: Effects): void;
  sent?(node: NodeHistory, to: NodeId, message: PeerMessage): void;
  applied?(node: NodeHistory, entry: Entry, print: EntryPrint, result: unknown): void;
  /** The log takes a unit. */
  writing?(node: NodeHistory, unit: WriteUnit): void;
  /** The log called more of it durable; the history knows. */
  afterWritten?(node: NodeHistory): void;
  /** A process opened its log; the history knows. */
  afterOpened?(node: NodeHistory, restored: RestoredLog): void;
}

export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: string;

  constructor(invariant: string, why: string) {
    super(`${invariant}: ${why}`);
    this.invariant = invariant;
  }
}

export function check(condition: boolean, invariant: string, why: () => string): void {
  if (!condition) throw new Violation(invariant, why());
}

/** Not one who led already, and whose group changed. */
export function takesOffice(node: NodeHistory, status: Status): boolean {
  return status.role === 'leader' && (node.role !== 'leader' || node.term !== status.term);
}
