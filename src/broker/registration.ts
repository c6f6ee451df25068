/** Tells a router, at once and again on each change, what this node knows of its groups and of the catalogue. */
import type { Logger } from 'pino';
import type { Timer } from '../base/clock.ts';
import type { Environment } from '../rpc/environment.ts';
import type { RegistrationInput } from '../rpc/generated/lograft/v1/Registration.ts';
import { RouterService } from '../rpc/protos.ts';
import type { MessageStream } from '../rpc/stream.ts';
import type { Channel } from '../rpc/transport.ts';

/** A router forgets a node that says nothing for 15 s. */
const REPEAT_MS = 4_000;
const RECONNECT_MS = 250;

export class RouterRegistration {
  readonly #address: string;
  readonly #describe: (toldRevision: number) => RegistrationInput;
  readonly #clock: Environment['clock'];
  readonly #log: Logger;
  readonly #channel: Channel;
  #stream: MessageStream<RegistrationInput> | undefined;
  #timer: Timer | undefined;
  #complained = false;
  #toldRevision = -1;
  #closed = false;

  /** `describe` is given the revision of the catalogue that the router was told of, -1 for none. */
  constructor(
    address: string,
    describe: (toldRevision: number) => RegistrationInput,
    { clock, transport }: Environment,
    log: Logger,
  ) {
    this.#address = address;
    this.#describe = describe;
    this.#clock = clock;
    this.#log = log;
    this.#channel = transport.dial(address);
    this.#connect();
  }

  /** Something changed. */
  update(): void {
    if (this.#closed || this.#stream === undefined) return;
    const registration = this.#describe(this.#toldRevision);
    if (registration.catalogue) this.#toldRevision = Number(registration.catalogue.revision);
    this.#stream.write(registration);
    this.#timer?.cancel();
    this.#timer = this.#clock.after(REPEAT_MS, () => this.update());
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#stream?.cancel(undefined);
    this.#channel.close();
  }

  #connect(): void {
    this.#toldRevision = -1;
    this.#stream = this.#channel.open(RouterService.Register, {
      onMessage: () => {
        this.#complained = false;
      },
      onEnd: (error) => this.#ended(error),
    });
    this.update();
  }

  #ended(error: unknown): void {
    this.#stream = undefined;
    this.#timer?.cancel();
    if (this.#closed) return;
    if (!this.#complained)
      this.#log.warn({ router: this.#address, error: String(error) }, 'router does not answer: will keep trying');
    this.#complained = true;
    this.#timer = this.#clock.after(RECONNECT_MS, () => this.#connect());
  }
}
