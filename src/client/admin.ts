/** Topics, the members of groups, and the state of nodes. */
import type { Environment } from '../rpc/environment.ts';
import { type ErrorReason, LograftError } from '../rpc/error.ts';
import type { MemberStatus } from '../rpc/generated/lograft/v1/MemberStatus.ts';
import type { NodeStatus } from '../rpc/generated/lograft/v1/NodeStatus.ts';
import type { Route } from '../rpc/generated/lograft/v1/Route.ts';
import type { TopicDescription } from '../rpc/generated/lograft/v1/TopicDescription.ts';
import { AdminService } from '../rpc/protos.ts';
import type { Channel } from '../rpc/transport.ts';
import { type GroupOffset, groupOffsets, type ResetOffsetsOptions, resetOffsets } from './group-offsets.ts';
import type { LeaderCaller } from './leader-caller.ts';
import type { RouteBook } from './route-book.ts';
import type { RouteWatcher } from './route-watcher.ts';
import { describeAnywhere } from './topic-resolver.ts';

export interface AdminCallOptions {
  /** For the call with all its tries, milliseconds. Default 10 000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface CreateTopicOptions extends AdminCallOptions {
  /** 1 to 1024. Default 1. */
  readonly queues?: number;
  /** That shall hold the queues, in turn. Default: all groups, those with the fewest queues first. */
  readonly groups?: readonly string[];
}

/** What is named together happens in one step: to replace a voter, promote the new one and remove the old. */
export interface MemberChange {
  /** They get the log and have no vote. Each must be running; `address` is "host:port". */
  readonly addLearners?: readonly { readonly node: string; readonly address: string }[];
  /** Learners that shall vote. Each must have caught up. */
  readonly promote?: readonly string[];
  /** Voters or learners that shall leave. A leader among them hands over and leaves last. */
  readonly remove?: readonly string[];
}

/** One node as `status` found it. */
export type NodeReport =
  | { readonly node: string; readonly address: string; readonly reachable: true; readonly status: NodeStatus }
  | {
      readonly node: string;
      readonly address: string;
      readonly reachable: false;
      readonly status?: undefined;
      readonly error: LograftError;
    };

export interface ClusterStatus {
  /** Every node known, sorted by name. */
  readonly nodes: readonly NodeReport[];
  readonly route: Route;
}

const TIMEOUT_MS = 10_000;
const STATUS_TIMEOUT_MS = 1_000;
/** Told at once: with NOT_PLACED the catalogue has the change already. */
const CATALOGUED: readonly ErrorReason[] = ['DISK_FULL', 'NOT_PLACED'];
/** What passes, but perhaps not soon. */
const UNREADY = ['MEMBERS_CHANGING', 'NOT_CAUGHT_UP'] as const;

/** `LograftClient.admin`. Every call rejects with a LograftError; NO_LEADER means that nothing was done. */
export class Admin {
  readonly #book: RouteBook;
  readonly #watcher: RouteWatcher;
  readonly #caller: LeaderCaller;
  readonly #closing: AbortSignal;
  readonly #environment: Environment;

  constructor(book: RouteBook, watcher: RouteWatcher, caller: LeaderCaller, closing: AbortSignal, environment: Environment) {
    this.#environment = environment;
    this.#book = book;
    this.#watcher = watcher;
    this.#caller = caller;
    this.#closing = closing;
  }

