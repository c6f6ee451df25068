/** The services of a node that does not know its group yet: every call is told to come back. */
import { LograftError } from '../rpc/error.ts';
import { duplex, type Handler, serverStream, unary } from '../rpc/handlers.ts';
import type { HostedService } from '../rpc/transport.ts';

export function notYet(definition: object, node: string): HostedService {
  const methods = definition as HostedService['definition'];
  const handlers = Object.entries(methods).map(([name, method]): [string, Handler] => [name, refusing(method, node)]);
  return { definition: methods, handlers: Object.fromEntries(handlers) };
}

function refusing(method: { readonly requestStream: boolean; readonly responseStream: boolean }, node: string): Handler {
  const refusal = (): LograftError =>
    new LograftError('NO_LEADER', `node ${node} is starting: it does not know its group yet. Nothing was done, try again soon`);
  if (method.requestStream) {
    return duplex((stream) => {
      stream.cancel(refusal());
      return { onMessage: () => {}, onEnd: () => {} };
    });
  }
  if (!method.responseStream) {
    return unary(() => {
      throw refusal();
    });
  }
  // biome-ignore lint/correctness/useYield: it refuses before there is anything to give
  return serverStream(async function* () {
    throw refusal();
  });
}
