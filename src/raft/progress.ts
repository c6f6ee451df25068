/** The leader's view of one follower (paper figure 2, nextIndex and matchIndex), and its window of messages in flight. */
import { assert } from '../base/assert.ts';
import type { LogIndex, NodeId } from './types.ts';

/**
 * - `probe`: it is not known where the follower's log agrees with ours, or sizes are unknown. One message in flight.
 * - `replicate`: it agrees up to `nextIndex - 1` if nothing gets lost. Messages are pipelined (thesis 10.2.1).
 */
export type ProgressState = 'probe' | 'replicate';

interface InflightAppend {
  readonly request: number;
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

/** Invariant: `matchIndex < nextIndex`; in `probe` at most one message is in flight; `matchIndex` falls only in `forgetMatch`. */
export class FollowerProgress {
  readonly id: NodeId;
  #state: ProgressState = 'probe';
  #matchIndex = 0 as LogIndex;
  #nextIndex: LogIndex;
  #inflight: InflightAppend[] = [];
  #inflightBytes = 0;
  #lastRequest = 0;
  #firstCurrentRequest = 1;
  /** When something in flight was last acknowledged, or first sent. */
  #movedMs: number;
  /** Probes sent since the last answer: the wait before the next grows with it. */
  #unansweredProbes = 0;
  lastHeardMs: number;
  /** What it says of itself: a good leader, should this one go. */
  fit = true;
  /** The newest round of heartbeats it answered in this term: it knew of no other leader then. */
  answeredRound = 0;

  constructor(id: NodeId, nextIndex: LogIndex, nowMs: number) {
    this.id = id;
    this.#nextIndex = nextIndex;
    this.#movedMs = nowMs;
    this.lastHeardMs = nowMs;
  }

  get state(): ProgressState {
    return this.#state;
  }

  /** The follower durably holds our log up to here. */
  get matchIndex(): LogIndex {
    return this.#matchIndex;
  }

  /** First entry of the next message. */
  get nextIndex(): LogIndex {
    return this.#nextIndex;
  }

  /** Several probes in a row got no answer in time: lost, or slower than our patience. */
  get isUnanswered(): boolean {
    return this.#unansweredProbes >= 3;
  }

  get inflightAppends(): number {
    return this.#inflight.length;
  }

  get inflightBytes(): number {
    return this.#inflightBytes;
  }

  /** Notes a message that leaves now and returns its number. */
  sent(lastIndex: LogIndex, bytes: number, nowMs: number): number {
    assert(this.#state === 'replicate' || this.#inflight.length === 0, 'one probe at a time');
    assert(lastIndex >= this.#nextIndex - 1, 'a message ends no earlier than it begins');
    this.#lastRequest += 1;
    if (this.#inflight.length === 0) this.#movedMs = nowMs;
    this.#inflight.push({ request: this.#lastRequest, lastIndex, bytes });
    this.#inflightBytes += bytes;
    if (this.#state === 'replicate') this.#nextIndex = (lastIndex + 1) as LogIndex;
    else this.#unansweredProbes += 1;
    return this.#lastRequest;
  }

  /** Notes an offer of a snapshot of everything up to `index`: it waits for an answer as a probe does. */
  offered(index: LogIndex, nowMs: number): number {
    assert(this.#state === 'probe' && this.#inflight.length === 0, 'one probe at a time');
    assert(this.#nextIndex <= index, 'a snapshot is for what is not in the log');
    this.#lastRequest += 1;
    this.#movedMs = nowMs;
    this.#inflight.push({ request: this.#lastRequest, lastIndex: index, bytes: 0 });
    this.#unansweredProbes += 1;
    return this.#lastRequest;
  }

  /**
   * Notes that the follower durably holds our log up to `matchIndex`. That stays true for the whole term whichever request it answers
   * and however late, so it always counts. Returns true when it answers the probe in flight.
   */
  accepted(request: number, matchIndex: LogIndex, nowMs: number): boolean {
    if (request < this.#firstCurrentRequest) return false;
    if (matchIndex > this.#matchIndex) this.#matchIndex = matchIndex;
    if (this.#nextIndex <= this.#matchIndex) this.#nextIndex = (this.#matchIndex + 1) as LogIndex;
    if (this.#state === 'probe') {
      if (this.#inflight[0]?.request !== request) return false;
      this.#clearInflight();
      this.#unansweredProbes = 0;
      this.#nextIndex = (this.#matchIndex + 1) as LogIndex;
      return true;
    }
    let released = 0;
    for (const append of this.#inflight) {
      if (append.lastIndex > this.#matchIndex) break;
      this.#inflightBytes -= append.bytes;
      released += 1;
    }
    if (released > 0) {
      this.#inflight.splice(0, released);
      this.#movedMs = nowMs;
    }
    assert(this.#inflightBytes >= 0, 'what left the window had entered it');
    return false;
  }

  /**
   * True when a rejection answers a message that is still in flight and does not contradict what the follower attested. Everything
   * else is late: to act on it would undo progress (B26).
   */
  isCurrentRejection(request: number, previousIndex: LogIndex): boolean {
    return previousIndex > this.#matchIndex && this.#inflight.some((append) => append.request === request);
  }

  /** Probes again from `nextIndex`, or just above what is known to match. */
  backUpTo(nextIndex: LogIndex): void {
    assert(nextIndex <= this.#nextIndex, 'a rejection never moves forward');
    this.#state = 'probe';
    this.#clearInflight();
    this.#unansweredProbes = 0;
    this.#nextIndex = Math.max(nextIndex, this.#matchIndex + 1) as LogIndex;
  }

  /** What is in flight counts as lost. The place of a search that is under way is kept: its match may still be unknown. */
  forgetInflight(): void {
    if (this.#state === 'replicate') this.#nextIndex = (this.#matchIndex + 1) as LogIndex;
    this.#state = 'probe';
    this.#clearInflight();
  }

  /**
   * The follower may be a new process. If its disk was told not to be safe, it may have lost what it attested: find out anew, and take
   * no answer of its former life. Lowering the match only ever delays a commit.
   */
  forgetMatch(): void {
    this.forgetInflight();
    this.#matchIndex = 0 as LogIndex;
    this.#firstCurrentRequest = this.#lastRequest + 1;
  }

  becomeReplicate(): void {
    assert(this.#state === 'probe' && this.#inflight.length === 0, 'a probe was answered');
    assert(this.#nextIndex === this.#matchIndex + 1, 'where the logs agree is known');
    this.#state = 'replicate';
  }

  /** Back to one message at a time, because sizes of what comes next are no longer known. */
  becomeCatchUp(): void {
    assert(this.#inflight.length === 0, 'the pipeline has drained');
    this.#state = 'probe';
  }

  /** Whether messages in flight must be taken for lost, although the follower answers heartbeats. */
  isStalled(nowMs: number, heartbeatIntervalMs: number, electionTimeoutMinMs: number): boolean {
    if (this.#inflight.length === 0) return false;
    const waitedMs = nowMs - this.#movedMs;
    if (this.#state === 'replicate') return waitedMs > electionTimeoutMinMs;
    // Not lost, perhaps, but waiting for a slow disk: so ever more patiently, or the repeats would bury it.
    const doublings = Math.min(this.#unansweredProbes - 1, 10);
    return waitedMs >= Math.min(heartbeatIntervalMs * 2 ** Math.max(0, doublings), electionTimeoutMinMs);
  }

  #clearInflight(): void {
    this.#inflight = [];
    this.#inflightBytes = 0;
  }
}
