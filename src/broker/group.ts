/** What the services need of a group's replica: propose and get the result, or a clear error. */
import type { Clock, Timer } from '../base/clock.ts';
import type { Member } from '../raft/configuration.ts';
import type { NodeId } from '../raft/types.ts';
import type { Refusal } from '../replica/proposals.ts';
import type { Replica } from '../replica/replica.ts';
import { LograftError } from '../rpc/error.ts';
import type { CommandInput } from '../rpc/generated/lograft/internal/v1/Command.ts';
import { CommandCodec } from '../rpc/protos.ts';
import type { ApplyResult, BrokerState } from './broker-state.ts';
import { KIND_BATCH, KIND_COMMAND } from './entry-kinds.ts';

/** Longest wait of a new leader for what was committed before it, ms. It takes one round trip; above this something is wrong. */
const CATCH_UP_TIMEOUT_MS = 5_000;

export class Group {
  readonly name: string;
  readonly self: NodeId;
  readonly state: BrokerState;
  readonly replica: Replica<ApplyResult>;
  readonly #clock: Clock;

  constructor(name: string, self: NodeId, state: BrokerState, replica: Replica<ApplyResult>, clock: Clock) {
    this.#clock = clock;
    this.name = name;
    this.self = self;
    this.state = state;
    this.replica = replica;
  }

  get members(): readonly Member[] {
    return this.replica.configuration.members;
  }

  get leads(): boolean {
    return this.replica.status.role === 'leader';
  }

  addressOf(node: NodeId | undefined): string | undefined {
    return this.members.find(({ id }) => id === node)?.address;
  }

  /** Proposes a checked batch; exactly one of the callbacks is called, later. */
  appendBatch(batch: Uint8Array, onAppended: (baseOffset: number) => void, onError: (error: LograftError) => void): void {
    this.#propose(KIND_BATCH, batch, onError, (result) => {
      if (result.type === 'appended') onAppended(result.baseOffset);
      else onError(unexpected(result));
    });
  }

  /** Proposes a command; rejects with a LograftError. */
  command(command: CommandInput): Promise<ApplyResult> {
    return new Promise((resolve, reject) => this.#propose(KIND_COMMAND, CommandCodec.encode(command), reject, resolve));
  }

  /** Waits until everything is applied here that was acknowledged anywhere before now. Rejects with NO_LEADER. */
  async whenLinearizable(): Promise<void> {
    const index = await this.replica.readIndex(CATCH_UP_TIMEOUT_MS);
    if (index === undefined) {
      const why = `no leader of group ${this.name} answered within ${CATCH_UP_TIMEOUT_MS} ms`;
      throw new LograftError('NO_LEADER', `${why}: try again, or read what is committed here (COMMITTED_LOCAL)`);
    }
    if (!(await this.replica.whenApplied(index))) throw this.#stopping();
  }

  /** A new leader answers nothing about the state before it has applied all that was committed before it. */
  async whenCaughtUp(): Promise<void> {
    if (this.replica.caughtUp) return;
    let timer: Timer | undefined;
    const timeout = new Promise<never>((_, reject) => {
      const error = new LograftError('NO_LEADER', `node ${this.self} leads but cannot reach a quorum: try again`);
      timer = this.#clock.after(CATCH_UP_TIMEOUT_MS, () => reject(error));
    });
    await Promise.race([this.replica.whenCaughtUp(), timeout]).finally(() => timer?.cancel());
    // A replica that stops lets everybody go, whether they have what they waited for or not.
    if (!this.replica.caughtUp) throw this.#stopping();
  }

  notLeader(): LograftError {
    const { leader } = this.replica.status;
    const known = leader === undefined || leader === this.self ? undefined : leader;
    const hint = known === undefined ? 'no leader is known, try again soon' : `ask ${known} at ${this.addressOf(known)}`;
    const options = { leaderAddress: this.addressOf(known) };
    return new LograftError('NOT_LEADER', `node ${this.self} does not lead group ${this.name}: ${hint}`, options);
  }

  #propose(
    kind: number,
    payload: Uint8Array,
    onError: (error: LograftError) => void,
    onResult: (result: Exclude<ApplyResult, { type: 'refused' }>) => void,
  ): void {
    this.replica.propose(
      { kind, payload },
      (outcome) => {
        if (outcome.type === 'unknown') onError(this.#outcomeUnknown());
        else if (outcome.result.type === 'refused') onError(new LograftError(outcome.result.reason, outcome.result.message));
        else onResult(outcome.result);
      },
      (reason) => onError(this.#refused(reason)),
    );
  }

  #outcomeUnknown(): LograftError {
    return new LograftError(
      'OUTCOME_UNKNOWN',
      `node ${this.self} lost the leadership of ${this.name} before the write was committed; it may be yet`,
    );
  }

  #refused(reason: Refusal): LograftError {
    switch (reason) {
      case 'notLeader':
        return this.notLeader();
      case 'transferring':
        return new LograftError(
          'NOT_LEADER',
          `node ${this.self} is handing over the leadership of group ${this.name}: try again soon`,
        );
      case 'busy':
        return new LograftError(
          'OVERLOADED',
          `group ${this.name} has too much uncommitted: nothing was written, try again after a pause`,
        );
      case 'diskFull':
        return new LograftError(
          'DISK_FULL',
          `the disk of node ${this.self} is full: nothing was written, all that was stored is kept and readable; free space and try again`,
        );
      case 'stopped':
        return this.#stopping();
    }
  }

  #stopping(): LograftError {
    return new LograftError('SHUTTING_DOWN', `node ${this.self} is shutting down: nothing was done, try another node`);
  }
}

function unexpected(result: ApplyResult): LograftError {
  return new LograftError('INTERNAL', `a batch was applied as ${result.type}`);
}
