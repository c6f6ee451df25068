/**
 * What clients were told, and whether the log agrees. Every record carries a serial of its own.
 *
 * - Acknowledged: it is at its offset, once, for ever.
 * - Failed or never answered: it may be there or not, at most once.
 * - Read: somebody sent it, and whoever reads the offset reads the same; offsets come without gaps and never go back.
 * - Of the producers that share a name, one writes to a queue after the other: none goes on where a later one has begun.
 * - The records of one producer stand in a queue in the order in which it sent them. One that failed may come late, if it comes at all.
 */
import { check } from '../invariants/invariant.ts';

export interface Place {
  readonly queue: number;
  readonly offset: number;
}

interface Sent {
  readonly producer: string;
  readonly number: number;
  /** That the producer shares with earlier and later ones. */
  readonly sharedName: string | undefined;
  outcome: 'open' | 'acknowledged' | 'failed';
  place: Place | undefined;
}

/** Whatever comes first is right. */
const EARLIEST = -1;

export class Oracle {
  readonly #sent = new Map<string, Sent>();
  /** Of each queue the serials, at their offsets. */
  readonly #places = new Map<number, string[]>();
  readonly #progress = new Map<string, number>();
  #acknowledged = 0;
  #failed = 0;
  #reads = 0;
  readonly #ends = new Map<number, number>();
  #latest = 0;

  get counts(): { sent: number; acknowledged: number; failed: number; read: number; latest: number } {
    return {
      sent: this.#sent.size,
      acknowledged: this.#acknowledged,
      failed: this.#failed,
      read: this.#reads,
      latest: this.#latest,
    };
  }

  get open(): number {
    return this.#sent.size - this.#acknowledged - this.#failed;
  }

  sending(producer: string, number: number, sharedName?: string): string {
    const serial = `${producer}#${number}`;
    check(!this.#sent.has(serial), 'Oracle', () => `serial ${serial} is used twice`);
    this.#sent.set(serial, { producer, number, sharedName, outcome: 'open', place: undefined });
    return serial;
  }

  acknowledged(serial: string, place: Place): void {
    const sent = this.#get(serial);
    check(sent.outcome === 'open', 'Answered Once', () => `${serial} has two outcomes`);
    sent.outcome = 'acknowledged';
    this.#acknowledged += 1;
    this.#ends.set(place.queue, Math.max(this.knownEnd(place.queue), place.offset + 1));
    this.#settle(serial, sent, place, 'acknowledged');
  }

  /** Rejected, or its client died: the outcome is unknown. */
  failed(serial: string): void {
    const sent = this.#get(serial);
    check(sent.outcome === 'open', 'Answered Once', () => `${serial} has two outcomes`);
    sent.outcome = 'failed';
    this.#failed += 1;
  }

  /** A reader begins, or begins again, with this offset of the queue; `earliest`: with the first that is still held, whichever that is. */
  readingFrom(reader: string, queue: number, offset: number | 'earliest'): void {
    this.#progress.set(`${reader}/${queue}`, offset === 'earliest' ? EARLIEST : offset);
    for (const key of [...this.#progress.keys()]) if (key.startsWith(`${reader}/${queue} `)) this.#progress.delete(key);
  }

  read(reader: string, place: Place, serial: string): void {
    this.#reads += 1;
    const { queue, offset } = place;
    const key = `${reader}/${queue}`;
    const expected = this.#progress.get(key) ?? 0;
    check(
      offset === expected || expected === EARLIEST,
      'Nothing Missed, Nothing Twice',
      () => `${reader} reads offset ${offset} of queue ${queue}, ${expected} was next`,
    );
    this.#progress.set(key, offset + 1);
    const sent = this.#sent.get(serial);
    check(sent !== undefined, 'No Phantoms', () => `${reader} reads ${JSON.stringify(serial)}, which nobody sent`);
    if (sent === undefined) return;
    this.#settle(serial, sent, place, `read by ${reader}`);
    if (sent.outcome === 'failed') return;
    const order = `${key} ${sent.producer}`;
    const before = this.#progress.get(order) ?? -1;
    check(sent.number > before, 'Order Of A Producer', () => `${reader} reads ${serial} after ${sent.producer}#${before}`);
    this.#progress.set(order, sent.number);
  }

  /** Where the queue ends at least, for whoever asks from now on: behind all that was acknowledged, and all ends that anybody was told. */
  knownEnd(queue: number): number {
    return this.#ends.get(queue) ?? 0;
  }

  /** A linearizable read, begun when the end was known to be at `least`, was told that it is at `end`. */
  sawEnd(who: string, queue: number, least: number, end: number): void {
    check(
      end >= least,
      'Linearizable Reads',
      () => `${who} says that queue ${queue} ends at ${end}, it was at ${least} before the question`,
    );
    this.#ends.set(queue, Math.max(this.knownEnd(queue), end));
    this.#latest += 1;
  }

  /** Everything acknowledged was read by `reader`, who has read all there is. */
  checkComplete(reader: string): void {
    for (const [serial, { outcome, place }] of this.#sent) {
      if (outcome !== 'acknowledged' || place === undefined) continue;
      const read = this.#progress.get(`${reader}/${place.queue}`) ?? 0;
      // Nothing is held of the queue any more.
      if (read === EARLIEST) continue;
      check(
        place.offset < read,
        'Acknowledged Is There',
        () => `${serial} was acknowledged at ${place.queue}/${place.offset}, the queue ends at ${read}`,
      );
    }
  }

  /** Of producers that share a name each has written to a queue in one go. */
  checkOneWriter(): void {
    for (const [queue, places] of this.#places) {
      const writers = new Map<string, string>();
      const passed = new Set<string>();
      for (const serial of places) {
        const sent = serial === undefined ? undefined : this.#sent.get(serial);
        if (sent?.sharedName === undefined) continue;
        const writer = writers.get(sent.sharedName);
        if (writer === sent.producer) continue;
        check(
          !passed.has(sent.producer),
          'One Instance Writes',
          () => `${serial} stands in queue ${queue} behind those of ${writer}`,
        );
        if (writer !== undefined) passed.add(writer);
        writers.set(sent.sharedName, sent.producer);
      }
    }
  }

  /** One serial, one place; one place, one serial. */
  #settle(serial: string, sent: Sent, place: Place, how: string): void {
    const { queue, offset } = place;
    const known = sent.place;
    check(
      known === undefined || (known.queue === queue && known.offset === offset),
      'Exactly Once',
      () => `${serial} is at ${known?.queue}/${known?.offset} and, ${how}, at ${queue}/${offset}`,
    );
    sent.place = place;
    const places = this.#places.get(queue) ?? [];
    const other = places[offset];
    check(
      other === undefined || other === serial,
      'Offsets Never Change',
      () => `offset ${queue}/${offset} holds ${other} and, ${how}, ${serial}`,
    );
    places[offset] = serial;
    this.#places.set(queue, places);
  }

  #get(serial: string): Sent {
    const sent = this.#sent.get(serial);
    if (sent === undefined) throw new Error(`${serial} was never sent`);
    return sent;
  }
}
