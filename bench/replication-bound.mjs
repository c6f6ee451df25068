// The bound: what grpc-js + fdatasync can do on this machine with no consensus, no index, no records: one client stream, one leader, two
// followers, each batch one `bytes` field, written and fdatasynced by all three, acknowledged after two. `npm run bench` prints it beside
// Lograft's own figures; `node bench/replication-bound.mjs` prints it alone. It opens HTTP/2 windows as src/rpc/http2-windows.ts does.
// It reaches into grpc-js's server (commonServerOptions, http2Servers) to open HTTP/2 receive windows: no public option does.
import { fork } from 'node:child_process';
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const dir = process.env.BOUND_DIR ?? fs.mkdtempSync(path.join(os.tmpdir(), 'bound-'));
const proto = path.join(dir, 'bound.proto');
if (!process.env.BOUND_DIR) {
  fs.writeFileSync(
    proto,
    `syntax = "proto3"; package bound;
message Batch { int64 id = 1; bytes bytes = 2; } message Ack { int64 id = 1; }
service Bound { rpc Append(stream Batch) returns (stream Ack); }`,
  );
}
const { bound } = grpc.loadPackageDefinition(protoLoader.loadSync(proto, { longs: Number }));
const PORTS = { leader: 7201, follower1: 7202, follower2: 7203 };
const OPTIONS = { 'grpc.max_receive_message_length': 64 << 20, 'grpc-node.flow_control_window': 8 << 20 };
const FILE_BYTES = 512 << 20;

/** Append-only file, preallocated; one outstanding writev + fdatasync, later arrivals form the next unit. */
class GroupCommitLog {
  #waiting = [];
  #offset = 0;
  #busy = false;
  #file;
  constructor(file) {
    this.#file = file;
  }
  static async open(name) {
    const file = await fsp.open(path.join(dir, name), 'w+');
    const zeros = Buffer.alloc(1 << 20);
    for (let at = 0; at < FILE_BYTES; at += zeros.length) await file.write(zeros, 0, zeros.length, at);
    await file.sync();
    return new GroupCommitLog(file);
  }
  append(bytes) {
    return new Promise((done) => {
      this.#waiting.push({ bytes, done });
      void this.#commit();
    });
  }
  async #commit() {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const unit = this.#waiting;
      this.#waiting = [];
      const length = unit.reduce((sum, w) => sum + w.bytes.length, 0);
      if (this.#offset + length > FILE_BYTES) this.#offset = 0;
      await this.#file.writev(
        unit.map((w) => w.bytes),
        this.#offset,
      );
      this.#offset += length;
      await this.#file.datasync();
      for (const w of unit) w.done();
    }
    this.#busy = false;
  }
}

function serve(port, onStream) {
  const server = new grpc.Server(OPTIONS);
  server.commonServerOptions.settings = { initialWindowSize: 8 << 20 };
  server.addService(bound.Bound.service, { Append: onStream });
  server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), () => {
    for (const http2Server of server.http2Servers.keys()) http2Server.on('session', (s) => s.setLocalWindowSize(32 << 20));
    process.send('up');
  });
}
const connect = (port) => new bound.Bound(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), OPTIONS).Append();

const role = process.argv[2];
if (role === 'follower1' || role === 'follower2') {
  const log = await GroupCommitLog.open(role);
  serve(PORTS[role], (call) => call.on('data', ({ id, bytes }) => log.append(bytes).then(() => call.write({ id }))));
} else if (role === 'leader') {
  const log = await GroupCommitLog.open(role);
  const followers = [connect(PORTS.follower1), connect(PORTS.follower2)];
  const pending = new Map();
  let nextId = 0;
  const durable = (id) => {
    const entry = pending.get(id);
    entry.copies += 1;
    if (entry.copies === 2) entry.acknowledge();
    if (entry.copies === 3) pending.delete(id);
  };
  for (const follower of followers) follower.on('data', ({ id }) => durable(id));
  serve(PORTS.leader, (call) =>
    call.on('data', ({ bytes }) => {
      const id = ++nextId;
      pending.set(id, { copies: 0, acknowledge: () => call.write({ id }) });
      for (const follower of followers) follower.write({ id, bytes });
      log.append(bytes).then(() => durable(id));
    }),
  );
} else {
  const children = [];
  for (const r of Object.keys(PORTS).reverse()) {
    const child = fork(process.argv[1], [r], { env: { ...process.env, BOUND_DIR: dir } });
    children.push(child);
    await new Promise((up) => child.once('message', up));
  }
  console.log('batch KiB  in flight   MiB/s  1-KiB records/s  p50 ms  p99 ms');
  for (const [kib, inFlight, count] of [
    [1, 1, 1500],
    [16, 8, 6000],
    [64, 8, 4000],
    [128, 8, 3000],
    [256, 8, 2000],
    [1024, 4, 600],
  ]) {
    const bytes = Buffer.alloc(kib * 1024, 1);
    const stream = connect(PORTS.leader);
    const sentAt = [],
      latencies = [];
    let acked = 0;
    const start = performance.now();
    await new Promise((finished) => {
      const pump = () => {
        while (sentAt.length < count && sentAt.length - acked < inFlight) {
          sentAt.push(performance.now());
          stream.write({ id: 0, bytes });
        }
      };
      stream.on('data', () => {
        latencies.push(performance.now() - sentAt[acked++]);
        if (acked === count) finished();
        else pump();
      });
      pump();
    });
    stream.end();
    const seconds = (performance.now() - start) / 1e3;
    latencies.sort((a, b) => a - b);
    const rate = (count * kib) / seconds;
    console.log(
      [
        kib,
        inFlight,
        (rate / 1024).toFixed(0),
        rate.toFixed(0),
        latencies[count >> 1].toFixed(2),
        latencies[Math.floor(count * 0.99)].toFixed(2),
      ]
        .map((v, i) => String(v).padStart([9, 10, 8, 16, 7, 7][i]))
        .join(' '),
    );
  }
  for (const child of children) child.kill();
  fs.rmSync(dir, { recursive: true, force: true });
  process.exit(0);
}
