/** A node's log with somebody looking on: what it takes, and what it calls durable. */
import type {
  Entry,
  LogBase,
  LogIndex,
  LogPosition,
  RestoredLog,
  Term,
  WriteSequence,
  WriteUnit,
} from '../../../src/raft/types.ts';
import type { LogRecovery, RaftLog, RaftLogEvents } from '../../../src/storage/raft-log.ts';

export interface LogWitness {
  writing(unit: WriteUnit): void;
  written(sequence: WriteSequence): void;
}

/** The events to open the log with, so that the witness hears first. */
export function witnessedEvents(events: RaftLogEvents, witness: LogWitness): RaftLogEvents {
  return {
    ...events,
    onWritten: (sequence: WriteSequence, term: Term) => {
      witness.written(sequence);
      events.onWritten(sequence, term);
    },
  };
}

export class ObservedLog implements RaftLog {
  readonly #log: RaftLog;
  readonly #witness: LogWitness;

  constructor(log: RaftLog, witness: LogWitness) {
    this.#log = log;
    this.#witness = witness;
  }

  get restored(): RestoredLog {
    return this.#log.restored;
  }

  get recovery(): LogRecovery {
    return this.#log.recovery;
  }

  get base(): LogBase {
    return this.#log.base;
  }

  get firstIndex(): LogIndex {
    return this.#log.firstIndex;
  }

  get lastIndex(): LogIndex {
    return this.#log.lastIndex;
  }

  write(unit: WriteUnit): void {
    this.#witness.writing(unit);
    this.#log.write(unit);
  }

  read(first: LogIndex, last: LogIndex, maxBytes: number): readonly Entry[] | Promise<readonly Entry[]> {
    return this.#log.read(first, last, maxBytes);
  }

  trim(base: LogBase): Promise<void> {
    return this.#log.trim(base);
  }

  damaged(): readonly LogPosition[] {
    return this.#log.damaged();
  }

  repair(entry: Entry): Promise<void> {
    return this.#log.repair(entry);
  }

  hasRoomFor(bytes: number): boolean {
    return this.#log.hasRoomFor(bytes);
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}
