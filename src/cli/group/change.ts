/** What the commands that change members have in common: a client, Ctrl-C, progress, and the line at the end. */

import { askCluster } from '../status-command.ts';
import { toStatusView } from '../status-view.ts';
import { timeoutOf, withClient } from '../with-client.ts';
import { chooseGroup } from './choice.ts';
import type { GroupFlags } from './flags.ts';
import { failuresTolerated, type Plan } from './plan.ts';
import { GroupProgress } from './progress.ts';
import { PlanRun } from './run.ts';
import { type GroupState, votersOf } from './state.ts';

export async function changeGroup(flags: GroupFlags, plan: Plan): Promise<void> {
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort();
  // A second one ends the program at once, as ever.
  process.once('SIGINT', onInterrupt);
  const progress = new GroupProgress();
  try {
    const state = await withClient(flags, async (client) => {
      const { group } = chooseGroup(toStatusView(await askCluster(client, flags)).groups, flags.group);
      return new PlanRun(client, group, plan, { ...timeoutOf(flags), signal: interrupt.signal, progress }).finish();
    });
    progress.end();
    process.stdout.write(`${whoVotes(state)}\n`);
    const note = noteOn(votersOf(state).length);
    if (note !== undefined) process.stderr.write(`${note}\n`);
  } finally {
    progress.end();
    process.off('SIGINT', onInterrupt);
  }
}

export function whoVotes(state: GroupState): string {
  const voters = votersOf(state);
  const learners = state.members.filter(({ voter }) => !voter).map(({ node }) => node);
  const learning = learners.length === 0 ? '' : `; learners ${learners.join(', ')}`;
  return `group ${state.group}: voters ${voters.join(', ')}${learning}`;
}

export function noteOn(voters: number): string | undefined {
  if (voters % 2 === 1) return undefined;
  const failures = failuresTolerated(voters);
  const tolerated = failures === 0 ? 'no failure' : failures === 1 ? 'one failure' : `${failures} failures`;
  return `note: ${voters} voters tolerate ${tolerated}, no more than ${voters - 1} would`;
}
