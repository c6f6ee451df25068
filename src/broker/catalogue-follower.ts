/** Keeps this node's copy of the catalogue up to date: a stream from whoever leads the home group, made again over every change of leader. */
import type { Logger } from 'pino';
import type { Timer } from '../base/clock.ts';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { CatalogueProgressInput } from '../rpc/generated/lograft/internal/v1/CatalogueProgress.ts';
import { PeerService } from '../rpc/protos.ts';
import type { MessageStream } from '../rpc/stream.ts';
import type { Channel } from '../rpc/transport.ts';
import { CatalogueCopy } from './catalogue-copy.ts';

export interface CatalogueFollowerOptions {
  /** "host:port" of the nodes that may lead the home group, as far as this node knows. At least one. */
  readonly candidates: () => readonly string[];
  readonly environment: Environment;
  readonly logger: Logger;
  readonly onChanged: () => void;
}

const RETRY_MS = 100;
/** Who sends each other round knows no leader: then it is better to wait. */
const MAX_REDIRECTS = 2;

export class CatalogueFollower {
  readonly #options: CatalogueFollowerOptions;
  readonly #copy = new CatalogueCopy();
  /** Of groups that are led here, to be told again to the next leader of the home group. */
  readonly #placed = new Map<string, number>();
  #channel: Channel | undefined;
  #stream: MessageStream<CatalogueProgressInput> | undefined;
  #address: string | undefined;
  #known = false;
  #open = false;
  #next = 0;
  /** In a row, without having been heard by a leader in between. */
  #redirects = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: CatalogueFollowerOptions) {
    this.#options = options;
    this.#connect(undefined);
  }

  /** Undefined before the first word of a leader. */
  get catalogue(): CatalogueCopy | undefined {
    return this.#known ? this.#copy : undefined;
  }

  /** "host:port" of the home group's leader, while it is heard. */
  get leaderAddress(): string | undefined {
    return this.#open ? this.#address : undefined;
  }

  /** The group, which is led here, has taken over what the revision says of its queues. */
  placed(group: string, revision: number): void {
    if (this.#placed.get(group) === revision) return;
    this.#placed.set(group, revision);
    if (this.#open) this.#stream?.write({ group, revision });
  }

  /** Whether the group, which is led here, has taken over all that is known. */
  hasPlaced(group: string): boolean {
    return this.#known && this.#placed.get(group) === this.#copy.revision;
  }

  /** The group is led elsewhere. */
  forget(group: string): void {
    this.#placed.delete(group);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#disconnect();
  }

  #connect(redirect: string | undefined): void {
    if (this.#closed) return;
    const candidates = this.#options.candidates();
    const address = redirect ?? candidates[this.#next++ % candidates.length];
    if (address === undefined) return this.#retry();
    this.#address = address;
    this.#channel = this.#options.environment.transport.dial(address);
    const stream = this.#channel.open(PeerService.FollowCatalogue, {
      onMessage: (update) => {
        if (this.#stream !== stream) return;
        if (!this.#open) this.#opened(address);
        if (this.#copy.take(update)) this.#known = true;
        this.#options.onChanged();
      },
      onEnd: (error) => {
        if (this.#stream === stream) this.#ended(error);
      },
    });
    this.#stream = stream;
  }

  #opened(address: string): void {
    this.#open = true;
    this.#redirects = 0;
    this.#options.logger.debug({ address }, 'following the catalogue');
    for (const [group, revision] of this.#placed) this.#stream?.write({ group, revision });
  }

  #ended(error: unknown): void {
    const redirect = error instanceof LograftError ? error.leaderAddress : undefined;
    this.#disconnect();
    if (this.#closed) return;
    this.#redirects += 1;
    if (redirect !== undefined && this.#redirects <= MAX_REDIRECTS) return this.#connect(redirect);
    this.#redirects = 0;
    this.#retry();
  }

  #retry(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.environment.clock.after(RETRY_MS, () => this.#connect(undefined));
  }

  #disconnect(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#open = false;
    stream?.cancel(undefined);
    this.#channel?.close();
    this.#channel = undefined;
  }
}
