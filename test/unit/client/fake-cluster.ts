/** Brokers over JavaScript arrays, with the log's rules and faults on demand, behind a real router. */
import { pino } from 'pino';
import { startRouter } from '../../../src/router/router.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import type { AppendRequest } from '../../../src/rpc/generated/lograft/v1/AppendRequest.ts';
import type { AppendResponseInput } from '../../../src/rpc/generated/lograft/v1/AppendResponse.ts';
import type { ChangeMembersRequest } from '../../../src/rpc/generated/lograft/v1/ChangeMembersRequest.ts';
import type { CommitOffsetsRequest } from '../../../src/rpc/generated/lograft/v1/CommitOffsetsRequest.ts';
import type { FetchOffsetsRequest } from '../../../src/rpc/generated/lograft/v1/FetchOffsetsRequest.ts';
import type { OpenProducerRequest } from '../../../src/rpc/generated/lograft/v1/OpenProducerRequest.ts';
import { Position } from '../../../src/rpc/generated/lograft/v1/Position.ts';
import type { ReadRequest } from '../../../src/rpc/generated/lograft/v1/ReadRequest.ts';
import type { ReadResponseInput } from '../../../src/rpc/generated/lograft/v1/ReadResponse.ts';
import type { RegistrationInput } from '../../../src/rpc/generated/lograft/v1/Registration.ts';
import { Role } from '../../../src/rpc/generated/lograft/v1/Role.ts';
import { GrpcChannel } from '../../../src/rpc/grpc-channel.ts';
import { GrpcServer } from '../../../src/rpc/grpc-server.ts';
import { duplex, serverStream, unary } from '../../../src/rpc/handlers.ts';
import { AdminService, LogService, RecordBatchCodec, RecordSetCodec, RouterService } from '../../../src/rpc/protos.ts';
import { countRecords } from '../../../src/rpc/record-set.ts';
import type { MessageStream } from '../../../src/rpc/stream.ts';
import { hostService, type RpcServer } from '../../../src/rpc/transport.ts';
import { FakeMembers } from './fake-members.ts';
import { FakeOffsets } from './fake-offsets.ts';

export const silent = pino({ level: 'silent' });
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export type Fault =
  | { readonly type: 'none' }
  | { readonly type: 'dropBefore' | 'dropAfter' | 'moveBefore' | 'moveAfter' | 'ignore' }
  | { readonly type: 'refuse'; readonly error: LograftError }
  | { readonly type: 'slow'; readonly ms: number };

interface StoredBatch {
  readonly baseOffset: number;
  readonly count: number;
  readonly batch: Buffer;
}

interface Window {
  next: number;
  readonly known: Map<number, StoredBatch>;
}

interface Answering {
  dead: boolean;
  tail: Promise<void>;
}

const none: Fault = { type: 'none' };

export class FakeCluster {
  readonly topics = new Map<string, { id: number; queues: StoredBatch[][] }>();
  readonly nodes: FakeNode[] = [];
  readonly members = new FakeMembers();
  readonly offsets = new FakeOffsets();
  router: Awaited<ReturnType<typeof startRouter>> | undefined;
  /** Asked for each batch that reaches the leader. */
  fault: (queue: number, first: number) => Fault = () => none;
  leader = 0;
  term = 1;
  sessionsOpened = 0;
  epochsTaken = 0;
  catalogueRevision = 1;
  largestInFlight = 0;
  readonly sessions = new Map<number, Map<string, Window>>();
  readonly named = new Map<number, { readonly name: string; readonly epoch: number }>();
  readonly wakeReaders = new Set<() => void>();

  /** `spare`: nodes that run and belong to no group yet. */
  static async start(nodes = 3, spare = 0): Promise<FakeCluster> {
    const cluster = new FakeCluster();
    cluster.router = await startRouter({ listen: '127.0.0.1:0' }, silent);
    for (let at = 0; at < nodes + spare; at += 1) {
      const node = new FakeNode(cluster, at);
      cluster.nodes.push(node);
      await node.start(0);
      if (at < nodes) cluster.members.add(node.name, node.address);
    }
    cluster.report();
    return cluster;
  }

  get routerAddress(): string {
    return `127.0.0.1:${this.router?.port}`;
  }

  createTopic(name: string, queues: number): void {
    this.topics.set(name, { id: this.topics.size + 1, queues: Array.from({ length: queues }, () => []) });
    this.catalogueRevision += 1;
    this.report();
  }