  /**
   * Resolves when every group that holds a queue knows the topic. Rejects with TOPIC_EXISTS, INVALID_REQUEST, DISK_FULL, NO_LEADER. After
   * UNREACHABLE, TIMED_OUT or OUTCOME_UNKNOWN it may exist: call again, TOPIC_EXISTS then says that it does. After NOT_PLACED it exists, and
   * is complete as soon as all groups have leaders.
   */
  async createTopic(name: string, options: CreateTopicOptions = {}): Promise<TopicDescription> {
    const settings = { ...this.#settings(options), final: CATALOGUED };
    const request = { name, queues: options.queues ?? 1, groups: [...(options.groups ?? [])] };
    return this.#learnt(await this.#caller.call(await this.#home(settings), AdminService.CreateTopic, request, settings));
  }

  /** Gives the topic more queues, up to `queues` in all; keys move to other queues. Rejects with UNKNOWN_TOPIC, and as `createTopic`. Safe to call again. */
  async addQueues(name: string, queues: number, options: CreateTopicOptions = {}): Promise<TopicDescription> {
    const settings = { ...this.#settings(options), repeatable: true, final: CATALOGUED };
    const request = { name, queues, groups: [...(options.groups ?? [])] };
    return this.#learnt(await this.#caller.call(await this.#home(settings), AdminService.AddQueues, request, settings));
  }

  /** Deletes the topic and all its records, for ever. Rejects with UNKNOWN_TOPIC, and as `createTopic`. */
  async deleteTopic(name: string, options: AdminCallOptions = {}): Promise<void> {
    const settings = { ...this.#settings(options), final: CATALOGUED };
    await this.#caller.call(await this.#home(settings), AdminService.DeleteTopic, { name }, settings);
    this.#book.forgetTopic(name);
  }

  /** All topics, sorted by name, without offsets. */
  async listTopics(options: AdminCallOptions = {}): Promise<readonly TopicDescription[]> {
    const settings = { ...this.#settings(options), repeatable: true };
    return (await this.#caller.call(await this.#home(settings), AdminService.ListTopics, {}, settings)).topics;
  }

  /** With the offsets of all queues, as their leaders have them. Rejects with UNKNOWN_TOPIC, NO_LEADER. */
  async describeTopic(name: string, options: AdminCallOptions = {}): Promise<TopicDescription> {
    const settings = { ...this.#settings(options), repeatable: true };
    const description = await describeAnywhere(name, this.#book, this.#caller, settings);
    const { queueGroups } = description;
    const ofGroup = async (group: string): Promise<TopicDescription['queues']> => {
      const { queues } = await this.#caller.call(group, AdminService.DescribeTopic, { name }, settings);
      return queues.filter(({ queue }) => queueGroups[queue] === group);
    };
    const queues = (await Promise.all([...new Set(queueGroups)].map(ofGroup))).flat();
    return { ...description, queues: queues.sort((one, other) => one.queue - other.queue) };
  }

  /** Asks every known node for its view; one that does not answer within a second is marked, not waited for. */
  async status(options: AdminCallOptions = {}): Promise<ClusterStatus> {
    const settings = this.#settings(options);
    await this.#caller.groups(settings);
    const timeoutMs = Math.min(STATUS_TIMEOUT_MS, settings.timeoutMs);
    const nodes = [...this.#book.nodes()].sort(([a], [b]) => (a < b ? -1 : 1));
    const { transport } = this.#environment;
    const ask = { timeoutMs, signal: settings.signal };
    const reports = await Promise.all(nodes.map(([node, address]) => askNode(node, transport.dial(address), ask)));
    return { nodes: reports, route: this.#book.route() };
  }

  /**
   * Begins to hand the group's leadership to node `to`, or to the most up-to-date follower; `status` shows when it is done. Rejects with
   * INVALID_REQUEST, NO_LEADER. Safe to call again.
   */
  async transferLeader(group: string, to = '', options: AdminCallOptions = {}): Promise<void> {
    await this.#caller.call(group, AdminService.TransferLeader, { group, to }, this.#settings(options));
  }

  /**
   * Changes who belongs to the group, and resolves with its members when the change is in force. Rejects with INVALID_REQUEST (it would never
   * be taken as it is), OTHER_DISK (who shall be a learner votes, with a disk that it no longer has), MEMBERS_CHANGING, NOT_CAUGHT_UP (it would
   * be taken later), NO_LEADER: nothing was done. After UNREACHABLE, TIMED_OUT or OUTCOME_UNKNOWN it may be done, or still on its way. Safe to
   * call again after each of them: who is already what is asked stays as it is.
   */
  async changeMembers(group: string, change: MemberChange, options: AdminCallOptions = {}): Promise<readonly MemberStatus[]> {
    const { addLearners = [], promote = [], remove = [] } = change;
    const request = { group, addLearners: [...addLearners], promote: [...promote], remove: [...remove] };
    const settings = this.#settings(options);
    // A change takes as long as it takes; and what it has to wait for may take hours.
    const patient = { ...settings, tryTimeoutMs: settings.timeoutMs, final: UNREADY };
    return (await this.#caller.call(group, AdminService.ChangeMembers, request, patient)).members;
  }

  /**
   * How far a consumer group has come, for every queue of each topic of which it has committed something; by topic and queue. Empty when it has committed
   * nothing, or nothing for so long that it was forgotten. Rejects with NO_LEADER, INVALID_REQUEST.
   */
  groupOffsets(consumerGroup: string, options: AdminCallOptions = {}): Promise<readonly GroupOffset[]> {
    return groupOffsets(consumerGroup, this.#offsetHost(), this.#settings(options));
  }

  /**
   * Sets the consumer group's offsets for a topic, forward or back, and gives them. Its readers should not run: they would commit over it. Rejects with
   * UNKNOWN_TOPIC, UNKNOWN_QUEUE, OFFSET_NOT_RETAINED, OFFSET_OUT_OF_RANGE, INVALID_REQUEST, DISK_FULL, NO_LEADER, TIMED_OUT; some queues may be set then. Safe to call
   * again while no reader runs.
   */
  async resetOffsets(consumerGroup: string, topic: string, options: ResetOffsetsOptions): Promise<readonly GroupOffset[]> {
    return resetOffsets(consumerGroup, topic, options, this.#offsetHost(), this.#settings(options));
  }

  #offsetHost() {
    return {
      book: this.#book,
      watcher: this.#watcher,
      caller: this.#caller,
      environment: this.#environment,
      describeTopic: (name: string, settings: AdminCallOptions) => this.describeTopic(name, settings),
    };
  }

  #settings(options: AdminCallOptions): { timeoutMs: number; signal: AbortSignal } {
    const signal = options.signal === undefined ? this.#closing : AbortSignal.any([this.#closing, options.signal]);
    return { timeoutMs: options.timeoutMs ?? TIMEOUT_MS, signal };
  }

  /** Where topics are created and changed. Before a router has told which group that is, any leader will tell who leads it. */
  async #home(settings: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<string> {
    const groups = await this.#caller.groups(settings);
    return this.#book.homeGroup ?? (groups[0] as string);
  }

  #learnt(description: TopicDescription): TopicDescription {
    const { name, id, queueGroups } = description;
    this.#book.learnTopic({ name, id, queueGroups });
    return description;
  }
}

async function askNode(
  node: string,
  channel: Channel,
  settings: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<NodeReport> {
  const { address } = channel;
  try {
    const status = await channel.call(AdminService.GetNodeStatus, {}, settings);
    return { node, address, reachable: true, status };
  } catch (caught) {
    const error = caught instanceof LograftError ? caught : new LograftError('INTERNAL', String(caught), { cause: caught });
    return { node, address, reachable: false, error };
  } finally {
    channel.close();
  }
}
