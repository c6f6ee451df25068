/** The one error of Lograft's interfaces: a stable reason, what may be retried, and its form on the wire. */
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import type { Error as ErrorMessage } from './generated/lograft/v1/Error.ts';
import { Reason } from './generated/lograft/v1/Reason.ts';
import { ErrorCodec } from './protos.ts';

/** Reasons a node gives (proto/lograft/v1/error.proto), and those that only the calling side can see. */
export type ErrorReason = Exclude<keyof typeof Reason, 'REASON_UNSPECIFIED'> | LocalReason;
/**
 * UNREACHABLE: no connection, or it broke; what was under way may or may not have happened. TIMED_OUT: the same for a deadline.
 * CANCELLED: the caller's signal. CLOSED: used after close(). INTERNAL: a defect, here or there.
 */
export type LocalReason = 'UNREACHABLE' | 'TIMED_OUT' | 'CANCELLED' | 'CLOSED' | 'INTERNAL';

/**
 * `safe`: nothing was done. `sameBatch`: it may have been done, so only a repetition that the log recognises is safe (a batch of a
 * producer session, a read). `never`: it would fail again.
 */
export type Retry = 'safe' | 'sameBatch' | 'never';

interface ReasonFacts {
  readonly status: number;
  readonly retry: Retry;
}

const FACTS: Record<ErrorReason, ReasonFacts> = {
  NOT_LEADER: { status: status.UNAVAILABLE, retry: 'safe' },
  UNKNOWN_TOPIC: { status: status.NOT_FOUND, retry: 'never' },
  UNKNOWN_QUEUE: { status: status.OUT_OF_RANGE, retry: 'never' },
  TOPIC_EXISTS: { status: status.ALREADY_EXISTS, retry: 'never' },
  BATCH_TOO_LARGE: { status: status.INVALID_ARGUMENT, retry: 'never' },
  MALFORMED_BATCH: { status: status.INVALID_ARGUMENT, retry: 'never' },
  UNKNOWN_PRODUCER: { status: status.FAILED_PRECONDITION, retry: 'never' },
  OUT_OF_SEQUENCE: { status: status.FAILED_PRECONDITION, retry: 'never' },
  OVERLOADED: { status: status.RESOURCE_EXHAUSTED, retry: 'safe' },
  DISK_FULL: { status: status.RESOURCE_EXHAUSTED, retry: 'safe' },
  OUTCOME_UNKNOWN: { status: status.UNAVAILABLE, retry: 'sameBatch' },
  OFFSET_OUT_OF_RANGE: { status: status.OUT_OF_RANGE, retry: 'never' },
  OFFSET_NOT_RETAINED: { status: status.OUT_OF_RANGE, retry: 'never' },
  MEMBERS_CHANGING: { status: status.FAILED_PRECONDITION, retry: 'safe' },
  NOT_CAUGHT_UP: { status: status.FAILED_PRECONDITION, retry: 'safe' },
  DAMAGED_HERE: { status: status.UNAVAILABLE, retry: 'safe' },
  NOT_PLACED: { status: status.UNAVAILABLE, retry: 'safe' },
  FENCED: { status: status.FAILED_PRECONDITION, retry: 'never' },
  OTHER_DISK: { status: status.FAILED_PRECONDITION, retry: 'never' },
  INVALID_REQUEST: { status: status.INVALID_ARGUMENT, retry: 'never' },
  NO_LEADER: { status: status.UNAVAILABLE, retry: 'safe' },
  DUPLICATE_TOO_OLD: { status: status.FAILED_PRECONDITION, retry: 'never' },
  SHUTTING_DOWN: { status: status.UNAVAILABLE, retry: 'safe' },
  UNREACHABLE: { status: status.UNAVAILABLE, retry: 'sameBatch' },
  TIMED_OUT: { status: status.DEADLINE_EXCEEDED, retry: 'sameBatch' },
  CANCELLED: { status: status.CANCELLED, retry: 'sameBatch' },
  CLOSED: { status: status.FAILED_PRECONDITION, retry: 'never' },
  INTERNAL: { status: status.INTERNAL, retry: 'never' },
};

const NAMES = new Map<number, ErrorReason>(
  Object.entries(Reason).flatMap(([name, value]) => (value === 0 ? [] : [[value, name as ErrorReason] as const])),
);
const METADATA_KEY = 'lograft-error-bin';

export class LograftError extends Error {
  override readonly name = 'LograftError';
  readonly reason: ErrorReason;
  /** "host:port" of the leader, when this is NOT_LEADER and it is known. */
  readonly leaderAddress: string | undefined;

  /** `message`: one line that says what happened, what was kept, and what to do. */
  constructor(reason: ErrorReason, message: string, options: { leaderAddress?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.leaderAddress = options.leaderAddress || undefined;
  }

  /** What may be tried again. */
  get retry(): Retry {
    return FACTS[this.reason].retry;
  }

  /** The gRPC status code. */
  get status(): number {
    return FACTS[this.reason].status;
  }

  /** As it travels in a stream's answers. */
  toMessage(): ErrorMessage {
    const code = (Reason as Readonly<Record<string, number>>)[this.reason] ?? 0;
    return {
      reason: code as ErrorMessage['reason'],
      status: this.status,
      message: this.message,
      leaderAddress: this.leaderAddress ?? '',
    };
  }

  static fromMessage(message: ErrorMessage): LograftError {
    return new LograftError(NAMES.get(message.reason) ?? 'INTERNAL', message.message, { leaderAddress: message.leaderAddress });
  }
}

/** As the status of a failed call. Anything but a LograftError is a defect of ours, and says so. */
export function toStatus(error: unknown): Partial<StatusObject> {
  const known =
    error instanceof LograftError ? error : new LograftError('INTERNAL', `internal error: ${String(error)}`, { cause: error });
  const metadata = new Metadata();
  metadata.set(METADATA_KEY, ErrorCodec.encode(known.toMessage()));
  return { code: known.status, details: known.message, metadata };
}

/** What a failed call meant. */
export function fromServiceError(error: ServiceError, address: string): LograftError {
  const detail = error.metadata?.get(METADATA_KEY)[0];
  if (Buffer.isBuffer(detail)) {
    const message = ErrorCodec.decode(detail);
    if (message.reason !== Reason.REASON_UNSPECIFIED) return LograftError.fromMessage(message);
  }
  const said = `${address}: ${error.details || error.message}`;
  switch (error.code) {
    case status.UNAVAILABLE:
      return new LograftError('UNREACHABLE', said, { cause: error });
    case status.DEADLINE_EXCEEDED:
      return new LograftError('TIMED_OUT', said, { cause: error });
    case status.CANCELLED:
      return new LograftError('CANCELLED', said, { cause: error });
    case status.RESOURCE_EXHAUSTED:
      return new LograftError('INVALID_REQUEST', said, { cause: error });
    default:
      return new LograftError('INTERNAL', said, { cause: error });
  }
}
