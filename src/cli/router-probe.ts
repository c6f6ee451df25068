/** Asks a router directly, so that "nobody there" is told at once and in plain words. */
import { LograftError } from '../rpc/error.ts';
import type { Route } from '../rpc/generated/lograft/v1/Route.ts';
import { GrpcChannel } from '../rpc/grpc-channel.ts';
import { RouterService } from '../rpc/protos.ts';
import { CliError, describeFailure } from './cli-error.ts';

/** Together below the 5 s after which a person thinks that it hangs. */
const CONNECT_MS = 2_000;
const ANSWER_MS = 2_000;

export async function fetchRoute(address: string, connectMs = CONNECT_MS): Promise<Route> {
  const channel = new GrpcChannel(address);
  try {
    await channel.waitUntilReady(connectMs);
    return await channel.call(RouterService.GetRoute, {}, { timeoutMs: ANSWER_MS });
  } finally {
    channel.close();
  }
}

/** The first answer of any of them. */
export async function requireRouter(addresses: readonly string[]): Promise<Route> {
  try {
    return await Promise.any(addresses.map((address) => fetchRoute(address)));
  } catch (failures) {
    const all = (failures as AggregateError).errors as unknown[];
    const answered = all.find((error) => error instanceof LograftError && error.reason === 'INTERNAL');
    const where = addresses.join(', ');
    if (answered !== undefined)
      throw new CliError(`what answers is not a Lograft router: ${describeFailure(answered)}`, { cause: failures });
    throw new CliError(`no router answers at ${where}: is the cluster running? Start one with: npx lograft dev`, {
      cause: failures,
    });
  }
}
