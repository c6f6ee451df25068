/** Simulated time: a queue of things to do, done one by one, each to its end before the next begins. */
import { assert } from '../../../src/base/assert.ts';
import type { Timer } from '../../../src/base/clock.ts';
import type { Trace } from './trace.ts';

class Event implements Timer {
  readonly atMs: number;
  /** Breaks ties: what was scheduled first happens first. */
  readonly order: number;
  readonly kind: string;
  task: (() => void) | undefined;

  constructor(atMs: number, order: number, kind: string, task: () => void) {
    this.atMs = atMs;
    this.order = order;
    this.kind = kind;
    this.task = task;
  }

  cancel(): void {
    this.task = undefined;
  }
}

/** Turns of the real event loop are dear, events are not: so many share one. Between two, the engine of the language runs all microtasks. */
const EVENTS_PER_TURN = 64;

export class Scheduler {
  readonly #trace: Trace;
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #scheduled = 0;
  #steps = 0;
  #running = false;
  #failure: unknown;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get steps(): number {
    return this.#steps;
  }

  /** `kind` names what it is for the trace, from a small set. */
  at(atMs: number, kind: string, task: () => void): Timer {
    assert(Number.isFinite(atMs), `not a time: ${atMs}`);
    this.#scheduled += 1;
    const event = new Event(Math.max(atMs, this.#nowMs), this.#scheduled, kind, task);
    push(this.#heap, event);
    return event;
  }

  /** Makes `run` reject. What is thrown inside an event does the same. */
  fail(error: unknown): void {
    this.#failure ??= error;
  }

  /** Does one thing after the other until `done`, asked before each of them, or until nothing is left to do. */
  run(done: () => boolean): Promise<void> {
    assert(!this.#running, 'one run at a time');
    this.#running = true;
    return new Promise((resolve, reject) => {
      let waiting = 0;
      let ended = false;
      const finish = (): void => {
        if (ended) return;
        ended = true;
        this.#running = false;
        if (this.#failure === undefined) resolve();
        else reject(this.#failure);
      };
      const turn = (): void => {
        waiting -= 1;
        if (ended) return;
        if (this.#failure !== undefined || done() || !this.#step()) return finish();
        if (waiting === 0) fill();
      };
      const fill = (): void => {
        for (; waiting < EVENTS_PER_TURN; waiting += 1) setImmediate(turn);
      };
      fill();
    });
  }

  #step(): boolean {
    for (;;) {
      const event = pop(this.#heap);
      if (event === undefined) return false;
      if (event.task === undefined) continue;
      this.#nowMs = event.atMs;
      this.#steps += 1;
      if (this.#steps > MOST_STEPS) this.fail(new Error(`${MOST_STEPS} steps and no end: something runs in circles`));
      this.#trace.step(event.atMs, event.kind, event.order);
      try {
        event.task();
      } catch (error) {
        this.fail(error);
      }
      return true;
    }
  }
}

/** Ten times what the longest run takes. */
const MOST_STEPS = 5_000_000;

function before(left: Event, right: Event): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >>> 1;
    const above = heap[parent] as Event;
    if (!before(event, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    const right = heap[child + 1];
    if (right !== undefined && before(right, heap[child] as Event)) child += 1;
    if (!before(heap[child] as Event, last)) break;
    heap[at] = heap[child] as Event;
    at = child;
  }
  heap[at] = last;
  return first;
}
