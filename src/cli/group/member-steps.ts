/** The single steps of which every change of members consists: each may be repeated, whoever leads by then. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MemberChange } from '../../client/admin.ts';
import { type LograftClient, LograftError } from '../../client/index.ts';
import { CliError } from '../cli-error.ts';
import type { ClientFlags } from '../flags.ts';
import { askCluster } from '../status-command.ts';
import { type GroupView, type MemberView, toStatusView } from '../status-view.ts';
import { chooseGroup } from './choose-group.ts';
import type { StepProgress } from './step-progress.ts';

/** Nothing was done, or it may be asked again without harm: a change that is there already changes nothing. */
const AGAIN = new Set([
  'NOT_LEADER',
  'NO_LEADER',
  'MEMBERS_CHANGING',
  'NOT_CAUGHT_UP',
  'OUTCOME_UNKNOWN',
  'UNREACHABLE',
  'TIMED_OUT',
  'SHUTTING_DOWN',
]);
const POLL_MS = 200;

export class MemberSteps {
  readonly #client: LograftClient;
  readonly #flags: ClientFlags & { readonly group?: string };
  readonly #progress: StepProgress;
  readonly #deadline: number;

  constructor(client: LograftClient, flags: ClientFlags & { readonly group?: string }, progress: StepProgress) {
    this.#client = client;
    this.#flags = flags;
    this.#progress = progress;
    this.#deadline = performance.now() + flags.timeout * 1_000;
  }

  async view(): Promise<GroupView> {
    return chooseGroup(toStatusView(await askCluster(this.#client, this.#flags)).groups, this.#flags.group);
  }

  /** Rejects when the group refuses for good, or does not agree in time. */
  async change(group: string, change: MemberChange, what: string): Promise<void> {
    for (;;) {
      try {
        await this.#client.admin.changeMembers(group, change, { timeoutMs: Math.max(1, this.#leftMs) });
        return;
      } catch (error) {
        if (!(error instanceof LograftError) || !AGAIN.has(error.reason)) throw error;
        if (this.#leftMs <= 0) throw tooLate(what, error.message);
        this.#progress.tell(`${what}: ${error.reason.toLowerCase().replaceAll('_', ' ')}, trying again`);
        await sleep(POLL_MS);
      }
    }
  }

  /** Waits until the learner keeps up with the log. */
  async catchUp(group: string, node: string): Promise<void> {
    for (;;) {
      const member = memberOf(await this.view(), node);
      if (member?.caughtUp) return;
      const behind = member?.lag;
      this.#progress.tell(behind === undefined ? `${node} catches up` : `${node} catches up: ${behind} entries behind`, behind);
      if (this.#leftMs <= 0) throw tooLate(`${node} has not caught up with ${group}`, 'it stays a learner and goes on catching up');
      await sleep(POLL_MS);
    }
  }

  get #leftMs(): number {
    return this.#deadline - performance.now();
  }
}

export function memberOf(view: GroupView, node: string): MemberView | undefined {
  return view.members.find((member) => member.node === node);
}

function tooLate(what: string, why: string): CliError {
  return new CliError(`not in time: ${what} (${why}). Nothing is lost: run the same command again to go on from here`);
}
