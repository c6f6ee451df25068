import { startRouter } from '../../../src/router/router.ts';
import { SimProcess } from '../engine/sim-process.ts';
import { simLogger } from './sim-logger.ts';
import type { World } from './world.ts';

/** A machine that runs a router, which remembers nothing. */
export class RouterMachine {
  readonly host: string;
  readonly address: string;
  readonly #world: World;
  #process: SimProcess | undefined;
  #starts = 0;

  constructor(host: string, world: World) {
    this.host = host;
    this.address = `${host}:8080`;
    this.#world = world;
  }

  get running(): boolean {
    return this.#process?.alive === true;
  }

  start(): void {
    if (this.running) return;
    const { scheduler, trace, network, random } = this.#world;
    this.#starts += 1;
    const process = new SimProcess(this.host, scheduler, { rate: 1, wallOffsetMs: 0 });
    this.#process = process;
    const environment = {
      clock: process.clock,
      random: random.fork(`router ${this.host} ${this.#starts}`),
      transport: network.transport(process, this.host),
    };
    startRouter({ listen: this.address }, simLogger(this.host, scheduler, trace), environment).catch((error) =>
      scheduler.fail(error),
    );
  }

  kill(): void {
    this.#process?.kill();
  }
}
