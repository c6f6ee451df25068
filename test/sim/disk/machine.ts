/** A machine for tests: a disk, a keyed state, and processes on it. */
import { assert } from '../../../src/base/assert.ts';
import { Scheduler } from '../engine/scheduler.ts';
import { SimProcess } from '../engine/sim-process.ts';
import { SimRandom } from '../engine/sim-random.ts';
import { Trace } from '../engine/trace.ts';
import type { DiskFault } from './disk-fault.ts';
import { SimDisk, type SimDiskOptions } from './sim-disk.ts';
import { SimKeyedState } from './sim-keyed-state.ts';

export class Machine {
  readonly lines: string[] = [];
  readonly trace = new Trace((line) => this.lines.push(line));
  readonly scheduler = new Scheduler(this.trace);
  readonly faults: DiskFault[] = [];
  readonly random: SimRandom;
  readonly disk: SimDisk;
  readonly keyed: SimKeyedState;
  process: SimProcess;

  constructor(seed: number, options: SimDiskOptions = {}) {
    this.random = new SimRandom(seed);
    const onFault = (fault: DiskFault): void => void this.faults.push(fault);
    this.disk = new SimDisk(this.scheduler, this.random.fork('disk'), this.trace, { onFault, ...options });
    this.keyed = new SimKeyedState(this.scheduler, this.random.fork('keyed'));
    this.process = this.another();
  }

  get faultKinds(): string[] {
    return this.faults.map(({ kind }) => kind);
  }

  /** Ends the process, and starts the next one. */
  crash(kind: 'process' | 'power'): void {
    this.process.kill();
    this.disk.crash(kind);
    this.keyed.crash(kind);
    this.process = this.another();
  }

  /** Runs until the work is done. */
  async finish<Result>(work: Promise<Result>): Promise<Result> {
    let done = false;
    const settled = work.finally(() => {
      done = true;
    });
    settled.catch(() => {});
    await this.scheduler.run(() => done);
    assert(done, 'the work ends before there is nothing left to do');
    return settled;
  }

  /** Runs for so long. */
  async passes(ms: number): Promise<void> {
    let over = false;
    this.scheduler.at(this.scheduler.nowMs + ms, 'test', () => {
      over = true;
    });
    await this.scheduler.run(() => over);
  }

  /** A second process, beside the first. */
  another(): SimProcess {
    return new SimProcess('p', this.scheduler, { rate: 1, wallOffsetMs: 0 });
  }
}
