/** The words of consensus. Everything here is plain data. */
import { assert } from '../base/assert.ts';
import type { Brand } from '../base/brand.ts';

/** A replica's name, unique in its group for all time: 1 to 63 characters of `[A-Za-z0-9._-]`. */
export type NodeId = Brand<string, 'NodeId'>;
/** Election term, from 0 (nothing ever elected). Never decreases on a node. */
export type Term = Brand<number, 'Term'>;
/** Position of an entry in the log, from 1; 0 is the position before the first entry. */
export type LogIndex = Brand<number, 'LogIndex'>;
/** Number of a write unit, from 1, in the order in which the core issued them since it was made. */
export type WriteSequence = Brand<number, 'WriteSequence'>;

const NODE_ID = /^[A-Za-z0-9._-]{1,63}$/;

export function nodeId(value: string): NodeId {
  assert(NODE_ID.test(value), `node id must match ${NODE_ID}: ${JSON.stringify(value)}`);
  return value as NodeId;
}

export function isNodeId(value: string): value is NodeId {
  return NODE_ID.test(value);
}

export function term(value: number): Term {
  assert(Number.isSafeInteger(value) && value >= 0, `not a term: ${value}`);
  return value as Term;
}

export function logIndex(value: number): LogIndex {
  assert(Number.isSafeInteger(value) && value >= 0, `not a log index: ${value}`);
  return value as LogIndex;
}

/** Kinds below this belong to consensus; from it up to 255 to the state machine, which consensus never looks into. */
export const FIRST_APPLICATION_KIND = 16;
/** The entry a new leader appends first (thesis 6.4): empty payload. */
export const KIND_NOOP = 0;
/** Who belongs to the group from this entry on (thesis 4): an encoded configuration. In force as soon as it is in the log. */
export const KIND_CONFIGURATION = 1;

/** One log entry. Its payload is a view that nobody changes. */
export interface Entry {
  readonly term: Term;
  readonly index: LogIndex;
  /** 0 to 255, see {@link FIRST_APPLICATION_KIND}. */
  readonly kind: number;
  readonly payload: Uint8Array;
}

/** What a node must remember whatever happens (paper figure 2, "persistent state"). */
export interface HardState {
  readonly term: Term;
  /** Whom this node voted for in `term`; undefined when nobody yet. Cleared only when the term grows. */
  readonly vote: NodeId | undefined;
}

/** A run of neighbouring entries of one term: `[firstIndex, next run's firstIndex)`. */
export interface TermRun {
  readonly term: Term;
  readonly firstIndex: LogIndex;
}

/** A place in a log, as one log compares it with another's (paper 5.3, 5.4.1). */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/** Where a log begins: all up to and including this entry is committed, dropped, and part of a snapshot. (0, 0): nothing was dropped. */
export interface LogBase extends LogPosition {
  /** Payload of the newest configuration entry up to here; undefined while the founding configuration holds. */
  readonly configuration: Uint8Array | undefined;
}

/** What recovery found on the disk. */
export interface RestoredLog {
  readonly hardState: HardState;
  readonly base: LogBase;
  /** Index of the last entry; `base.index` for a log without entries. The first entry has index `base.index + 1`. */
  readonly lastIndex: LogIndex;
  /** Terms of all entries after the base, ascending and without gaps; `[]` for a log without entries. */
  readonly termRuns: readonly TermRun[];
  /** All entries of KIND_CONFIGURATION after the base, ascending. */
  readonly configurations: readonly Entry[];
  /**
   * Set when this log once held, durably, entries up to here and a disk fault took them. Until the log is as up to date as this again, the
   * node votes as if it still had them and stands for no election: to its peers it is merely slow, never forgetful.
   */
  readonly floor: LogPosition | undefined;
}

/** One ordered, all-or-prefix change of what is on the disk. Units become durable in the order of their sequence. */
export interface WriteUnit {
  readonly sequence: WriteSequence;
  readonly hardState: HardState;
  /** When set, first of all: every entry is dropped and the log begins anew after this base (an installed snapshot). */
  readonly reset: LogBase | undefined;
  /** When set: entries from here on are replaced. Always equals the first entry's index. */
  readonly truncateFrom: LogIndex | undefined;
  /** Contiguous; follows the log's last entry, or begins at `truncateFrom`. May be empty (hard state alone). */
  readonly entries: readonly Entry[];
}
