/** Proposals on their way: what comes in one turn of the event loop enters the core as one, and each learns how it ended. */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Effects } from '../raft/effects.ts';
import type { Proposal } from '../raft/inputs.ts';
import { type LogIndex, logIndex, type Term } from '../raft/types.ts';
import { type OnOutcome, PendingProposals } from './pending-proposals.ts';

/** Why a proposal was refused: nothing was done. */
export type Refusal = 'notLeader' | 'transferring' | 'busy' | 'diskFull' | 'stopped';

interface QueuedProposal<Result> {
  readonly proposal: Proposal;
  readonly onOutcome: OnOutcome<Result>;
  readonly onRefused: (reason: Refusal) => void;
}

export interface ProposalsOptions {
  readonly clock: Clock;
  readonly term: () => Term;
  readonly hasRoomFor: (payloadBytes: number) => boolean;
  /** Gives them to the core, and calls `beforehand` with its answer before anything is carried out. Returns undefined when the replica has stopped. */
  readonly enter: (term: Term, proposals: readonly Proposal[], beforehand: (effects: Effects) => void) => Effects | undefined;
}

export class Proposals<Result> {
  readonly #options: ProposalsOptions;
  readonly #pending = new PendingProposals<Result>();
  #queued: QueuedProposal<Result>[] = [];
  #stopped = false;

  constructor(options: ProposalsOptions) {
    this.#options = options;
  }

  /** Exactly one of the two callbacks is called. */
  add(proposal: Proposal, onOutcome: OnOutcome<Result>, onRefused: (reason: Refusal) => void): void {
    if (this.#stopped) return onRefused('stopped');
    this.#queued.push({ proposal, onOutcome, onRefused });
    if (this.#queued.length === 1) this.#options.clock.soon(() => this.#enterQueued());
  }

  applied(index: LogIndex, term: Term, result: Result): void {
    this.#pending.applied(index, term, result);
  }

  /** Leadership is lost. */
  abandon(): void {
    this.#pending.abandon();
  }

  stop(): void {
    this.#stopped = true;
    refuse(this.#queued.splice(0), 'stopped');
    this.#pending.abandon();
  }

  #enterQueued(): void {
    const queued = this.#queued;
    this.#queued = [];
    if (queued.length === 0) return;
    const { term: termNow, hasRoomFor, enter } = this.#options;
    const bytes = queued.reduce((sum, { proposal }) => sum + proposal.payload.length, 0);
    if (!hasRoomFor(bytes)) return refuse(queued, 'diskFull');
    const term = termNow();
    const proposals = queued.map(({ proposal }) => proposal);
    const effects = enter(term, proposals, (answer) => this.#entered(queued, term, answer));
    if (effects === undefined) refuse(queued, 'stopped');
  }

  #entered(queued: readonly QueuedProposal<Result>[], term: Term, { proposed }: Effects): void {
    assert(proposed !== undefined, 'a proposal is answered at once');
    if (!proposed.accepted) return refuse(queued, proposed.reason === 'staleTerm' ? 'notLeader' : proposed.reason);
    for (const [at, { onOutcome }] of queued.entries()) this.#pending.add(logIndex(proposed.firstIndex + at), term, onOutcome);
  }
}

function refuse<Result>(queued: readonly QueuedProposal<Result>[], reason: Refusal): void {
  for (const { onRefused } of queued) onRefused(reason);
}
