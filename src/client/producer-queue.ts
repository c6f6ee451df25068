/**
 * The records of one producer for one queue: which are under way, which wait, and what an answer means for those behind it.
 *
 * A node appends a batch only where the one before it, in the same producer session, is in the log. So a batch that is refused stops all
 * behind it: they are answered OUT_OF_SEQUENCE, and nothing is lost or reordered if the queue then waits for all answers and
 * - sends everything not acknowledged again, same bytes, same order ("resend": the refusal was OVERLOADED or DISK_FULL), or
 * - goes on without the refused batch ("renumber"): what is certainly not in the log gets new numbers in a fresh session. A batch whose
 *   earlier sending was never answered may be in the log; it is first sent once more under its old number ("probing"), which the node
 *   answers with its first offset or with OUT_OF_SEQUENCE. Only then is it certain, and a new number safe.
 */
import { assert } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { LograftError } from '../rpc/error.ts';
import type { PendingBatch } from './pending-batch.ts';

type Mode =
  | { readonly type: 'open' }
  /** A batch was refused: nothing is sent until the rest is answered. */
  | { readonly type: 'settling'; readonly next: Recovery }
  | { readonly type: 'pausing'; readonly next: Recovery; readonly timer: Timer }
  /** Only what has a number is sent, to learn whether it is in the log. */
  | { readonly type: 'probing' };
type Recovery = 'resend' | 'renumber';

/** The connection that carries the queue. */
export interface QueueCarrier {
  /** The session for queues that have none; undefined: it is being opened, `wake` will be called. */
  session(): number | undefined;
  /** The session is of no use to new batches. */
  retire(producerId: number): void;
  /** Another instance of the producer has taken over: nothing of this one will ever be stored again. */
  fenced(error: LograftError): void;
  /** The queue may have something to send. */
  wake(queue: ProducerQueue): void;
  /** Whether there is a stream at present. */
  readonly connected: boolean;
  /** Why nothing gets through at present, for a person. */
  readonly trouble: string | undefined;
}

const FIRST_PAUSE_MS = 10;
const LAST_PAUSE_MS = 1_000;
const OPEN: Mode = { type: 'open' };

export class ProducerQueue {
  readonly topic: { readonly name: string; readonly id: number };
  readonly queue: number;
  readonly #carrier: QueueCarrier;
  readonly #maxInFlight: number;
  readonly #clock: Clock;
  /** Called when a batch is sealed, so that records without a key move on to another queue. */
  readonly #onSealed: () => void;
  readonly #onUnknown: (error: LograftError) => void;
  #open: PendingBatch | undefined;
  /** Full or due, without a number. */
  readonly #unsent: PendingBatch[] = [];
  /** With numbers in `#session`, not acknowledged, in order. */
  readonly #sent: PendingBatch[] = [];
  /** Of `#sent`: those before it were sent on the present stream. */
  #cursor = 0;
  #inFlight = 0;
  #session: number | undefined;
  #nextSequence = 0;
  #mode: Mode = OPEN;
  #pauseMs = FIRST_PAUSE_MS;
  /** New numbers were given and nothing has come of it yet. */
  #fruitless = false;
  retries = 0;

  constructor(
    topic: { readonly name: string; readonly id: number },
    queue: number,
    carrier: QueueCarrier,
    settings: {
      readonly maxInFlight: number;
      readonly clock: Clock;
      readonly onSealed: () => void;
      readonly onUnknown: (error: LograftError) => void;
    },
  ) {
    this.topic = topic;
    this.queue = queue;
    this.#carrier = carrier;
    this.#maxInFlight = settings.maxInFlight;
    this.#clock = settings.clock;
    this.#onSealed = settings.onSealed;
    this.#onUnknown = settings.onUnknown;
  }

  get idle(): boolean {
    return this.#open === undefined && this.#unsent.length === 0 && this.#sent.length === 0;
  }

  get open(): PendingBatch | undefined {
    return this.#open;
  }

  /** It has something to send. */
  wake(): void {
    this.#carrier.wake(this);
  }

