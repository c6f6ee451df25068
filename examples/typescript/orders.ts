/** What the three programs agree on. */
export const TOPIC = 'orders';
export const ROUTERS = (process.env.LOGRAFT_ROUTER ?? '127.0.0.1:8080').split(',');

export interface Order {
  /** Tells a repetition from a second order like the first. */
  readonly id: string;
  /** Their orders are to stay in order: it is the record's key. */
  readonly customer: string;
  readonly cents: number;
}

/** Aborts at Ctrl-C or `kill`. A second one ends the program at once. */
export function untilSignal(): AbortSignal {
  const stopping = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopping.abort());
  return stopping.signal;
}
