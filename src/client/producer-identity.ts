/** A named producer as one of its instances: the epoch that sets it apart from those before and after it, the same towards all groups. */
import type { Clock } from '../base/clock.ts';
import { toError } from '../base/to-error.ts';
import { LogService } from '../rpc/protos.ts';
import type { LeaderCaller } from './leader-caller.ts';
import { pause } from './pause.ts';
import type { KnownTopic, RouteBook } from './route-book.ts';

/** Where the records stored under a producer's name end in one queue. */
export interface LastRecord {
  readonly queue: number;
  /** Undefined: there is none, or it is too long ago for the cluster to remember. */
  readonly offset: number | undefined;
}

interface CallSettings {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const TRY_FOR_MS = 10_000;
const RETRY_MS = 50;

export class ProducerIdentity {
  readonly name: string;
  readonly #caller: LeaderCaller;
  readonly #book: RouteBook;
  readonly #clock: Clock;
  readonly #ended: AbortSignal;
  #seeking: Promise<void> | undefined;
  #epoch: number | undefined;
  #trouble: string | undefined;

  /** `ended`: the producer is no more. */
  constructor(name: string, caller: LeaderCaller, book: RouteBook, ended: AbortSignal) {
    this.name = name;
    this.#caller = caller;
    this.#book = book;
    this.#clock = caller.clock;
    this.#ended = ended;
  }

  /** Undefined before it was first needed, and while nobody gives one. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  /** Why there is no epoch at present, for a person. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Resolves when there is an epoch, or when the producer ends. */
  seekEpoch(): Promise<void> {
    this.#seeking ??= this.#seek();
    return this.#seeking;
  }

  /** Fences earlier instances on all queues of the topic. Gives where they ended, by queue. */
  async takeOver({ id, queueGroups }: KnownTopic, settings: CallSettings): Promise<readonly LastRecord[]> {
    const epoch = await this.#takeEpoch(settings);
    // The session is not used: what it is opened for is done.
    const open = (group: string) =>
      this.#caller.call(group, LogService.OpenProducer, { group, name: this.name, epoch }, { ...settings, repeatable: true });
    const answers = await Promise.all([...new Set(queueGroups)].map(open));
    const records = answers.flatMap(({ lastRecords }) => lastRecords).filter(({ topicId }) => topicId === id);
    const offsets = new Map(records.map(({ queue, offset }) => [queue, offset]));
    return queueGroups.map((_, queue) => ({ queue, offset: offsets.get(queue) }));
  }

  async #seek(): Promise<void> {
    while (!this.#ended.aborted) {
      try {
        await this.#takeEpoch({ timeoutMs: TRY_FOR_MS, signal: this.#ended });
        return;
      } catch (error) {
        this.#trouble = toError(error).message;
        await pause(RETRY_MS, this.#ended, this.#clock);
      }
    }
  }

  /** An instance has one epoch: of two answers the first counts. */
  async #takeEpoch(settings: CallSettings): Promise<number> {
    if (this.#epoch !== undefined) return this.#epoch;
    const [first] = await this.#caller.groups(settings);
    const home = this.#book.homeGroup ?? (first as string);
    const { epoch } = await this.#caller.call(home, LogService.TakeEpoch, {}, { ...settings, repeatable: true, final: [] });
    this.#epoch ??= epoch;
    this.#trouble = undefined;
    return this.#epoch;
  }
}
