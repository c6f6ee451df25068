/** Finds out where a topic lives: from the route, or, where that may be out of date, from the leaders. */
import { LograftError } from '../rpc/error.ts';
import type { TopicDescription } from '../rpc/generated/lograft/v1/TopicDescription.ts';
import { AdminService } from '../rpc/protos.ts';
import type { LeaderCaller } from './leader-caller.ts';
import type { KnownTopic, RouteBook } from './route-book.ts';

/** Rejects with UNKNOWN_TOPIC when every group's leader says so, NO_LEADER or TIMED_OUT when they cannot be asked in time. */
export async function resolveTopic(
  name: string,
  book: RouteBook,
  caller: LeaderCaller,
  settings: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<KnownTopic> {
  const known = book.topic(name);
  if (known !== undefined) return known;
  const { id, queueGroups } = await describeAnywhere(name, book, caller, settings);
  const topic = { name, id, queueGroups };
  book.learnTopic(topic);
  return topic;
}

/** Asks the leader of each group until one knows the topic; that of the home group knows it for certain. */
export async function describeAnywhere(
  name: string,
  book: RouteBook,
  caller: LeaderCaller,
  settings: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<TopicDescription> {
  const until = caller.clock.nowMs() + settings.timeoutMs;
  let unknown: LograftError | undefined;
  let trouble: LograftError | undefined;
  const groups = [...(await caller.groups(settings))].sort((one) => (one === book.homeGroup ? -1 : 1));
  for (const group of groups) {
    const timeoutMs = Math.max(1, until - caller.clock.nowMs());
    try {
      return await caller.call(group, AdminService.DescribeTopic, { name }, { ...settings, timeoutMs, repeatable: true });
    } catch (error) {
      if (!(error instanceof LograftError)) throw error;
      if (error.reason !== 'UNKNOWN_TOPIC') trouble = error;
      else if (group === book.homeGroup) throw error;
      else unknown = error;
    }
  }
  throw trouble ?? unknown ?? new LograftError('UNKNOWN_TOPIC', `no topic ${JSON.stringify(name)}: create it first`);
}
