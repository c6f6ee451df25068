/** Tells each change of a leader that the router learns of. */
import { setTimeout as sleep } from 'node:timers/promises';
import { grpcTransport } from '../../rpc/grpc-transport.ts';
import { RouterService } from '../../rpc/protos.ts';
import type { Leaders } from './leaders.ts';

const AGAIN_MS = 500;

export async function watchLeaders(
  router: string,
  known: Leaders,
  signal: AbortSignal,
  tell: (group: string, leader: string, term: number) => void,
): Promise<void> {
  const channel = grpcTransport.dial(router);
  const last = new Map(known);
  while (!signal.aborted) {
    try {
      for await (const { groups } of channel.read(RouterService.WatchRoutes, {}, { signal })) {
        for (const { group, leader, term } of groups) {
          if (leader === '' || leader === last.get(group)) continue;
          last.set(group, leader);
          tell(group, leader, term);
        }
      }
    } catch {
      // The router is away: its end is told by who watches the processes.
    }
    if (!signal.aborted) await sleep(AGAIN_MS);
  }
  channel.close();
}
