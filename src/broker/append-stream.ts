/** One producer's Append stream: checks batches, proposes them, answers each once. */
import { LograftError } from '../rpc/error.ts';
import type { AppendRequest } from '../rpc/generated/lograft/v1/AppendRequest.ts';
import type { AppendResponseInput } from '../rpc/generated/lograft/v1/AppendResponse.ts';
import type { MessageStream, StreamEvents } from '../rpc/stream.ts';
import { checkBatch } from './check-batch.ts';
import type { Groups } from './groups.ts';

/** Unanswered bytes of one stream above which it is not read further, and below which it is again. */
const PAUSE_ABOVE_BYTES = 16 * 1024 * 1024;
const RESUME_BELOW_BYTES = 8 * 1024 * 1024;

/** After these the node cannot serve the stream at all: it ends it, so that the client looks for the leader. */
const ENDS_STREAM = new Set(['NOT_LEADER', 'OUTCOME_UNKNOWN', 'SHUTTING_DOWN']);

export class AppendStream implements StreamEvents<AppendRequest> {
  readonly #stream: MessageStream<AppendResponseInput>;
  readonly #groups: Groups;
  readonly #maxBatchBytes: number;
  readonly #onClosed: () => void;
  #unansweredBytes = 0;
  #unanswered = 0;
  #paused = false;
  #slowReader = false;
  #clientDone = false;
  #ended = false;

  constructor(stream: MessageStream<AppendResponseInput>, groups: Groups, maxBatchBytes: number, onClosed: () => void) {
    this.#stream = stream;
    this.#groups = groups;
    this.#maxBatchBytes = maxBatchBytes;
    this.#onClosed = onClosed;
  }

  onMessage({ requestId, batch }: AppendRequest): void {
    if (this.#ended) return;
    if (!Number.isSafeInteger(requestId)) return this.close(inexact(requestId));
    this.#unanswered += 1;
    this.#unansweredBytes += batch.length;
    this.#applyBackPressure();
    const answer = (response: AppendResponseInput, error?: LograftError): void => this.#answer(response, batch.length, error);
    const refuse = (error: LograftError): void => answer({ requestId, error: error.toMessage() }, error);
    try {
      const { topicId, queue } = checkBatch(batch, this.#maxBatchBytes);
      const { group } = this.#groups.queueOf(topicId, queue);
      if (!group.leads) return refuse(group.notLeader());
      group.appendBatch(batch, (baseOffset) => answer({ requestId, baseOffset }), refuse);
    } catch (error) {
      if (!(error instanceof LograftError)) throw error;
      refuse(error);
    }
  }

  onDrain(): void {
    this.#slowReader = false;
    this.#applyBackPressure();
  }

  onEnd(error: unknown): void {
    this.#clientDone = true;
    if (error !== undefined || this.#unanswered === 0) this.#end();
  }

  /** The node shuts down, or the client breaks the rules. */
  close(error: LograftError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream.cancel(error);
    this.#onClosed();
  }

  #answer(response: AppendResponseInput, bytes: number, error: LograftError | undefined): void {
    this.#unanswered -= 1;
    this.#unansweredBytes -= bytes;
    if (this.#ended) return;
    if (!this.#stream.write(response)) this.#slowReader = true;
    if (error !== undefined && ENDS_STREAM.has(error.reason)) return this.#end();
    if (this.#clientDone && this.#unanswered === 0) return this.#end();
    this.#applyBackPressure();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream.end();
    this.#onClosed();
  }

  #applyBackPressure(): void {
    if (!this.#paused && (this.#slowReader || this.#unansweredBytes > PAUSE_ABOVE_BYTES)) {
      this.#paused = true;
      this.#stream.pause();
    } else if (this.#paused && !this.#slowReader && this.#unansweredBytes < RESUME_BELOW_BYTES) {
      this.#paused = false;
      this.#stream.resume();
    }
  }
}

/** The answer would name another request. */
function inexact(requestId: number): LograftError {
  return new LograftError(
    'INVALID_REQUEST',
    `request_id: below 2^53, not ${requestId}. The stream ends, send what is unanswered again`,
  );
}