  /** Another node leads from now on. */
  move(): void {
    this.term += 1;
    do this.leader = (this.leader + 1) % this.nodes.length;
    while (!this.nodes[this.leader]?.running || !this.members.voters.includes(this.nodes[this.leader]?.name ?? ''));
    this.report();
  }

  report(): void {
    for (const node of this.nodes) node.report();
  }

  /** Values of a queue, as text, in order. */
  values(topic: string, queue: number): string[] {
    const batches = this.topics.get(topic)?.queues[queue] ?? [];
    return batches.flatMap(({ batch }) =>
      RecordSetCodec.decode(RecordBatchCodec.decode(batch).records).records.map(({ value }) => value.toString()),
    );
  }

  open({ name, epoch }: { readonly name: string; readonly epoch: number }): number {
    this.#requireUnfenced(name, epoch);
    this.sessionsOpened += 1;
    this.sessions.set(this.sessionsOpened, new Map());
    this.named.set(this.sessionsOpened, { name, epoch });
    return this.sessionsOpened;
  }

  lastRecords(name: string): { topicId: number; queue: number; offset: number }[] {
    const last = new Map<string, number>();
    for (const [id, windows] of this.sessions) {
      if (this.named.get(id)?.name !== name) continue;
      for (const [place, { known }] of windows)
        for (const { baseOffset, count } of known.values()) last.set(place, Math.max(last.get(place) ?? 0, baseOffset + count - 1));
    }
    return [...last].map(([place, offset]) => {
      const [topicId = 0, queue = 0] = place.split('/').map(Number);
      return { topicId, queue, offset };
    });
  }

  #requireUnfenced(name: string, epoch: number): void {
    if (name !== '' && [...this.named.values()].some((other) => other.name === name && other.epoch > epoch))
      throw new LograftError('FENCED', 'another instance has taken over');
  }

  store(bytes: Buffer): number {
    const batch = RecordBatchCodec.decode(bytes);
    if (countRecords(batch.records) !== batch.count) throw new LograftError('MALFORMED_BATCH', 'malformed');
    const topic = [...this.topics.values()].find(({ id }) => id === batch.topicId);
    if (topic === undefined) throw new LograftError('UNKNOWN_TOPIC', 'no such topic');
    const queue = topic.queues[batch.queue];
    if (queue === undefined) throw new LograftError('UNKNOWN_QUEUE', 'no such queue');
    const session = this.sessions.get(batch.producerId);
    if (session === undefined) throw new LograftError('UNKNOWN_PRODUCER', 'no such session');
    const { name, epoch } = this.named.get(batch.producerId) ?? { name: '', epoch: 0 };
    this.#requireUnfenced(name, epoch);
    const key = `${batch.topicId}/${batch.queue}`;
    const window = session.get(key) ?? { next: 0, known: new Map() };
    session.set(key, window);
    const duplicate = window.known.get(batch.firstSequence);
    if (duplicate !== undefined) {
      if (!duplicate.batch.equals(bytes)) throw new LograftError('INTERNAL', 'a repetition with other bytes');
      return duplicate.baseOffset;
    }
    if (batch.firstSequence !== window.next) throw new LograftError('OUT_OF_SEQUENCE', `expected ${window.next}`);
    const last = queue.at(-1);
    const baseOffset = last === undefined ? 0 : last.baseOffset + last.count;
    const stored = { baseOffset, count: batch.count, batch: Buffer.from(bytes) };
    queue.push(stored);
    window.next += batch.count;
    window.known.set(batch.firstSequence, stored);
    for (const wake of [...this.wakeReaders]) wake();
    return baseOffset;
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await node.stop();
    await this.router?.stop();
  }
}

export class FakeNode {
  readonly #cluster: FakeCluster;
  readonly #at: number;
  #server: RpcServer | undefined;
  #registration: { channel: GrpcChannel; stream: MessageStream<RegistrationInput> } | undefined;
  port = 0;

  constructor(cluster: FakeCluster, at: number) {
    this.#cluster = cluster;
    this.#at = at;
  }

  get running(): boolean {
    return this.#server !== undefined;
  }

