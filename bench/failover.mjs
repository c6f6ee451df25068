/**
 * How long producing stands still when the leader goes: from the signal to the first record acknowledged by the next leader that was sent
 * after the signal. Usage: npm run bench:failover [-- --rounds 20]
 */
import { parseArgs } from 'node:util';
import { LograftClient } from '../dist/client/index.js';
import { describeMachine, quantile, startCluster } from './cluster.mjs';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '20' }, port: { type: 'string', default: '18180' } },
});
const ROUNDS = Number(options.rounds);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function leaderOf(client) {
  for (;;) {
    const group = (await client.admin.status()).nodes.flatMap(({ node, status }) =>
      status?.groups[0]?.role === 4 ? [{ node, ...status.groups[0] }] : [],
    );
    if (group.length === 1) return group[0];
    await sleep(20);
  }
}

async function healthy(client, count) {
  for (;;) {
    const { nodes } = await client.admin.status();
    const groups = nodes.flatMap(({ reachable, status }) => (reachable && status ? [status.groups[0]] : []));
    const leader = groups.find(({ role }) => role === 4);
    const calm = leader?.members.every(({ reachable, lag }) => reachable && lag < 100);
    if (groups.length === count && calm) return;
    await sleep(50);
  }
}

async function round(cluster, client, producer, signal) {
  await healthy(client, cluster.nodes.length);
  await sleep(500);
  const leader = await leaderOf(client);
  const node = cluster.nodes.find(({ id }) => id === leader.node);
  let signalledAt = Number.POSITIVE_INFINITY;
  let resumedAt;
  let going = true;
  let worstMs = 0;
  const sending = (async () => {
    while (going) {
      const sentAt = performance.now();
      producer.send('failover', { value: Buffer.alloc(100, 'f') }).then(() => {
        worstMs = Math.max(worstMs, performance.now() - sentAt);
        if (sentAt > signalledAt) resumedAt ??= performance.now();
      });
      await sleep(1);
    }
  })();
  await sleep(200);
  signalledAt = performance.now();
  process.kill(node.pid, signal);
  while (resumedAt === undefined) await sleep(1);
  // Long enough that the old leader is really gone and does not come back as the one that answers.
  await sleep(300);
  going = false;
  await sending;
  await producer.flush();
  while (alive(node.pid)) await sleep(5);
  cluster.restart(node);
  return { resumedMs: resumedAt - signalledAt, worstMs };
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

console.log(describeMachine());
const cluster = startCluster({ port: Number(options.port) });
const client = new LograftClient({ routers: [cluster.router] });
try {
  await client.admin.createTopic('failover', { queues: 1 });
  const producer = client.producer({ lingerMs: 0 });
  await producer.send('failover', { value: Buffer.from('first') });
  console.log(`${ROUNDS} rounds each, one record a millisecond`);
  console.log('signal    first ack of a record sent after it, ms: median  min  max | longest wait of any record, ms: median  max');
  for (const signal of ['SIGKILL', 'SIGTERM']) {
    const rounds = [];
    for (let at = 0; at < ROUNDS; at += 1) {
      rounds.push(await round(cluster, client, producer, signal));
      if (process.stderr.isTTY) process.stderr.write(`\r${signal} ${at + 1}/${ROUNDS} `);
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    const resumed = rounds.map(({ resumedMs }) => resumedMs);
    const worst = rounds.map(({ worstMs }) => worstMs);
    const figures = [quantile(resumed, 0.5), Math.min(...resumed), Math.max(...resumed)]
      .map((value) => value.toFixed(1).padStart(6))
      .join(' ');
    console.log(
      `${signal}                                             ${figures} | ${' '.repeat(26)}${quantile(worst, 0.5).toFixed(1)}  ${Math.max(...worst).toFixed(1)}`,
    );
  }
  await producer.close();
} finally {
  await client.close();
  await cluster.stop();
}
