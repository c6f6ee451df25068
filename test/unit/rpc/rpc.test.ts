import { type ClientHttp2Session, connect } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import { LograftError } from '../../../src/rpc/error.ts';
import type { AppendRequest } from '../../../src/rpc/generated/lograft/v1/AppendRequest.ts';
import { GrpcChannel } from '../../../src/rpc/grpc-channel.ts';
import { GrpcServer } from '../../../src/rpc/grpc-server.ts';
import { duplex, serverStream, unary } from '../../../src/rpc/handlers.ts';
import { STREAM_WINDOW_BYTES } from '../../../src/rpc/http2-windows.ts';
import { LogService, RouterService } from '../../../src/rpc/protos.ts';
import { type HostedService, hostService, ListenError, type RpcServer } from '../../../src/rpc/transport.ts';

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
});

async function serve(changes: Partial<Record<keyof typeof LogService, unknown>>): Promise<GrpcChannel> {
  const none = unary(() => ({}));
  const service = hostService(LogService, {
    OpenProducer: none,
    AppendRecords: none,
    Append: none,
    Read: none,
    ...changes,
  } as never);
  const server = await listen([service]);
  const channel = new GrpcChannel(`127.0.0.1:${server.port}`);
  opened.push(channel);
  return channel;
}

async function listen(services: HostedService[], address = '127.0.0.1:0'): Promise<RpcServer> {
  const server = await GrpcServer.listen(address, services);
  opened.push({ close: () => server.close(100) });
  return server;
}

describe('calls', () => {
  it('carry an error with its reason, status and leader', async () => {
    const channel = await serve({
      OpenProducer: unary(() => {
        throw new LograftError('NOT_LEADER', 'not here', { leaderAddress: 'a:1' });
      }),
    });
    const error = await channel.call(LogService.OpenProducer, {}).catch((caught) => caught);
    expect(error).toBeInstanceOf(LograftError);
    expect(error).toMatchObject({ reason: 'NOT_LEADER', status: 14, retry: 'safe', leaderAddress: 'a:1', message: 'not here' });
  });

  it('say INTERNAL for a defect of the server', async () => {
    const channel = await serve({
      OpenProducer: unary(() => {
        throw new TypeError('oops');
      }),
    });
    await expect(channel.call(LogService.OpenProducer, {})).rejects.toMatchObject({ reason: 'INTERNAL', retry: 'never' });
  });

  it('say UNREACHABLE where nobody listens, and end in time where nobody answers', async () => {
    const nowhere = new GrpcChannel('127.0.0.1:1');
    opened.push(nowhere);
    await expect(nowhere.call(LogService.OpenProducer, {})).rejects.toMatchObject({
      reason: 'UNREACHABLE',
      message: expect.stringMatching(/ECONNREFUSED/),
    });
    const silent = await serve({ OpenProducer: unary(() => new Promise(() => {})) });
    await expect(silent.call(LogService.OpenProducer, {}, { timeoutMs: 50 })).rejects.toMatchObject({ reason: 'TIMED_OUT' });
    const signal = AbortSignal.timeout(50);
    await expect(silent.call(LogService.OpenProducer, {}, { signal })).rejects.toMatchObject({ reason: 'CANCELLED' });
  });

  it('stop the answers when the reader leaves', async () => {
    let ended = false;
    const channel = await serve({
      Read: serverStream(async function* (_: unknown, { signal }) {
        try {
          for (let at = 0; !signal.aborted; at += 1) {
            yield { nextOffset: at };
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
        } finally {
          ended = true;
        }
      }),
    });
    for await (const { nextOffset } of channel.read(LogService.Read, { topic: 't' })) if (nextOffset >= 3) break;
    await expect.poll(() => ended).toBe(true);
  });

  it('hold the sender back while the receiver is paused', async () => {
    const received: AppendRequest[] = [];
    let resume = (): void => {};
    const channel = await serve({
      Append: duplex<AppendRequest, object>((stream) => {
        stream.pause();
        resume = () => stream.resume();
        return { onMessage: (message) => received.push(message), onEnd: () => stream.end() };
      }),
    });
    let drained = 0;
    const stream = channel.open(LogService.Append, { onMessage: () => {}, onEnd: () => {}, onDrain: () => (drained += 1) });
    const batch = Buffer.alloc(1024 * 1024);
    let sent = 0;
    // Windows and buffers hold some of it; far less than all.
    for (; sent < 100; sent += 1) {
      stream.write({ requestId: sent, batch });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(received.length).toBeLessThan(50);
    resume();
    await expect.poll(() => received.length, { timeout: 5_000 }).toBe(100);
    expect(received.map(({ requestId }) => requestId)).toEqual(Array.from({ length: 100 }, (_, at) => at));
    stream.end();
  });

  it('get every answer though the caller has finished before', async () => {
    const channel = await serve({
      Append: duplex<AppendRequest, object>((stream) => ({
        onMessage: ({ requestId }) => {
          setTimeout(() => {
            stream.write({ requestId });
            if (requestId === 2) stream.end();
          }, 50);
        },
        onEnd: () => {},
      })),
    });
    const answers: number[] = [];
    const ended = new Promise((resolve) => {
      const stream = channel.open(LogService.Append, {
        onMessage: ({ requestId }) => answers.push(requestId),
        onEnd: resolve,
      });
      for (const requestId of [1, 2]) stream.write({ requestId, batch: Buffer.alloc(0) });
      stream.end();
    });
    expect(await ended).toBe(undefined);
    expect(answers).toEqual([1, 2]);
  });
});

describe('a server', () => {
  it('opens its HTTP/2 windows', async () => {
    const server = await listen([]);
    const session: ClientHttp2Session = connect(`http://127.0.0.1:${server.port}`);
    opened.push({ close: () => session.destroy() });
    await new Promise((resolve) => session.once('remoteSettings', resolve));
    expect(session.remoteSettings.initialWindowSize).toBe(STREAM_WINDOW_BYTES);
    await expect.poll(() => session.state.remoteWindowSize ?? 0).toBeGreaterThan(STREAM_WINDOW_BYTES);
  });

  it('names a port in use', async () => {
    const first = await listen([]);
    const error = await GrpcServer.listen(`127.0.0.1:${first.port}`, []).catch((caught) => caught);
    expect(error).toBeInstanceOf(ListenError);
    expect(error.message).toMatch(/in use by another process/);
  });

  it('closes in time though a stream stays open', async () => {
    const service = hostService(RouterService, {
      Register: duplex(() => ({ onMessage: () => {}, onEnd: () => {} })),
      GetRoute: unary(() => ({})),
      WatchRoutes: serverStream(async function* (_: unknown, { signal }) {
        yield {};
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      }),
    });
    const server = await GrpcServer.listen('127.0.0.1:0', [service]);
    const channel = new GrpcChannel(`127.0.0.1:${server.port}`);
    opened.push(channel);
    const routes = channel.read(RouterService.WatchRoutes, {});
    await routes.next();
    const start = performance.now();
    await server.close(100);
    expect(performance.now() - start).toBeLessThan(2_000);
    await expect(routes.next()).rejects.toBeInstanceOf(LograftError);
  });
});