  get name(): string {
    return `n${this.#at + 1}`;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get leads(): boolean {
    return this.#cluster.leader === this.#at;
  }

  async start(port = this.port): Promise<void> {
    this.#server = await GrpcServer.listen(`127.0.0.1:${port}`, [this.#log(), this.#admin()]);
    this.port = this.#server.port;
    this.report();
  }

  async stop(): Promise<void> {
    this.#registration?.stream.cancel(undefined);
    this.#registration?.channel.close();
    this.#registration = undefined;
    const server = this.#server;
    this.#server = undefined;
    await server?.close(0);
  }

  report(): void {
    if (!this.running || this.#cluster.router === undefined) return;
    if (this.#registration === undefined) {
      const channel = new GrpcChannel(this.#cluster.routerAddress);
      const ended = (): void => {
        if (this.#registration?.channel === channel) this.#registration = undefined;
        channel.close();
      };
      this.#registration = { channel, stream: channel.open(RouterService.Register, { onMessage: () => {}, onEnd: ended }) };
    }
    const { topics, term, catalogueRevision } = this.#cluster;
    const members = this.#cluster.members.look(false).map(({ node, address }) => ({ node, address }));
    if (!members.some(({ node }) => node === this.name)) return;
    this.#registration.stream.write({
      node: this.name,
      address: this.address,
      groups: [
        {
          group: 'g1',
          term,
          leader: this.leads,
          members,
        },
      ],
      catalogue: { revision: catalogueRevision, homeGroup: 'g1', topics: [...topics].map(cataloguedTopic) },
    });
  }

  #notLeader(): LograftError {
    const leader = this.#cluster.nodes[this.#cluster.leader];
    return new LograftError('NOT_LEADER', 'not here', { leaderAddress: leader?.running ? leader.address : '' });
  }

  #requireLeader(): void {
    if (!this.leads) throw this.#notLeader();
  }

