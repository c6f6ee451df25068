/** A client for one command, checked to have somebody to talk to and closed in every case. */
import type { LograftClient } from '../client/index.ts';
import type { Route } from '../rpc/generated/lograft/v1/Route.ts';
import type { ClientFlags } from './flags.ts';
import { requireRouter } from './router-probe.ts';

export async function withClient<Result>(
  flags: ClientFlags,
  act: (client: LograftClient, route: Route) => Result | Promise<Result>,
): Promise<Result> {
  const route = await requireRouter(flags.router);
  const { LograftClient } = await import('../client/index.ts');
  const client = new LograftClient({ routers: [...flags.router] });
  try {
    return await act(client, route);
  } finally {
    await client.close();
  }
}

/** --timeout as the client library wants it. */
export function timeoutOf({ timeout }: ClientFlags): { timeoutMs: number } {
  return { timeoutMs: timeout * 1_000 };
}
