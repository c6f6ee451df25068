import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/base/system-clock.ts';
import { RouteTable } from '../../../src/router/route-table.ts';
import { RouteWatchers } from '../../../src/router/route-watchers.ts';
import { type RunningRouter, startRouter } from '../../../src/router/router.ts';
import type { Registration, RegistrationInput } from '../../../src/rpc/generated/lograft/v1/Registration.ts';
import type { Route } from '../../../src/rpc/generated/lograft/v1/Route.ts';
import { GrpcChannel } from '../../../src/rpc/grpc-channel.ts';
import { RouterService } from '../../../src/rpc/protos.ts';
import type { MessageStream } from '../../../src/rpc/stream.ts';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
let router: RunningRouter;
let channel: GrpcChannel;
const channels: GrpcChannel[] = [];

beforeEach(async () => {
  router = await startRouter({ listen: '127.0.0.1:0', silenceMs: 300 }, pino({ level: 'silent' }));
  channel = dial();
});

afterEach(async () => {
  for (const one of channels.splice(0)) one.close();
  await router.stop();
});

function dial(): GrpcChannel {
  const made = new GrpcChannel(`127.0.0.1:${router.port}`);
  channels.push(made);
  return made;
}

function register(): { stream: MessageStream<RegistrationInput>; ended: Promise<unknown> } {
  let end!: (error: unknown) => void;
  const ended = new Promise((resolve) => {
    end = resolve;
  });
  return { stream: dial().open(RouterService.Register, { onMessage: () => {}, onEnd: end }), ended };
}

const report = (node: string, term: number, leader: boolean): RegistrationInput => ({
  node,
  address: `${node}:1`,
  groups: [{ group: 'g', term, leader, members: [{ node, address: `${node}:1` }] }],
  catalogue: null,
});

function watch(): { routes: Route[]; ended: Promise<unknown>; stop: () => void } {
  const routes: Route[] = [];
  const stop = new AbortController();
  const ended = (async () => {
    for await (const route of dial().read(RouterService.WatchRoutes, {}, { signal: stop.signal })) routes.push(route);
  })().catch((error) => error);
  return { routes, ended, stop: () => stop.abort() };
}

describe('a router', () => {
  it('pushes the route at once and after changes', async () => {
    const watcher = watch();
    await vi.waitFor(() => expect(watcher.routes).toEqual([{ revision: 0, groups: [], catalogue: null }]));
    const { stream } = register();
    for (let term = 1; term <= 20; term += 1) stream.write(report('n1', term, true));
    await vi.waitFor(() => expect(watcher.routes.at(-1)?.groups[0]).toMatchObject({ leader: 'n1', term: 20 }));
    expect(watcher.routes.length).toBeLessThan(23);
    const revisions = watcher.routes.map(({ revision }) => revision);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    expect(await channel.call(RouterService.GetRoute, {})).toEqual(watcher.routes.at(-1));
    watcher.stop();
    await watcher.ended;
  });

  it('ends a registration whose node has finished', async () => {
    const { stream, ended } = register();
    stream.write(report('n1', 1, true));
    stream.end();
    expect(await ended).toBe(undefined);
    await vi.waitFor(async () => {
      const { groups } = await channel.call(RouterService.GetRoute, {});
      expect(groups[0]?.members[0]?.registered).toBe(false);
    });
  });

  it('pushes what changes in one turn as one message', async () => {
    const table = new RouteTable();
    const watchers = new RouteWatchers(table, systemClock);
    const watching = watchers.watch(new AbortController().signal);
    await watching.next();
    const second = watching.next();
    for (let term = 1; term <= 20; term += 1) {
      table.register(report('n1', term, true) as Registration);
      watchers.changed();
    }
    expect((await second).value).toMatchObject({ revision: 20 });
    const third = watching.next();
    await sleep(20);
    watchers.close();
    await expect(third).rejects.toMatchObject({ reason: 'SHUTTING_DOWN' });
  });

  it('names no leader when its stream breaks or falls silent', async () => {
    const watcher = watch();
    const first = register();
    const second = register();
    first.stream.write(report('n1', 1, true));
    await sleep(50);
    first.stream.cancel(undefined);
    await sleep(50);
    expect(watcher.routes.at(-1)?.groups[0]).toMatchObject({ leader: '' });
    second.stream.write(report('n2', 2, true));
    await sleep(50);
    expect(watcher.routes.at(-1)?.groups[0]).toMatchObject({ leader: 'n2', term: 2 });
    expect(await second.ended).toMatchObject({ reason: 'TIMED_OUT' });
    await sleep(20);
    expect(watcher.routes.at(-1)?.groups[0]).toMatchObject({ leader: '' });
    watcher.stop();
  });

  it('refuses bad registrations, and a stream that speaks for two nodes', async () => {
    const bad = register();
    bad.stream.write({ node: '', address: 'n:1', groups: [] });
    expect(await bad.ended).toMatchObject({ reason: 'INVALID_REQUEST' });
    const two = register();
    two.stream.write(report('n1', 1, true));
    two.stream.write(report('n2', 1, true));
    expect(await two.ended).toMatchObject({ reason: 'INVALID_REQUEST' });
  });

  it('lets a node that came back replace its old stream', async () => {
    const old = register();
    old.stream.write(report('n1', 1, true));
    await sleep(50);
    const fresh = register();
    fresh.stream.write(report('n1', 1, true));
    expect(await old.ended).toMatchObject({ reason: 'INVALID_REQUEST', message: expect.stringMatching(/newer registration/) });
    expect((await channel.call(RouterService.GetRoute, {})).groups[0]).toMatchObject({ leader: 'n1' });
  });

  it('ends watches when it stops', async () => {
    const watcher = watch();
    await sleep(50);
    await router.stop();
    expect(['SHUTTING_DOWN', 'CANCELLED', 'UNREACHABLE']).toContain(((await watcher.ended) as { reason: string }).reason);
    router = await startRouter({ listen: '127.0.0.1:0' }, pino({ level: 'silent' }));
  });
});
