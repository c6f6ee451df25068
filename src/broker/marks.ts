/** The checkpoints at which a group's log may be cut: each a place, a time, and where every queue was. Part of the replicated state. */
import { assert } from '../base/assert.ts';
import { readNumber, writeNumber } from '../storage/bytes.ts';
import { MAX_MARKS } from './limits.ts';

export interface MarkedQueue {
  readonly topicId: number;
  readonly queue: number;
  /** Offset of the first record after the checkpoint. */
  readonly nextOffset: number;
}

export interface Mark {
  /** Log index of the checkpoint entry. */
  readonly index: number;
  /** The leader's clock then, milliseconds since 1970; never below the mark before. */
  readonly wallMs: number;
  /** Payload of all entries up to it. */
  readonly appliedBytes: number;
  /** Queues at offset 0 are left out. */
  readonly queues: readonly MarkedQueue[];
}

export class Marks {
  #marks: Mark[];

  constructor(marks: readonly Mark[]) {
    this.#marks = [...marks];
  }

  /** Oldest first. */
  all(): readonly Mark[] {
    return this.#marks;
  }

  get last(): Mark | undefined {
    return this.#marks.at(-1);
  }

  /**
   * Adds a mark. Gives the one that is dropped for it when there are too many: never the first or the last, and such that the rest lie
   * as evenly in time as they can.
   */
  add(mark: Mark): Mark | undefined {
    assert(mark.index > (this.last?.index ?? 0), 'marks follow each other');
    this.#marks.push(mark);
    if (this.#marks.length <= MAX_MARKS) return undefined;
    let narrowest = 1;
    for (let at = 1; at < this.#marks.length - 1; at += 1) if (this.#gapAround(at) < this.#gapAround(narrowest)) narrowest = at;
    return this.#marks.splice(narrowest, 1)[0];
  }

  /** The mark at `index`, and those before it, which are forgotten. */
  cutAt(index: number): { readonly mark: Mark; readonly dropped: readonly Mark[] } | undefined {
    const at = this.#marks.findIndex((mark) => mark.index === index);
    const mark = this.#marks[at];
    return mark === undefined ? undefined : { mark, dropped: this.#marks.splice(0, at) };
  }

  #gapAround(at: number): number {
    return (this.#marks[at + 1]?.wallMs ?? 0) - (this.#marks[at - 1]?.wallMs ?? 0);
  }
}

const HEAD_BYTES = 16;
const QUEUE_BYTES = 16;

export function markValue({ wallMs, appliedBytes, queues }: Mark): Buffer {
  const value = Buffer.allocUnsafe(HEAD_BYTES + queues.length * QUEUE_BYTES);
  writeNumber(value, wallMs, 0);
  writeNumber(value, appliedBytes, 8);
  queues.forEach(({ topicId, queue, nextOffset }, at) => {
    const position = HEAD_BYTES + at * QUEUE_BYTES;
    value.writeUInt32BE(topicId, position);
    value.writeUInt32BE(queue, position + 4);
    writeNumber(value, nextOffset, position + 8);
  });
  return value;
}

export function readMark(index: number, value: Buffer): Mark {
  const queues: MarkedQueue[] = [];
  for (let at = HEAD_BYTES; at < value.length; at += QUEUE_BYTES) {
    queues.push({ topicId: value.readUInt32BE(at), queue: value.readUInt32BE(at + 4), nextOffset: readNumber(value, at + 8) });
  }
  return { index, wallMs: readNumber(value, 0), appliedBytes: readNumber(value, 8), queues };
}
