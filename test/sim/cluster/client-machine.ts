/** A machine that runs one client program, again from its beginning after each kill. */
import { LograftClient } from '../../../src/client/client.ts';
import { SimProcess } from '../engine/sim-process.ts';
import type { Program, ProgramContext } from '../workload/program.ts';
import { brokerAddress, nodeNames } from './names.ts';
import type { World } from './world.ts';

export class ClientMachine {
  readonly host: string;
  readonly #world: World;
  readonly #program: Program;
  readonly #routers: readonly string[];
  #process: SimProcess | undefined;
  #starts = 0;
  #closing = false;
  /** The program of the present process ended by itself. */
  done = false;

  constructor(host: string, world: World, routers: readonly string[], program: Program) {
    this.host = host;
    this.#world = world;
    this.#routers = routers;
    this.#program = program;
  }

  get running(): boolean {
    return this.#process?.alive === true;
  }

  /** Name of the present run of the program. */
  get name(): string {
    return `${this.host}.${this.#starts}`;
  }

  start(): void {
    if (this.running) return;
    const { scheduler, network, oracle, weather } = this.#world;
    this.#starts += 1;
    this.done = false;
    const { name } = this;
    const process = new SimProcess(this.host, scheduler, { rate: 1, wallOffsetMs: 0 });
    this.#process = process;
    const random = this.#world.random.fork(`client ${name}`);
    const environment = { clock: process.clock, random, transport: network.transport(process, this.host) };
    const context: ProgramContext = {
      name,
      client: new LograftClient({ routers: this.#routers }, environment),
      clock: process.clock,
      transport: environment.transport,
      brokers: nodeNames(weather.nodes + weather.spares).map(brokerAddress),
      random,
      oracle,
      firstOffset: weather.retentionMs > 0 || weather.retentionBytes > 0 ? 'earliest' : 0,
      guard: (look) => guard(look, (error) => scheduler.fail(error)),
      closing: () => this.#closing,
      onDeath: (task) => process.onDeath(task),
    };
    this.#program(context).then(
      () => {
        if (process.alive) this.done = true;
      },
      (error) => scheduler.fail(error),
    );
  }

  /** The program should come to its end. */
  close(): void {
    this.#closing = true;
  }

  kill(): void {
    this.#process?.kill();
  }
}

function guard<Result>(look: () => Result, fail: (error: unknown) => void): Result {
  try {
    return look();
  } catch (error) {
    fail(error);
    throw error;
  }
}
