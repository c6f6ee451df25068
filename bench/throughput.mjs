/**
 * Throughput and latency of durable quorum writes: three replicas, fsync on, 1 KiB records, one producer; beside it, in the same run, the
 * bound of the same path without consensus, index and records (replication-bound.mjs). Usage: npm run bench [-- --seconds 6]
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LograftClient } from '../dist/client/index.js';
import { describeMachine, quantile, startCluster } from './cluster.mjs';

const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '6' }, port: { type: 'string', default: '18080' } },
});
const SECONDS = Number(options.seconds);
const WARM_UP_SECONDS = 2;
const RECORD = Buffer.alloc(1024, 'r');
const CASES = [
  { batchKib: 1, inFlight: 1 },
  { batchKib: 64, inFlight: 8 },
  { batchKib: 256, inFlight: 8 },
];

async function measure(router, { batchKib, inFlight }) {
  const client = new LograftClient({ routers: [router] });
  const topic = `bench-${batchKib}`;
  await client.admin.createTopic(topic, { queues: 1 });
  const recordsPerBatch = Math.max(1, batchKib);
  const producer = client.producer({
    // Records of 1 KiB and a little more on the wire: the size that fits the wanted number of them.
    batchBytes: recordsPerBatch * 1060,
    lingerMs: batchKib === 1 ? 0 : 5,
    maxInFlightBatches: inFlight,
    bufferBytes: (inFlight + 2) * recordsPerBatch * 1100,
  });
  await producer.send(topic, { value: RECORD });
  const latencies = [];
  let acknowledged = 0;
  const count = () => {
    acknowledged += 1;
  };
  // One record in 16 is timed: timing each would cost more than sending it does.
  const send = (timed) => {
    const sending = producer.send(topic, { value: RECORD });
    if (!timed) return sending.then(count);
    const sentAt = performance.now();
    return sending.then(() => {
      count();
      latencies.push(performance.now() - sentAt);
    });
  };
  const sendFor = async (seconds) => {
    const until = performance.now() + seconds * 1_000;
    while (performance.now() < until) {
      if (inFlight === 1) {
        await send(true);
        continue;
      }
      for (let at = 0; at < 16; at += 1) {
        const room = producer.ready();
        if (room !== undefined) await room;
        send(at === 0);
      }
    }
    await producer.flush();
  };
  // Code that has just been compiled is slow; the bound has warmed up with its smaller batches too.
  await sendFor(WARM_UP_SECONDS);
  acknowledged = 0;
  latencies.length = 0;
  const start = performance.now();
  await sendFor(SECONDS);
  const seconds = (performance.now() - start) / 1_000;
  await producer.close();
  await client.close();
  return { rate: acknowledged / seconds, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
}

function measureBound() {
  const output = execFileSync(process.execPath, [fileURLToPath(new URL('./replication-bound.mjs', import.meta.url))], {
    encoding: 'utf8',
  });
  const rows = output.trim().split('\n').slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/).map(Number))
    .map(([kib, inFlight, , rate, p50, p99]) => ({ kib, inFlight, rate, p50, p99 }));
}

console.log(describeMachine());
const bound = measureBound();
console.log(
  'durable quorum writes of 1 KiB records, 3 replicas, fsync on, one producer; bound: the same path without consensus, index and records',
);
console.log('batch KiB  in flight  records/s   MB/s  p50 ms  p99 ms | bound records/s  p50 ms | ratio');
for (const run of CASES) {
  // A fresh cluster each: no case pays for what the one before left in the page cache.
  const cluster = startCluster({ port: Number(options.port) });
  try {
    print(run, await measure(cluster.router, run));
  } finally {
    await cluster.stop();
  }
}

function print(run, { rate, p50, p99 }) {
  const limit = bound.find(({ kib, inFlight }) => kib === run.batchKib && inFlight === run.inFlight);
  const cells = [run.batchKib, run.inFlight, rate.toFixed(0), ((rate * 1024) / 1e6).toFixed(1), p50.toFixed(2), p99.toFixed(2)];
  const widths = [9, 10, 10, 6, 7, 7];
  const own = cells.map((cell, at) => String(cell).padStart(widths[at])).join(' ');
  console.log(
    `${own} | ${limit.rate.toFixed(0).padStart(15)} ${limit.p50.toFixed(2).padStart(7)} | ${(rate / limit.rate).toFixed(2)}`,
  );
}
