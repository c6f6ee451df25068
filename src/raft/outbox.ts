/** Gathers what one step wants done. */
import type { Effects, MembershipResult, ProposeResult, ReadAnswer, Replicate, SnapshotSource, Status } from './effects.ts';
import type { AttestingMessage, FreeMessage } from './messages.ts';
import type { LogIndex, NodeId, WriteSequence, WriteUnit } from './types.ts';

export class Outbox {
  readonly #send: { readonly to: NodeId; readonly message: FreeMessage }[] = [];
  readonly #sendAfterWrite: { readonly after: WriteSequence; readonly to: NodeId; readonly message: AttestingMessage }[] = [];
  readonly #replicate: Replicate[] = [];
  readonly #reads: ReadAnswer[] = [];
  proposed: ProposeResult | undefined;
  membership: MembershipResult | undefined;
  fetchSnapshot: SnapshotSource | undefined;

  send(to: NodeId, message: FreeMessage): void {
    this.#send.push({ to, message });
  }

  /** For what says that this node's disk holds something: never before unit `after` is durable. */
  sendAfterWrite(after: WriteSequence, to: NodeId, message: AttestingMessage): void {
    this.#sendAfterWrite.push({ after, to, message });
  }

  replicate(order: Replicate): void {
    this.#replicate.push(order);
  }

  answerRead(read: number, index: LogIndex | undefined): void {
    this.#reads.push({ read, index });
  }

  close(write: WriteUnit | undefined, commitIndex: LogIndex | undefined, status: Status | undefined): Effects {
    return {
      write,
      send: this.#send,
      sendAfterWrite: this.#sendAfterWrite,
      replicate: this.#replicate,
      commitIndex,
      status,
      proposed: this.proposed,
      membership: this.membership,
      reads: this.#reads,
      fetchSnapshot: this.fetchSnapshot,
    };
  }
}
