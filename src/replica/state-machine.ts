import type { Entry, LogIndex } from '../raft/types.ts';

/** What a group replicates. Fed committed entries in order, each once in its life (again after a restart, from its own applied index on). */
export interface StateMachine<Result> {
  /** Last entry whose effect it holds; after a restart, what it had made durable. */
  readonly appliedIndex: LogIndex;
  /** Same entries, same state, same results on every replica. Must not throw: an exception halts the replica. */
  apply(entry: Entry): Result;
  /** Takes the state of a snapshot in place of its own, which is older. Durable when it resolves; after a crash in between it is done again. */
  restore(parts: AsyncIterable<Buffer>): Promise<void>;
  /** Set while it has taken more than it could store: applying goes on when it resolves. */
  waitForRoom(): Promise<void> | undefined;
}
