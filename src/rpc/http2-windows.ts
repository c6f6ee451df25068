/**
 * HTTP/2 flow-control windows. Left alone, grpc-js servers keep the protocol's 64 KiB receive window, which caps a stream at one window a
 * round trip and leaves both ends idle (measured: 100 KiB messages go twice as fast with the windows open). No channel option raises it
 * on the server, so this file reaches into the server. Should grpc-js change inside, start-up fails here, loudly, not slowly later.
 */

import type { Http2Server, ServerHttp2Session } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { assert } from '../base/assert.ts';

/** What one stream may send before it is read. */
export const STREAM_WINDOW_BYTES = 8 * 1024 * 1024;
/** What all streams of one connection may send before they are read. */
export const CONNECTION_WINDOW_BYTES = 32 * 1024 * 1024;

interface ServerInternals {
  readonly commonServerOptions?: { settings?: Record<string, unknown> };
  readonly http2Servers?: ReadonlyMap<Http2Server, unknown>;
}

/** Before bind: the window of each stream. */
export function openStreamWindows(server: Server): void {
  const options = (server as unknown as ServerInternals).commonServerOptions;
  assert(options !== undefined, 'grpc-js Server no longer has commonServerOptions: find its new way to set HTTP/2 settings');
  options.settings = { ...options.settings, initialWindowSize: STREAM_WINDOW_BYTES };
}

/** After bind: the window of each connection. */
export function openConnectionWindows(server: Server): void {
  const servers = (server as unknown as ServerInternals).http2Servers;
  assert(
    servers !== undefined && servers.size > 0,
    'grpc-js Server no longer has http2Servers: find its new way to reach sessions',
  );
  for (const http2Server of servers.keys()) {
    http2Server.on('session', (session: ServerHttp2Session) => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
  }
}