  /** Begins a batch. The one before must be sealed. */
  begin(batch: PendingBatch): void {
    assert(this.#open === undefined, 'one batch is open at a time');
    this.#open = batch;
  }

  /** The open batch takes no more records. */
  sealOpen(): void {
    const batch = this.#open;
    if (batch === undefined) return;
    this.#open = undefined;
    batch.seal();
    this.#unsent.push(batch);
    this.#onSealed();
  }

  /** The next batch to write to the stream. */
  take(): { readonly batch: PendingBatch; readonly bytes: Buffer } | undefined {
    if (this.#mode.type !== 'open' && this.#mode.type !== 'probing') return undefined;
    const again = this.#sent[this.#cursor];
    if (again !== undefined) {
      assert(again.place !== undefined, 'what was sent has its place');
      this.retries += 1;
      return this.#takeOff(again, again.place.bytes);
    }
    if (this.#mode.type === 'probing' || this.#sent.length >= this.#maxInFlight) return undefined;
    if (this.#unsent.length === 0 && this.#open !== undefined && (this.#open.due || this.#sent.length === 0)) this.sealOpen();
    const batch = this.#unsent[0];
    if (batch === undefined) return undefined;
    if (this.#session === undefined) {
      this.#session = this.#carrier.session();
      if (this.#session === undefined) return undefined;
      this.#nextSequence = 0;
    }
    const head = { topicId: this.topic.id, queue: this.queue, producerId: this.#session, firstSequence: this.#nextSequence };
    this.#unsent.shift();
    this.#sent.push(batch);
    this.#nextSequence += batch.count;
    return this.#takeOff(batch, batch.encode(head));
  }

  #takeOff(batch: PendingBatch, bytes: Buffer): { batch: PendingBatch; bytes: Buffer } {
    this.#cursor += 1;
    this.#inFlight += 1;
    batch.inFlight = true;
    return { batch, bytes };
  }

  /** The batch is durable on a quorum. */
  acknowledged(batch: PendingBatch, baseOffset: number): void {
    if (!this.#land(batch)) return;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#fruitless = false;
    this.#remove(batch);
    batch.resolve(this.queue, baseOffset);
    this.#afterAnswer();
  }

  /** The batch was refused, and the refusal concerns it alone (what ends the stream comes as `disconnected`). */
  refused(batch: PendingBatch, error: LograftError): void {
    if (!this.#land(batch)) return;
    switch (error.reason) {
      case 'OVERLOADED':
      case 'DISK_FULL':
      case 'NOT_PLACED':
      case 'NO_LEADER':
        batch.lastRefusal = error;
        this.#settleFor('resend');
        break;
      case 'OUT_OF_SEQUENCE':
        // Judged when applied, after all that an earlier sending could have caused: it is not in the log.
        batch.doubtful = false;
        // Without a refused batch ahead of it the node has forgotten some of the session: its numbers cannot be used any more.
        if (this.#mode.type === 'open') this.#settleFor('renumber');
        break;
      case 'UNKNOWN_PRODUCER':
        if (batch.doubtful) this.#fail(batch, doubt(error));
        this.#settleFor('renumber');
        break;
      case 'FENCED':
        return this.#carrier.fenced(error);
      case 'DUPLICATE_TOO_OLD':
        // It is in the log, and so is all before it: the session is whole.
        this.#fail(batch, error);
        break;
      case 'UNKNOWN_TOPIC':
      case 'UNKNOWN_QUEUE':
        this.#fail(batch, error);
        for (const waiting of this.#unsent.splice(0)) waiting.reject(error);
        this.#open?.reject(error);
        this.#open = undefined;
        this.#settleFor('renumber');
        this.#onUnknown(error);
        break;
      default:
        this.#fail(batch, error);
        this.#settleFor('renumber');
    }
    this.#afterAnswer();
  }

  /** The stream broke, or its node leads no longer: what is under way may or may not have happened. */
  disconnected(): void {
    for (const batch of this.#sent) {
      if (batch.inFlight) batch.doubtful = true;
      batch.inFlight = false;
    }
    this.#cursor = 0;
    this.#inFlight = 0;
    if (this.#mode.type === 'settling') {
      if (this.#mode.next === 'resend') this.#mode = OPEN;
      else this.#renumber();
    }
  }

  /** Rejects what was accepted at `beforeMs` or earlier. */
  expire(beforeMs: number, timeoutMs: number): void {
    if (this.#sent.some(({ createdAtMs }) => createdAtMs <= beforeMs)) this.#expireSent(beforeMs, timeoutMs);
    while (this.#unsent[0] !== undefined && this.#unsent[0].createdAtMs <= beforeMs) {
      this.#unsent.shift()?.reject(neverSent(timeoutMs, this.#carrier));
    }
    if (this.#open !== undefined && this.#open.createdAtMs <= beforeMs) {
      this.#open.reject(neverSent(timeoutMs, this.#carrier));
      this.#open = undefined;
    }
  }

  /** A batch that may be in the log is given up: its session cannot tell any more what follows it. */
  #expireSent(beforeMs: number, timeoutMs: number): void {
    const session = this.#session;
    const kept: PendingBatch[] = [];
    for (const batch of this.#sent.splice(0)) {
      const unknown = batch.inFlight || batch.doubtful;
      batch.inFlight = false;
      if (unknown) batch.reject(outcomeUnknown(timeoutMs, this.#carrier.trouble));
      else if (batch.createdAtMs <= beforeMs) batch.reject(batch.lastRefusal ?? neverSent(timeoutMs, this.#carrier));
      else kept.push(batch);
    }
    this.#cursor = 0;
    this.#inFlight = 0;
    this.#freshSession(session, kept);
  }

  /** Rejects everything. */
  fail(error: LograftError): void {
    if (this.#mode.type === 'pausing') this.#mode.timer.cancel();
    this.#mode = OPEN;
    const all = [...this.#sent.splice(0), ...this.#unsent.splice(0), ...(this.#open === undefined ? [] : [this.#open])];
    this.#open = undefined;
    this.#cursor = 0;
    this.#inFlight = 0;
    for (const batch of all) batch.reject(error);
  }

  /** Takes the batch off the stream. False: it was given up before. */
  #land(batch: PendingBatch): boolean {
    if (!batch.inFlight) return false;
    batch.inFlight = false;
    this.#inFlight -= 1;
    return true;
  }

  #remove(batch: PendingBatch): void {
    const at = this.#sent.indexOf(batch);
    assert(at >= 0 && at < this.#cursor, 'what is answered was sent on this stream');
    this.#sent.splice(at, 1);
    this.#cursor -= 1;
  }

  #fail(batch: PendingBatch, error: LograftError): void {
    this.#remove(batch);
    this.#fruitless = false;
    batch.reject(error);
  }

  #settleFor(next: Recovery): void {
    if (this.#mode.type === 'probing') return;
    assert(this.#mode.type !== 'pausing', 'a queue pauses when all is answered');
    const renumber = next === 'renumber' || (this.#mode.type === 'settling' && this.#mode.next === 'renumber');
    this.#mode = { type: 'settling', next: renumber ? 'renumber' : 'resend' };
  }

  #afterAnswer(): void {
    const mode = this.#mode;
    if (mode.type === 'open') return this.#carrier.wake(this);
    if (this.#inFlight > 0 || mode.type === 'pausing') return;
    if (mode.type === 'probing') {
      if (this.#cursor < this.#sent.length) return this.#carrier.wake(this);
      if (this.#sent.some(({ doubtful }) => doubtful)) this.#pause('renumber');
      else this.#renumber();
    } else if (mode.next === 'resend' || this.#fruitless) this.#pause(mode.next);
    else this.#renumber();
  }

  #pause(next: Recovery): void {
    const timer = this.#clock.after(this.#pauseMs, () => {
      this.#mode = OPEN;
      this.#cursor = 0;
      if (next === 'renumber') this.#renumber();
      else this.#carrier.wake(this);
    });
    this.#mode = { type: 'pausing', next, timer };
    this.#pauseMs = Math.min(LAST_PAUSE_MS, this.#pauseMs * 2);
  }

  /** Nothing is in flight. */
  #renumber(): void {
    assert(this.#inFlight === 0, 'numbers change only when nothing is under way');
    this.#cursor = 0;
    if (this.#sent.some(({ doubtful }) => doubtful)) {
      this.#mode = { type: 'probing' };
      this.#carrier.wake(this);
    } else {
      this.#fruitless = this.#sent.length > 0;
      this.#freshSession(this.#session, this.#sent.splice(0));
    }
  }

  #freshSession(former: number | undefined, again: readonly PendingBatch[]): void {
    if (this.#mode.type === 'pausing') this.#mode.timer.cancel();
    this.#unsent.unshift(...again);
    this.#session = undefined;
    this.#mode = OPEN;
    if (former !== undefined) this.#carrier.retire(former);
    this.#carrier.wake(this);
  }
}

function doubt(cause: LograftError): LograftError {
  const why =
    'the node no longer knows the producer session, and an earlier try was never answered: the records may be stored or not';
  return new LograftError('OUTCOME_UNKNOWN', why, { cause });
}

function outcomeUnknown(timeoutMs: number, trouble: string | undefined): LograftError {
  const why = `no acknowledgement within ${timeoutMs} ms: the outcome is unknown, the record may be stored or not; sending it again may store it twice`;
  return new LograftError('TIMED_OUT', trouble === undefined ? why : `${why} (${trouble})`);
}

/** Nothing was done, and the reason says so: what waits behind a slow leader is too much for it, what has no stream has no leader. */
function neverSent(timeoutMs: number, { connected, trouble }: QueueCarrier): LograftError {
  const why = `not sent within ${timeoutMs} ms: the record is not stored, it is safe to send it again`;
  return new LograftError(connected ? 'OVERLOADED' : 'NO_LEADER', trouble === undefined ? why : `${why} (${trouble})`);
}