  #status() {
    const { members, term } = this.#cluster;
    const standing = members.nodes.includes(this.name) ? members.look(this.leads) : [];
    const lastIndex = members.lastIndex;
    const role: Role = this.leads ? Role.LEADER : Role.FOLLOWER;
    return { group: 'g1', role, term, lastIndex, members: standing, settled: members.settled, writable: true };
  }

  #log() {
    const cluster = this.#cluster;
    return hostService(LogService, {
      TakeEpoch: unary(() => {
        this.#requireLeader();
        cluster.epochsTaken += 1;
        return { epoch: cluster.epochsTaken };
      }),
      OpenProducer: unary((request: OpenProducerRequest) => {
        this.#requireLeader();
        return { producerId: cluster.open(request), lastRecords: cluster.lastRecords(request.name) };
      }),
      Append: duplex<AppendRequest, AppendResponseInput>((stream) => {
        const state: Answering = { dead: false, tail: Promise.resolve() };
        return {
          onMessage: (request) => this.#append(stream, state, request),
          onEnd: () => {
            state.dead = true;
            stream.end();
          },
        };
      }),
      AppendRecords: unary(() => ({})),
      Read: serverStream<ReadRequest, ReadResponseInput>((request, context) => this.#read(request, context.signal)),
      CommitOffsets: unary((request: CommitOffsetsRequest) => {
        this.#requireLeader();
        return cluster.offsets.commit(request, (topic, queue) => cluster.values(topic, queue).length);
      }),
      FetchOffsets: unary((request: FetchOffsetsRequest) => {
        this.#requireLeader();
        return cluster.offsets.fetch(request);
      }),
    });
  }

  #append(stream: MessageStream<AppendResponseInput>, state: Answering, { requestId, batch }: AppendRequest): void {
    if (state.dead) return;
    const end = (error: LograftError): void => {
      state.dead = true;
      stream.write({ requestId, error: error.toMessage() });
      stream.end();
    };
    const drop = (): void => {
      state.dead = true;
      stream.cancel(new LograftError('UNREACHABLE', 'dropped by the test'));
    };
    if (!this.leads) return end(this.#notLeader());
    const { queue, firstSequence } = RecordBatchCodec.decode(batch);
    const fault = this.#cluster.fault(queue, firstSequence);
    if (fault.type === 'dropBefore') return drop();
    if (fault.type === 'ignore') return;
    if (fault.type === 'moveBefore') {
      this.#cluster.move();
      return end(this.#notLeader());
    }
    let response: AppendResponseInput;
    try {
      if (fault.type === 'refuse') throw fault.error;
      response = { requestId, baseOffset: this.#cluster.store(batch) };
    } catch (error) {
      if (!(error instanceof LograftError)) throw error;
      response = { requestId, error: error.toMessage() };
    }
    if (fault.type === 'dropAfter') return drop();
    if (fault.type === 'moveAfter') {
      this.#cluster.move();
      return end(new LograftError('OUTCOME_UNKNOWN', 'leadership lost'));
    }
    const delayMs = fault.type === 'slow' ? fault.ms : 0;
    if (delayMs === 0) {
      state.tail = state.tail.then(() => void (state.dead || stream.write(response)));
      return;
    }
    state.tail = state.tail.then(() => sleep(delayMs)).then(() => void (state.dead || stream.write(response)));
  }

  async *#read(request: ReadRequest, signal: AbortSignal): AsyncGenerator<ReadResponseInput, void, undefined> {
    const queue = this.#cluster.topics.get(request.topic)?.queues[request.queue];
    if (queue === undefined) throw new LograftError('UNKNOWN_TOPIC', 'no such topic or queue');
    const end = (): number => {
      const last = queue.at(-1);
      return last === undefined ? 0 : last.baseOffset + last.count;
    };
    let offset = startOf(request, queue, end());
    if (offset > end()) throw new LograftError('OFFSET_OUT_OF_RANGE', 'beyond the end');
    const until = request.untilOffset ?? (request.follow ? Number.POSITIVE_INFINITY : end());
    yield { batches: [], nextOffset: end(), fromOffset: offset };
    while (offset < until && !signal.aborted) {
      const next = queue.find(({ baseOffset, count }) => baseOffset + count > offset);
      if (next === undefined) {
        await this.#nextStore(signal);
        continue;
      }
      yield { batches: [{ baseOffset: next.baseOffset, batch: next.batch }], nextOffset: end() };
      offset = next.baseOffset + next.count;
    }
  }

  #nextStore(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#cluster.wakeReaders.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#cluster.wakeReaders.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  #admin() {
    const cluster = this.#cluster;
    const describe = (name: string) => {
      const topic = cluster.topics.get(name);
      if (topic === undefined) throw new LograftError('UNKNOWN_TOPIC', `no topic ${name}`);
      const queues = topic.queues.map((_, queue) => ({ queue, firstOffset: 0, nextOffset: cluster.values(name, queue).length }));
      return { ...cataloguedTopic([name, topic]), queues };
    };
    return hostService(AdminService, {
      CreateTopic: unary(({ name, queues }: { name: string; queues: number }) => {
        this.#requireLeader();
        if (cluster.topics.has(name)) throw new LograftError('TOPIC_EXISTS', `topic ${name} exists`);
        cluster.createTopic(name, queues || 1);
        return describe(name);
      }),
      AddQueues: unary(({ name }: { name: string }) => describe(name)),
      DeleteTopic: unary(({ name }: { name: string }) => {
        this.#requireLeader();
        describe(name);
        cluster.topics.delete(name);
        cluster.catalogueRevision += 1;
        cluster.report();
        return {};
      }),
      ListTopics: unary(() => ({ topics: [...cluster.topics.keys()].map(describe) })),
      DescribeTopic: unary(({ name }: { name: string }) => describe(name)),
      GetNodeStatus: unary(() => ({
        node: this.name,
        address: this.address,
        groups: [this.#status()],
      })),
      ChangeMembers: unary((request: ChangeMembersRequest) => {
        this.#requireLeader();
        const members = cluster.members.change(request);
        // A leader that has left hands over.
        if (!cluster.members.voters.includes(this.name)) cluster.move();
        cluster.report();
        return { members };
      }),
      TransferLeader: unary(() => {
        this.#requireLeader();
        cluster.move();
        return {};
      }),
    });
  }
}

function startOf({ from, fromOffset, fromPosition, fromTimeMs }: ReadRequest, queue: readonly StoredBatch[], end: number): number {
  if (from === 'fromTimeMs') {
    const times = queue.flatMap(({ batch }) => RecordSetCodec.decode(RecordBatchCodec.decode(batch).records).records);
    const first = times.findIndex(({ timestampMs }) => timestampMs >= (fromTimeMs ?? 0));
    return first < 0 ? end : first;
  }
  return fromPosition === Position.LATEST ? end : (fromOffset ?? 0);
}

function cataloguedTopic([name, { id, queues }]: [string, { id: number; queues: StoredBatch[][] }]) {
  return { name, id, queueGroups: queues.map(() => 'g1') };
}
