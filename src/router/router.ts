/** The router: brokers tell it who leads, clients ask it. Soft state only; restarting it loses nothing. */
import type { Logger } from 'pino';
import type { Clock, Timer } from '../base/clock.ts';
import { type Environment, machine } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { GetRouteRequest } from '../rpc/generated/lograft/v1/GetRouteRequest.ts';
import type { Registration } from '../rpc/generated/lograft/v1/Registration.ts';
import type { RegistrationAnswerInput } from '../rpc/generated/lograft/v1/RegistrationAnswer.ts';
import type { RouteInput } from '../rpc/generated/lograft/v1/Route.ts';
import { duplex, serverStream, unary } from '../rpc/handlers.ts';
import { RouterService } from '../rpc/protos.ts';
import { hostService } from '../rpc/transport.ts';
import { Registrations } from './registrations.ts';
import { RouteTable } from './route-table.ts';
import { RouteWatchers } from './route-watchers.ts';

export interface RouterConfig {
  /** "host:port". Port 0: the system chooses. */
  readonly listen: string;
  /** A registration that says nothing for so long is dropped. Default 15 000 ms; brokers repeat theirs every 5 s or sooner. */
  readonly silenceMs?: number;
}

export interface RunningRouter {
  readonly port: number;
  /** Ends all streams and stops listening. */
  stop(): Promise<void>;
}

const SILENCE_MS = 15_000;
const STOP_GRACE_MS = 250;

/** Rejects with ListenError when the address cannot be had. */
export async function startRouter(
  config: RouterConfig,
  log: Logger,
  { clock, transport }: Environment = machine,
): Promise<RunningRouter> {
  const silenceMs = config.silenceMs ?? SILENCE_MS;
  const table = new RouteTable();
  const watchers = new RouteWatchers(table, clock);
  const registrations = new Registrations(table, () => watchers.changed(), log, clock);
  const service = hostService(RouterService, {
    Register: duplex<Registration, RegistrationAnswerInput>((stream, context) => registrations.open(stream, context.peer)),
    GetRoute: unary<GetRouteRequest, RouteInput>(() => table.route()),
    WatchRoutes: serverStream<GetRouteRequest, RouteInput>((_request, context) => watchers.watch(context.signal)),
  });
  const server = await transport.listen(config.listen, [service]);
  const stopSweeping = every(clock, Math.max(10, silenceMs / 15), () => registrations.dropSilent(silenceMs));
  server.setServing(true);
  log.info({ port: server.port }, 'router listens');
  return {
    port: server.port,
    stop: async () => {
      stopSweeping();
      registrations.close(new LograftError('SHUTTING_DOWN', 'this router is shutting down: go on with another one'));
      watchers.close();
      await server.close(STOP_GRACE_MS);
    },
  };
}

/** Calls `task` again and again until the returned function is called. */
function every(clock: Clock, intervalMs: number, task: () => void): () => void {
  const again = (): Timer =>
    clock.after(intervalMs, () => {
      timer = again();
      task();
    });
  let timer = again();
  return () => timer.cancel();
}
