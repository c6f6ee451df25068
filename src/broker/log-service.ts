/** proto/lograft/v1/log.proto, served. */
import { setMaxListeners } from 'node:events';
import { crc32c } from '@node-rs/crc32';
import { abortWith } from '../base/abort-with.ts';
import { assert } from '../base/assert.ts';
import { LograftError } from '../rpc/error.ts';
import type { AppendRecordsRequest } from '../rpc/generated/lograft/v1/AppendRecordsRequest.ts';
import type { AppendRecordsResponseInput } from '../rpc/generated/lograft/v1/AppendRecordsResponse.ts';
import type { AppendRequest } from '../rpc/generated/lograft/v1/AppendRequest.ts';
import type { AppendResponseInput } from '../rpc/generated/lograft/v1/AppendResponse.ts';
import type { CommitOffsetsRequest } from '../rpc/generated/lograft/v1/CommitOffsetsRequest.ts';
import type { CommitOffsetsResponseInput } from '../rpc/generated/lograft/v1/CommitOffsetsResponse.ts';
import type { FetchOffsetsRequest } from '../rpc/generated/lograft/v1/FetchOffsetsRequest.ts';
import type { FetchOffsetsResponseInput } from '../rpc/generated/lograft/v1/FetchOffsetsResponse.ts';
import type { OpenProducerRequest } from '../rpc/generated/lograft/v1/OpenProducerRequest.ts';
import type { OpenProducerResponseInput } from '../rpc/generated/lograft/v1/OpenProducerResponse.ts';
import type { ReadRequest } from '../rpc/generated/lograft/v1/ReadRequest.ts';
import type { ReadResponseInput } from '../rpc/generated/lograft/v1/ReadResponse.ts';
import type { TakeEpochRequest } from '../rpc/generated/lograft/v1/TakeEpochRequest.ts';
import type { TakeEpochResponseInput } from '../rpc/generated/lograft/v1/TakeEpochResponse.ts';
import { duplex, serverStream, unary } from '../rpc/handlers.ts';
import { LogService, RecordBatchCodec, RecordSetCodec } from '../rpc/protos.ts';
import { type HostedService, hostService } from '../rpc/transport.ts';
import { AppendStream } from './append-stream.ts';
import { checkBatch } from './check-batch.ts';
import type { Group } from './group.ts';
import type { Groups } from './groups.ts';
import { MAX_PRODUCER_NAME, MAX_RECORDS_PER_CALL } from './limits.ts';
import { commitOffsets, fetchOffsets } from './offset-service.ts';
import { readQueue } from './queue-reader.ts';

export interface LogFrontDoor {
  readonly service: HostedService;
  /** Ends all Append and Read streams: this node shuts down. */
  close(): void;
}

export function serveLog(groups: Groups, maxBatchBytes: number): LogFrontDoor {
  const appends = new Set<AppendStream>();
  const closing = new AbortController();
  // Each read listens to it; Node's warning is meant for leaks.
  setMaxListeners(0, closing.signal);
  const service = hostService(LogService, {
    TakeEpoch: unary<TakeEpochRequest, TakeEpochResponseInput>(() => takeEpoch(groups)),
    OpenProducer: unary<OpenProducerRequest, OpenProducerResponseInput>((request) => openProducer(request, groups)),
    Append: duplex<AppendRequest, AppendResponseInput>((stream) => {
      const append: AppendStream = new AppendStream(stream, groups, maxBatchBytes, () => appends.delete(append));
      appends.add(append);
      return append;
    }),
    AppendRecords: unary<AppendRecordsRequest, AppendRecordsResponseInput>((request) =>
      appendRecords(request, groups, maxBatchBytes),
    ),
    Read: serverStream<ReadRequest, ReadResponseInput>((request, context) =>
      readUntilClosed(request, groups, context.signal, closing.signal),
    ),
    CommitOffsets: unary<CommitOffsetsRequest, CommitOffsetsResponseInput>((request) => commitOffsets(request, groups)),
    FetchOffsets: unary<FetchOffsetsRequest, FetchOffsetsResponseInput>((request) => fetchOffsets(request, groups)),
  });
  return {
    service,
    close: () => {
      for (const append of [...appends]) append.close(groups.stopping());
      closing.abort();
    },
  };
}

async function* readUntilClosed(
  request: ReadRequest,
  groups: Groups,
  gone: AbortSignal,
  closing: AbortSignal,
): AsyncGenerator<ReadResponseInput, void, undefined> {
  const ending = new AbortController();
  const release = abortWith(ending, [gone, closing]);
  try {
    yield* readQueue(request, groups, ending.signal);
  } finally {
    release();
  }
  // A read that ends early must not look like one that reached its end.
  if (closing.aborted) throw groups.stopping();
}

async function takeEpoch(groups: Groups): Promise<TakeEpochResponseInput> {
  const result = await leading(groups.homeGroup()).command({ takeEpoch: {} });
  assert(result.type === 'epochTaken', 'taking an epoch gives one');
  return { epoch: result.epoch };
}

async function openProducer(request: OpenProducerRequest, groups: Groups): Promise<OpenProducerResponseInput> {
  const { name, epoch } = request;
  if (name.length > MAX_PRODUCER_NAME)
    throw new LograftError('INVALID_REQUEST', `name: 1 to ${MAX_PRODUCER_NAME} characters, not ${name.length}`);
  if ((name === '') !== (epoch === 0))
    throw new LograftError('INVALID_REQUEST', 'epoch: what TakeEpoch gave when there is a name, else 0');
  const group = leading(groups.namedOrOnly(request.group));
  const result = await group.command({ openProducer: { name, epoch } });
  assert(result.type === 'producerOpened', 'opening a producer opens one');
  return { producerId: result.producerId, lastRecords: [...group.state.lastRecordsOf(name)] };
}

async function appendRecords(
  { topic: name, queue, records }: AppendRecordsRequest,
  groups: Groups,
  maxBatchBytes: number,
): Promise<AppendRecordsResponseInput> {
  if (records.length < 1 || records.length > MAX_RECORDS_PER_CALL) {
    throw new LograftError('INVALID_REQUEST', `records: 1 to ${MAX_RECORDS_PER_CALL} can be sent in a call, not ${records.length}`);
  }
  const { group, topic } = groups.queueNamed(name, queue);
  leading(group);
  const encoded = RecordSetCodec.encode({ records });
  const recordsCrc32c = crc32c(encoded);
  const batch = RecordBatchCodec.encode({ topicId: topic.id, queue, count: records.length, recordsCrc32c, records: encoded });
  checkBatch(batch, maxBatchBytes);
  const baseOffset = await new Promise<number>((resolve, reject) => group.appendBatch(batch, resolve, reject));
  return { baseOffset };
}

function leading(group: Group): Group {
  if (!group.leads) throw group.notLeader();
  return group;
}
