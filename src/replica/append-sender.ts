/** Carries out a leader's orders to replicate: reads the entries and sends them, for each follower in the order given. */

import type { Clock } from '../base/clock.ts';
import { toError } from '../base/to-error.ts';
import type { Replicate, Status } from '../raft/effects.ts';
import type { AppendRequest } from '../raft/messages.ts';
import { type Entry, logIndex, type NodeId } from '../raft/types.ts';
import type { RaftLog } from '../storage/raft-log.ts';
import { isDamagedEntry, isTrimmed } from './log-errors.ts';

export interface AppendSenderOptions {
  readonly log: RaftLog;
  readonly clock: Clock;
  readonly maxAppendBytes: number;
  /** For followers that are far behind, each. */
  readonly catchUpBytesPerSecond: number;
  readonly status: () => Status;
  readonly send: (to: NodeId, message: AppendRequest) => void;
  /** The disk has damaged what was to be sent. */
  readonly onDamaged: () => void;
  readonly onFailed: (error: Error) => void;
}

export class AppendSender {
  readonly #options: AppendSenderOptions;
  /** Per follower: reads from the disk under way, so that appends leave in order. */
  readonly #sending = new Map<NodeId, Promise<void>>();
  /** Followers that catch up, and whose next message is held back. */
  readonly #paced = new Set<NodeId>();
  #stopped = false;

  constructor(options: AppendSenderOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
  }

  replicate(order: Replicate): void {
    // Repeated while it was held back for the sake of live traffic: it is on its way all the same, and a queue of repeats would never end.
    if (!order.exact && this.#paced.has(order.to)) return;
    const before = this.#sending.get(order.to);
    if (order.lastIndex === order.previousIndex && before === undefined) return this.#send(order, []);
    const entries = before === undefined ? this.#read(order) : before.then(() => this.#read(order));
    if (!(entries instanceof Promise)) return this.#send(order, entries);
    const sending = entries
      .then((loaded) => this.#pace(order, loaded))
      .then((loaded) => this.#send(order, loaded))
      .catch((error) => this.#failed(error))
      .finally(() => {
        if (this.#sending.get(order.to) === sending) this.#sending.delete(order.to);
      });
    this.#sending.set(order.to, sending);
  }

  #read(order: Replicate): readonly Entry[] | Promise<readonly Entry[]> {
    const { log, maxAppendBytes } = this.#options;
    // What waited its turn finds another leader's log, or a closed one, when things have changed meanwhile.
    if (!this.#stillLeads(order) || order.lastIndex === order.previousIndex) return [];
    const mostBytes = order.exact ? Number.MAX_SAFE_INTEGER : maxAppendBytes;
    return log.read(logIndex(order.previousIndex + 1), order.lastIndex, mostBytes);
  }

  /** A follower that catches up shares the leader's disk and network with live traffic. */
  #pace(order: Replicate, entries: readonly Entry[]): readonly Entry[] | Promise<readonly Entry[]> {
    if (order.exact || entries.length === 0) return entries;
    const { clock, catchUpBytesPerSecond } = this.#options;
    const bytes = entries.reduce((sum, { payload }) => sum + payload.length, 0);
    this.#paced.add(order.to);
    return new Promise((resolve) =>
      clock.after((bytes * 1_000) / catchUpBytesPerSecond, () => {
        this.#paced.delete(order.to);
        resolve(entries);
      }),
    );
  }

  #send(order: Replicate, entries: readonly Entry[]): void {
    if (!this.#stillLeads(order)) return;
    const { to, term, request, previousIndex, previousTerm, commitIndex } = order;
    // A damaged entry ended the read early: what the order promised as a whole is left out as a whole.
    if (order.exact && entries.length < order.lastIndex - previousIndex) return this.#options.onDamaged();
    this.#options.send(to, { type: 'appendRequest', term, request, previousIndex, previousTerm, commitIndex, entries });
  }

  /** A leader replaces nothing of its log while it leads; once it no longer does, what is read may be somebody else's. */
  #stillLeads(order: Replicate): boolean {
    const { role, term } = this.#options.status();
    return !this.#stopped && role === 'leader' && term === order.term;
  }

  #failed(error: unknown): void {
    // What is not sent counts as lost: the core asks again, or offers the snapshot, when it notices.
    if (isTrimmed(error)) return;
    if (isDamagedEntry(error)) return this.#options.onDamaged();
    this.#options.onFailed(toError(error));
  }
}
