/** Follows a plan, step by step and over changes of leader, until it is done, the time is over or somebody interrupts. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MemberChange } from '../../client/admin.ts';
import type { LograftClient } from '../../client/index.ts';
import { LograftError } from '../../rpc/error.ts';
import { CliError, describeFailure } from '../cli-error.ts';
import { CatchUpMeter, catchUpLine } from './catch-up.ts';
import type { Plan, Step } from './plan.ts';
import type { GroupProgress } from './progress.ts';
import { type GroupState, memberOf, readGroup, standing } from './state.ts';

export interface RunOptions {
  readonly timeoutMs: number;
  /** Somebody pressed Ctrl-C. */
  readonly signal: AbortSignal;
  readonly progress: GroupProgress;
}

const LOOK_EVERY_MS = 200;
/** A leader that has just been elected has not heard of everybody yet. */
const BLOCKED_PATIENCE_MS = 5_000;
const INTERRUPTED = 130;

export class PlanRun {
  readonly #client: LograftClient;
  readonly #group: string;
  readonly #plan: Plan;
  readonly #options: RunOptions;
  readonly #deadlineMs: number;
  readonly #accepted: MemberChange[] = [];
  readonly #meter = new CatchUpMeter();
  #state: GroupState | undefined;
  #blockedSinceMs: number | undefined;
  #warned = false;
  /** What the last look or try ended with: the reason to give when the time is over. */
  #waitingFor = '';
  /** A change that was asked for, with no word of how it ended. */
  #unanswered: string | undefined;

  constructor(client: LograftClient, group: string, plan: Plan, options: RunOptions) {
    this.#client = client;
    this.#group = group;
    this.#plan = plan;
    this.#options = options;
    this.#deadlineMs = performance.now() + options.timeoutMs;
  }

  /** Resolves with the group as the plan left it. Rejects with a CliError. */
  async finish(): Promise<GroupState> {
    for (;;) {
      this.#checkTime();
      const state = await this.#look();
      if (state !== undefined) {
        const step = this.#plan.next(state, this.#accepted);
        if (step.type === 'done') return state;
        await this.#take(step, state);
      }
      await sleep(LOOK_EVERY_MS, undefined, { signal: this.#options.signal }).catch(() => {});
    }
  }

  async #look(): Promise<GroupState | undefined> {
    try {
      const state = await readGroup(this.#client, this.#group, { timeoutMs: this.#leftMs(), signal: this.#options.signal });
      if (state === undefined) this.#wait('leader', `nobody leads ${this.#group} at present`);
      else this.#saw(state);
      return state;
    } catch (error) {
      this.#bear(error);
      return undefined;
    }
  }

  async #take(step: Step, state: GroupState): Promise<void> {
    if (step.type === 'catchUp' || step.type === 'wait') this.#blockedSinceMs = undefined;
    switch (step.type) {
      case 'change':
        return this.#change(step, state);
      case 'catchUp':
        return this.#showCatchUp(step.node, state);
      case 'wait':
        return this.#wait('settling', step.why);
      case 'blocked':
        return this.#beBlocked(step.why);
    }
  }

  async #change(step: Extract<Step, { type: 'change' }>, state: GroupState): Promise<void> {
    this.#wait(step.what, step.what);
    if (step.warning !== undefined) this.#warnOnce(step.warning);
    const { signal } = this.#options;
    this.#unanswered = step.what;
    try {
      const members = await this.#client.admin.changeMembers(this.#group, step.change, { timeoutMs: this.#leftMs(), signal });
      this.#accepted.push(step.change);
      this.#saw({ ...state, members });
      this.#blockedSinceMs = undefined;
    } catch (error) {
      if (error instanceof LograftError && error.retry !== 'sameBatch') this.#unanswered = undefined;
      const reason = error instanceof LograftError ? error.reason : undefined;
      if (step.ifRefused !== undefined && reason === step.ifRefused.reason) return this.#take(step.ifRefused.step, state);
      if (reason === 'NOT_CAUGHT_UP') return this.#showCatchUp(this.#plan.subject, state);
      this.#bear(error);
    }
  }

  #showCatchUp(node: string, state: GroupState): void {
    const member = memberOf(state, node);
    if (member === undefined) return;
    const { matchIndex, lag, reachable } = member;
    const caught = this.#meter.take({ atMs: performance.now(), matchIndex, lag });
    const silent = reachable ? '' : `  (${state.leader} hears nothing of ${node}: is it running?)`;
    this.#wait('catchUp', `${catchUpLine(node, caught)}${silent}`);
  }

  #beBlocked(why: string): void {
    const now = performance.now();
    this.#blockedSinceMs ??= now;
    if (now - this.#blockedSinceMs >= BLOCKED_PATIENCE_MS) throw this.#failure(why);
    this.#wait('blocked', why);
  }

  #saw(state: GroupState): void {
    this.#state = state;
    this.#unanswered = undefined;
  }

  #wait(kind: string, why: string): void {
    this.#waitingFor = why;
    this.#options.progress.show(kind, why);
  }

  /** A step that is tried again with another leader warns no second time. */
  #warnOnce(warning: string): void {
    if (!this.#warned) this.#options.progress.say(`warning: ${warning}`);
    this.#warned = true;
  }

  /** What the next leader, or the same one later, may take is not the end. */
  #bear(error: unknown): void {
    if (this.#options.signal.aborted) return;
    const passes = error instanceof LograftError && error.retry !== 'never' && error.reason !== 'DISK_FULL';
    if (!passes) throw this.#failure(describeFailure(error), error);
    this.#wait(error.reason, describeFailure(error));
  }

  #checkTime(): void {
    if (this.#options.signal.aborted) throw this.#failure('interrupted', undefined, INTERRUPTED);
    if (performance.now() < this.#deadlineMs) return;
    const seconds = this.#options.timeoutMs / 1_000;
    throw this.#failure(`not done within ${seconds} s${this.#waitingFor === '' ? '' : ` (${this.#waitingFor})`}`);
  }

  #leftMs(): number {
    return Math.max(1, this.#deadlineMs - performance.now());
  }

  #failure(what: string, cause?: unknown, exitCode = 1): CliError {
    const kept = this.#state === undefined ? 'Nothing was changed' : `As last seen, ${standing(this.#state, this.#plan.subject)}`;
    const open = this.#unanswered === undefined ? '' : `, and this may still happen: ${this.#unanswered}`;
    return new CliError(`${what.replace(/\.$/, '')}. ${kept}${open}. To go on: ${this.#plan.resume()}`, { cause, exitCode });
  }
}
