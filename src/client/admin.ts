/** Topics, the members of groups, and the state of nodes. */
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { MemberStatus } from '../rpc/generated/lograft/v1/MemberStatus.ts';
import type { NodeStatus } from '../rpc/generated/lograft/v1/NodeStatus.ts';
import type { Route } from '../rpc/generated/lograft/v1/Route.ts';
import type { TopicDescription } from '../rpc/generated/lograft/v1/TopicDescription.ts';
import { AdminService } from '../rpc/protos.ts';
import type { Channel } from '../rpc/transport.ts';
import type { LeaderCaller } from './leader-caller.ts';
import type { RouteBook } from './route-book.ts';
import { describeAnywhere } from './topic-resolver.ts';

export interface AdminCallOptions {
  /** For the call with all its tries, milliseconds. Default 10 000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface CreateTopicOptions extends AdminCallOptions {
  /** 1 to 1024. Default 1. */
  readonly queues?: number;
  /** Group to hold it. Default: the one with the fewest topics. */
  readonly group?: string;
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
/** What passes, but perhaps not soon. */
const UNREADY = ['MEMBERS_CHANGING', 'NOT_CAUGHT_UP'] as const;

/** `LograftClient.admin`. Every call rejects with a LograftError; NO_LEADER means that nothing was done. */
export class Admin {
  readonly #book: RouteBook;
  readonly #caller: LeaderCaller;
  readonly #closing: AbortSignal;
  readonly #environment: Environment;

  constructor(book: RouteBook, caller: LeaderCaller, closing: AbortSignal, environment: Environment) {
    this.#environment = environment;
    this.#book = book;
    this.#caller = caller;
    this.#closing = closing;
  }

  /**
   * Rejects with TOPIC_EXISTS, INVALID_REQUEST, DISK_FULL, NO_LEADER. After UNREACHABLE, TIMED_OUT or OUTCOME_UNKNOWN it may exist: call
   * again, TOPIC_EXISTS then says that it does.
   */
  async createTopic(name: string, options: CreateTopicOptions = {}): Promise<TopicDescription> {
    const settings = this.#settings(options);
    const groups = await this.#caller.groups(settings);
    if (this.#book.topic(name) !== undefined) throw new LograftError('TOPIC_EXISTS', `there is a topic ${name} already`);
    const group = options.group ?? this.#emptiest(groups);
    const description = await this.#caller.call(group, AdminService.CreateTopic, { name, queues: options.queues ?? 1 }, settings);
    this.#book.learnTopic({ name, id: description.id, queues: description.queues.length, group });
    return description;
  }

  /** All topics, sorted by name. */
  async listTopics(options: AdminCallOptions = {}): Promise<readonly TopicDescription[]> {
    const settings = { ...this.#settings(options), repeatable: true };
    const groups = await this.#caller.groups(settings);
    const lists = await Promise.all(groups.map((group) => this.#caller.call(group, AdminService.ListTopics, {}, settings)));
    return lists.flatMap(({ topics }) => topics).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Rejects with UNKNOWN_TOPIC, NO_LEADER. */
  async describeTopic(name: string, options: AdminCallOptions = {}): Promise<TopicDescription> {
    const settings = this.#settings(options);
    const known = this.#book.topic(name);
    if (known !== undefined)
      return this.#caller.call(known.group, AdminService.DescribeTopic, { name }, { ...settings, repeatable: true });
    const { askedGroup: _, ...description } = await describeAnywhere(name, this.#caller, settings);
    return description;
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

  #settings(options: AdminCallOptions): { timeoutMs: number; signal: AbortSignal } {
    const signal = options.signal === undefined ? this.#closing : AbortSignal.any([this.#closing, options.signal]);
    return { timeoutMs: options.timeoutMs ?? TIMEOUT_MS, signal };
  }

  #emptiest(groups: readonly string[]): string {
    const topics = new Map(this.#book.groups().map((group) => [group.group, group.topics.length]));
    const sorted = [...groups].sort((a, b) => (topics.get(a) ?? 0) - (topics.get(b) ?? 0) || (a < b ? -1 : 1));
    return sorted[0] ?? '';
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
