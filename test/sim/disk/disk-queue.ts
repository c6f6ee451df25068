/** What a disk has been told to do: each step takes its time, a stall holds all of them up, and who dies hears nothing. */
import { InvariantViolation } from '../../../src/base/assert.ts';
import type { Timer } from '../../../src/base/clock.ts';
import type { Scheduler } from '../engine/scheduler.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import { type DiskLatencies, drawLatencyMs } from './latency.ts';

/** The kernel takes the steps of an operation one after the other, whether or not the process that asked is paused. */
export interface Step {
  readonly takes: keyof DiskLatencies;
  /** What it throws is the operation's answer. */
  readonly act: () => void;
  /** Its process is killed, or the machine loses power, before it is done. */
  readonly interrupted?: (() => void) | undefined;
}

interface Operation {
  readonly process: SimProcess;
  timer: Timer;
  step: Step;
}

export class DiskQueue {
  readonly #scheduler: Scheduler;
  readonly #random: SimRandom;
  readonly #latencies: DiskLatencies;
  readonly #inFlight = new Set<Operation>();
  stalledUntilMs = 0;
  slowness = 1;

  constructor(scheduler: Scheduler, random: SimRandom, latencies: DiskLatencies) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#latencies = latencies;
  }

  /** Answers with `result` after the last step. */
  run<Result>(process: SimProcess, steps: readonly [Step, ...Step[]], result: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (!process.alive) return;
      let at = 0;
      const operation: Operation = { process, step: steps[0], timer: NO_TIMER };
      const begin = (): void => {
        operation.step = steps[at] as Step;
        this.#at(operation, this.#scheduler.nowMs, act);
      };
      const act = (): void => {
        // A stall that began meanwhile holds this up too.
        if (this.#scheduler.nowMs < this.stalledUntilMs) return this.#at(operation, this.stalledUntilMs, act);
        try {
          operation.step.act();
          at += 1;
          if (at < steps.length) return begin();
          const answer = result();
          this.#inFlight.delete(operation);
          process.deliver(() => resolve(answer));
        } catch (error) {
          this.#inFlight.delete(operation);
          // A misuse of the disk is a bug, not an answer.
          if (error instanceof InvariantViolation) throw error;
          process.deliver(() => reject(error));
        }
      };
      this.#inFlight.add(operation);
      begin();
    });
  }

  /** Whoever asked is gone: all operations, or those of one process, end where they are. */
  interrupt(process?: SimProcess): void {
    for (const operation of [...this.#inFlight]) {
      if (process !== undefined && operation.process !== process) continue;
      this.#inFlight.delete(operation);
      operation.timer.cancel();
      operation.step.interrupted?.();
    }
  }

  #at(operation: Operation, fromMs: number, act: () => void): void {
    const latencyMs = drawLatencyMs(this.#latencies[operation.step.takes], this.#random) * this.slowness;
    operation.timer = this.#scheduler.at(fromMs + latencyMs, 'disk', act);
  }
}

const NO_TIMER: Timer = { cancel: () => {} };
