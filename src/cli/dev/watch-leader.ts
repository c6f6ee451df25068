/** Tells each change of leader that the router learns of. */
import { setTimeout as sleep } from 'node:timers/promises';
import { grpcTransport } from '../../rpc/grpc-transport.ts';
import { RouterService } from '../../rpc/protos.ts';

const AGAIN_MS = 500;

export async function watchLeader(
  router: string,
  known: string,
  signal: AbortSignal,
  tell: (leader: string, term: number) => void,
): Promise<void> {
  const channel = grpcTransport.dial(router);
  let last = known;
  while (!signal.aborted) {
    try {
      for await (const { groups } of channel.read(RouterService.WatchRoutes, {}, { signal })) {
        const { leader = '', term = 0 } = groups[0] ?? {};
        if (leader !== '' && leader !== last) tell(leader, term);
        if (leader !== '') last = leader;
      }
    } catch {
      // The router is away: its end is told by who watches the processes.
    }
    if (!signal.aborted) await sleep(AGAIN_MS);
  }
  channel.close();
}
