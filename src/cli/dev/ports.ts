/** Looks before it leaps: a port in use is told before anything is started. */
import { createServer } from 'node:net';
import { CliError } from '../cli-error.ts';

export async function requireFreePorts(addresses: readonly string[]): Promise<void> {
  const free = await Promise.all(addresses.map(isFree));
  const taken = addresses.filter((_, at) => !free[at]);
  if (taken.length === 0) return;
  const what = taken.length === 1 ? `${taken[0]} is` : `${taken.join(', ')} are`;
  throw new CliError(`${what} in use by another process: stop it, or choose other ports with --port. Nothing was started`);
}

function isFree(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`tcp://${address}`);
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(Number(port), hostname, () => server.close(() => resolve(true)));
  });
}
