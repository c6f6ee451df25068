/**
 * Throughput and latency of durable quorum writes: three replicas, fsync on, 1 KiB records, one producer; beside it, in the same run, the
 * bound of the same path without consensus, index and records (replication-bound.mjs). Usage: npm run bench [-- --seconds 10]
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LograftClient } from '../dist/client/index.js';
import { describeMachine, quantile, startCluster } from './cluster.mjs';

const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '10' }, port: { type: 'string', default: '18080' } },
});
const SECONDS = Number(options.seconds);
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
  const start = performance.now();
  const until = start + SECONDS * 1_000;
  const send = () => {
    const sentAt = performance.now();
    return producer.send(topic, { value: RECORD }).then(() => {
      acknowledged += 1;
      latencies.push(performance.now() - sentAt);
    });
  };
  while (performance.now() < until) {
    if (inFlight === 1) {
      await send();
      continue;
    }
    const room = producer.ready();
    if (room !== undefined) await room;
    send();
  }
  await producer.flush();
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
const cluster = startCluster({ port: Number(options.port) });
try {
  console.log(
    'durable quorum writes of 1 KiB records, 3 replicas, fsync on, one producer; bound: the same path without consensus, index and records',
  );
  console.log('batch KiB  in flight  records/s   MB/s  p50 ms  p99 ms | bound records/s  p50 ms | ratio');
  for (const run of CASES) {
    const { rate, p50, p99 } = await measure(cluster.router, run);
    const limit = bound.find(({ kib, inFlight }) => kib === run.batchKib && inFlight === run.inFlight);
    const cells = [run.batchKib, run.inFlight, rate.toFixed(0), ((rate * 1024) / 1e6).toFixed(1), p50.toFixed(2), p99.toFixed(2)];
    const widths = [9, 10, 10, 6, 7, 7];
    const own = cells.map((cell, at) => String(cell).padStart(widths[at])).join(' ');
    console.log(
      `${own} | ${limit.rate.toFixed(0).padStart(15)} ${limit.p50.toFixed(2).padStart(7)} | ${(rate / limit.rate).toFixed(2)}`,
    );
  }
} finally {
  await cluster.stop();
}
