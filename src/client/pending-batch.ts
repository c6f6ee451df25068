/** Records on their way together, and those who wait for them. */
import { assert } from '../base/assert.ts';
import type { LograftError } from '../rpc/error.ts';
import { type EncodableRecord, RecordSetWriter, type SealedRecords } from './record-batch.ts';

/** Where a record is now. */
export interface SentRecord {
  readonly queue: number;
  readonly offset: number;
}

/** What the producer counts. */
export interface Ledger {
  settled(records: number, bytes: number, acknowledged: boolean): void;
}

export class PendingBatch {
  readonly createdAtMs: number;
  /** Set when it is first sent; repetitions carry the same. */
  place: { readonly producerId: number; readonly firstSequence: number; readonly bytes: Buffer } | undefined;
  /** Sent on the present stream, not answered yet. */
  inFlight = false;
  /** An earlier sending of it was not answered: it may be in the log. */
  doubtful = false;
  /** Nothing more should be added, even if there is room: it has waited long enough. */
  due = false;
  /** Why it was last refused though it may be sent again. */
  lastRefusal: LograftError | undefined;
  readonly #ledger: Ledger;
  readonly #writer = new RecordSetWriter();
  readonly #resolves: ((sent: SentRecord) => void)[] = [];
  readonly #rejects: ((error: unknown) => void)[] = [];
  #sealed: SealedRecords | undefined;
  #bytes = 0;
  #settled = false;
  #watchers: (() => void)[] | undefined;

  constructor(ledger: Ledger, nowMs: number) {
    this.#ledger = ledger;
    this.createdAtMs = nowMs;
  }

  get count(): number {
    return this.#resolves.length;
  }

  /** Of the encoded records. */
  get bytes(): number {
    return this.#bytes;
  }

  get settled(): boolean {
    return this.#settled;
  }

  add(record: EncodableRecord, size: number, resolve: (sent: SentRecord) => void, reject: (error: unknown) => void): void {
    assert(this.#sealed === undefined && !this.#settled, 'records join an open batch');
    this.#writer.append(record, size);
    this.#bytes = this.#writer.size;
    this.#resolves.push(resolve);
    this.#rejects.push(reject);
  }

  seal(): void {
    if (this.#sealed === undefined) this.#sealed = this.#writer.seal();
  }

  /** Gives it its place in a producer session. Only while no stream holds it. */
  encode(head: { topicId: number; queue: number; producerId: number; firstSequence: number }): Buffer {
    assert(this.#sealed !== undefined && !this.inFlight, 'a sealed batch that no stream holds gets a place');
    const bytes = this.#sealed.encode(head);
    this.place = { producerId: head.producerId, firstSequence: head.firstSequence, bytes };
    return bytes;
  }

  resolve(queue: number, baseOffset: number): void {
    if (!this.#settle(true)) return;
    for (let at = 0; at < this.#resolves.length; at += 1) this.#resolves[at]?.({ queue, offset: baseOffset + at });
  }

  reject(error: LograftError): void {
    if (!this.#settle(false)) return;
    for (const reject of this.#rejects) reject(error);
  }

  /** Calls `watcher` when every record of it has its outcome. */
  whenSettled(watcher: () => void): void {
    if (this.#settled) return watcher();
    this.#watchers ??= [];
    this.#watchers.push(watcher);
  }

  #settle(acknowledged: boolean): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#writer.clear();
    this.#sealed = undefined;
    this.place = undefined;
    this.#ledger.settled(this.count, this.#bytes, acknowledged);
    for (const watcher of this.#watchers ?? []) watcher();
    return true;
  }
}
