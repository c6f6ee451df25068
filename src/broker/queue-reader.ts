/** Reads a queue for one Read call. */
import { assert } from '../base/assert.ts';
import { type Entry, logIndex } from '../raft/types.ts';
import { LograftError } from '../rpc/error.ts';
import { Position } from '../rpc/generated/lograft/v1/Position.ts';
import { ReadConsistency } from '../rpc/generated/lograft/v1/ReadConsistency.ts';
import type { ReadRequest } from '../rpc/generated/lograft/v1/ReadRequest.ts';
import type { ReadResponseInput } from '../rpc/generated/lograft/v1/ReadResponse.ts';
import { RecordBatchCodec } from '../rpc/protos.ts';
import { recordsBefore } from '../rpc/record-set.ts';
import { KIND_BATCH } from './entry-kinds.ts';
import type { Group } from './group.ts';
import type { Groups } from './groups.ts';
import type { BatchPosition, QueueState } from './queue-state.ts';

const DEFAULT_RESPONSE_BYTES = 1024 * 1024;
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;
/** Batches looked up at once. */
const POSITIONS_PER_ROUND = 256;

export async function* readQueue(
  request: ReadRequest,
  groups: Groups,
  signal: AbortSignal,
): AsyncGenerator<ReadResponseInput, void, undefined> {
  checkChoices(request);
  const { group, queue } = groups.queueNamed(request.topic, request.queue);
  if (request.consistency === ReadConsistency.LINEARIZABLE) await group.whenLinearizable();
  else await group.whenCaughtUp();
  const timeMs = request.from === 'fromTimeMs' ? (request.fromTimeMs ?? 0) : undefined;
  let offset = timeMs === undefined ? startOffset(request, queue) : await offsetOfTime(timeMs, queue, group);
  const endWhenCalled = queue.nextOffset;
  const end = request.untilOffset ?? (request.follow ? Number.MAX_SAFE_INTEGER : endWhenCalled);
  const maxBytes = Math.min(request.maxResponseBytes || DEFAULT_RESPONSE_BYTES, MAX_RESPONSE_BYTES);
  yield { batches: [], nextOffset: queue.nextOffset, fromOffset: offset };
  while (offset < end && !signal.aborted) {
    if (queue.dropped) throw new LograftError('UNKNOWN_TOPIC', `topic ${request.topic} was deleted while it was read`);
    if (offset < queue.firstOffset) throw noLongerHeld(offset, queue);
    const positions = await queue.locate(offset, POSITIONS_PER_ROUND, group.state.keyed);
    if (positions.length === 0) {
      await queue.waitForAppend(offset, signal);
      continue;
    }
    for (let at = 0; at < positions.length && offset < end && !signal.aborted; ) {
      const run = neighbours(positions, at, end);
      const entries = await group.replica.read(
        (run[0] as BatchPosition).logIndex,
        (run.at(-1) as BatchPosition).logIndex,
        maxBytes,
      );
      const taken = run.slice(0, entries.length);
      yield { batches: toBatches(taken, entries), nextOffset: queue.nextOffset };
      at += taken.length;
      const last = taken.at(-1) as BatchPosition;
      offset = last.baseOffset + last.count;
    }
  }
}

/** A choice of a later version must not pass for the first one of this. */
function checkChoices({ from, fromPosition, consistency }: ReadRequest): void {
  if (from === 'fromPosition' && !isOneOf(Position, fromPosition))
    throw new LograftError('INVALID_REQUEST', `from_position: this node does not know ${fromPosition}`);
  if (!isOneOf(ReadConsistency, consistency))
    throw new LograftError('INVALID_REQUEST', `consistency: this node does not know ${consistency}`);
}

function isOneOf(choices: Readonly<Record<string, number>>, value: unknown): boolean {
  return Object.values(choices).some((choice) => choice === value);
}

function startOffset(request: ReadRequest, queue: QueueState): number {
  if (request.fromPosition === Position.LATEST) return queue.nextOffset;
  const offset = request.from === 'fromOffset' ? (request.fromOffset ?? 0) : queue.firstOffset;
  if (offset < queue.firstOffset) throw noLongerHeld(offset, queue);
  if (offset <= queue.nextOffset) return offset;
  throw new LograftError(
    'OFFSET_OUT_OF_RANGE',
    `offset ${offset} is after the end: the queue has offsets ${queue.firstOffset} to ${queue.nextOffset - 1} here`,
  );
}

/** Of the first record with this timestamp or a later one; proto/lograft/v1/log.proto says what where there is none, or no longer. */
async function offsetOfTime(timeMs: number, queue: QueueState, { state, replica }: Group): Promise<number> {
  const position = await queue.locateTime(timeMs, state.keyed);
  if (position === undefined) return queue.nextOffset;
  const { baseOffset, logIndex: index } = position;
  const [entry] = await replica.read(index, index, 1);
  assert(entry !== undefined && entry.kind === KIND_BATCH, 'the queue index points at batches');
  return baseOffset + recordsBefore(timeMs, RecordBatchCodec.decode(entry.payload).records);
}

function noLongerHeld(offset: number, queue: QueueState): LograftError {
  const held = `the first that is still held is ${queue.firstOffset}`;
  return new LograftError('OFFSET_NOT_RETAINED', `offset ${offset} is older than what is retained: ${held}, read on from there`);
}

/** Batches from `at` on whose log entries lie side by side: one read of the log gets them. */
function neighbours(positions: readonly BatchPosition[], at: number, end: number): readonly BatchPosition[] {
  let last = at;
  while (last + 1 < positions.length) {
    const current = positions[last] as BatchPosition;
    const next = positions[last + 1] as BatchPosition;
    if (next.logIndex !== current.logIndex + 1 || next.baseOffset >= end) break;
    last += 1;
  }
  return positions.slice(at, last + 1);
}

function toBatches(positions: readonly BatchPosition[], entries: readonly Entry[]): { baseOffset: number; batch: Buffer }[] {
  return positions.map(({ baseOffset, logIndex: index }, at) => {
    const entry = entries[at];
    assert(
      entry !== undefined && entry.index === logIndex(index) && entry.kind === KIND_BATCH,
      'the queue index points at batches',
    );
    const { buffer, byteOffset, byteLength } = entry.payload;
    return { baseOffset, batch: Buffer.from(buffer, byteOffset, byteLength) };
  });
}
