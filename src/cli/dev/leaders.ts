/** Who leads which group, as a router tells it. */
import type { RouteGroup } from '../../rpc/generated/lograft/v1/RouteGroup.ts';

/** Node by group, in the order of their names: g2 before g10. */
export type Leaders = ReadonlyMap<string, string>;

const MOST_NAMED = 4;

/** Without the groups that have none at the moment. */
export function leadersOf(groups: readonly RouteGroup[]): Leaders {
  const led = groups.flatMap(({ group, leader }) => (leader === '' ? [] : [[group, leader] as const]));
  return new Map(led.sort(([one], [other]) => one.localeCompare(other, 'en', { numeric: true })));
}

/** A node's part in a cluster, in a word or two. */
export function roleOf(node: string, leaders: Leaders): string {
  const led = [...leaders].filter(([, leader]) => leader === node).map(([group]) => group);
  if (leaders.size === 1) return led.length === 1 ? 'leader' : 'follower';
  if (led.length === 0) return 'follower';
  return led.length <= MOST_NAMED ? `leads ${led.join(' ')}` : `leads ${led.length} groups`;
}
