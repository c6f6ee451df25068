/** Plans followed over a cluster that changes leaders, loses answers and takes its time. */
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addPlan } from '../../../src/cli/group/add-member.ts';
import { CatchUpMeter, catchUpLine } from '../../../src/cli/group/catch-up.ts';
import type { Plan } from '../../../src/cli/group/plan.ts';
import { GroupProgress } from '../../../src/cli/group/progress.ts';
import { removePlan } from '../../../src/cli/group/remove-member.ts';
import { replacePlan } from '../../../src/cli/group/replace-member.ts';
import { PlanRun } from '../../../src/cli/group/run.ts';
import { type GroupState, votersOf } from '../../../src/cli/group/state.ts';
import { LograftClient } from '../../../src/client/index.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import { FakeCluster, sleep } from '../client/fake-cluster.ts';

let cluster: FakeCluster;
let client: LograftClient;
let output: PassThrough;
let n4: { node: string; address: string };
const FLAGS = { router: ['127.0.0.1:8080'], timeout: 20 };

beforeEach(async () => {
  cluster = await FakeCluster.start(3, 1);
  client = await LograftClient.connect({ routers: [cluster.routerAddress] });
  output = new PassThrough();
  n4 = { node: 'n4', address: cluster.nodes[3]?.address ?? '' };
});

afterEach(async () => {
  await client.close();
  await cluster.stop();
});

function follow(plan: Plan, timeoutMs = 20_000, signal = new AbortController().signal): Promise<GroupState> {
  return new PlanRun(client, 'g1', plan, { timeoutMs, signal, progress: new GroupProgress(output) }).finish();
}

const add = (): Plan => addPlan('n4', { ...FLAGS, address: n4.address });
const shown = (): string => String(output.read() ?? '');

/** Refuses, each once and in this order, whatever is asked. */
function refuseOnce(...errors: LograftError[]): void {
  cluster.members.refusal = () => errors.shift();
}

describe('a plan', () => {
  it('adds a member that has to get the log first, and tells how far it is', async () => {
    cluster.members.learnerLag = 1_000;
    expect(votersOf(await follow(add()))).toEqual(['n1', 'n2', 'n3', 'n4']);
    expect(cluster.members.changes).toEqual([
      { addLearners: [n4], promote: [], remove: [] },
      { addLearners: [], promote: ['n4'], remove: [] },
    ]);
    expect(shown()).toMatch(/^n4 becomes a learner\nn4 gets the log: \d+ entries behind .*\nn4 gets its vote\n$/);
    await follow(add());
    expect(cluster.members.changes).toHaveLength(2);
  });

  it('bears refusals that pass, and answers that get lost', async () => {
    refuseOnce(
      new LograftError('MEMBERS_CHANGING', 'another change is under way'),
      new LograftError('OUTCOME_UNKNOWN', 'n1 lost the leadership'),
      new LograftError('NOT_CAUGHT_UP', 'n4 has not caught up'),
    );
    expect(votersOf(await follow(add()))).toContain('n4');
  });

  it('goes on with the next leader', async () => {
    cluster.members.learnerLag = 2_000;
    const adding = follow(add());
    while (!cluster.members.nodes.includes('n4')) await sleep(10);
    await cluster.nodes[cluster.leader]?.stop();
    await sleep(300);
    cluster.move();
    expect(votersOf(await adding)).toContain('n4');
    expect(cluster.leader).toBe(1);
  });

  it('removes the leader itself', async () => {
    const state = await follow(removePlan('n1', FLAGS));
    expect([state.leader, votersOf(state)]).toEqual(['n2', ['n2', 'n3']]);
    expect(shown()).toBe('n1 leaves\nwarning: n2, n3 alone: when one of them fails, nothing can be written\n');
  });

  it('replaces a member in one step', async () => {
    await follow(replacePlan('n3', { ...FLAGS, with: 'n4', address: n4.address }));
    expect(cluster.members.changes.at(-1)).toEqual({ addLearners: [], promote: ['n4'], remove: ['n3'] });
    expect(cluster.members.voters).toEqual(['n1', 'n2', 'n4']);
  });

  it('replaces a member whose disk was wiped, and no other', async () => {
    await follow(replacePlan('n3', FLAGS));
    expect(cluster.members.changes).toEqual([]);
    cluster.members.wiped.add('n3');
    cluster.members.learnerLag = 500;
    await follow(replacePlan('n3', FLAGS));
    const address = cluster.nodes[2]?.address;
    expect(cluster.members.changes).toEqual([
      { addLearners: [], promote: [], remove: ['n3'] },
      { addLearners: [{ node: 'n3', address }], promote: [], remove: [] },
      { addLearners: [], promote: ['n3'], remove: [] },
    ]);
    expect(cluster.members.voters).toEqual(['n1', 'n2', 'n3']);
  });

  it('takes no vote away when it cannot be told whether the disk was wiped', async () => {
    refuseOnce(new LograftError('INVALID_REQUEST', 'nobody introduces itself at host:3: start n3 first. Nothing was changed'));
    const failure = follow(replacePlan('n3', FLAGS));
    await expect(failure).rejects.toThrow(/start n3 first. Nothing was changed. As last seen, n3 votes in g1. To go on: /);
    expect(cluster.members.changes).toEqual([]);
  });

  it('stops when interrupted, and says what is kept and how to go on', async () => {
    cluster.members.learnerLag = 1_000;
    cluster.members.learnsPerLook = 0;
    const interrupt = new AbortController();
    const adding = follow(add(), 20_000, interrupt.signal);
    let told = '';
    while (!told.includes('n4 gets the log')) {
      await sleep(10);
      told += shown();
    }
    interrupt.abort();
    const resume = `lograft group add-member n4 --address ${n4.address}`;
    const message = `interrupted. As last seen, n4 is a learner of g1 and goes on getting the log. To go on: ${resume}`;
    await expect(adding).rejects.toMatchObject({ message, exitCode: 130 });
    cluster.members.learnsPerLook = 1_000;
    expect(votersOf(await follow(add()))).toContain('n4');
  });

  it('does not call undone what was not answered', async () => {
    const interrupt = new AbortController();
    cluster.members.refusal = () => {
      interrupt.abort();
      return new LograftError('OUTCOME_UNKNOWN', 'n1 lost the leadership');
    };
    const message =
      /^interrupted. As last seen, n4 is no member of g1, and this may still happen: n4 becomes a learner. To go on: /;
    await expect(follow(add(), 20_000, interrupt.signal)).rejects.toThrow(message);
  });

  it('gives up in time, with the reason', async () => {
    cluster.members.learnerLag = 1_000;
    cluster.members.learnsPerLook = 0;
    await expect(follow(add(), 600)).rejects.toThrow(
      /^not done within 0.6 s \(n4 gets the log: 1 000 entries behind.*n4 is a learner/,
    );
    for (const node of cluster.nodes) await node.stop();
    await expect(follow(add(), 500)).rejects.toThrow(/nobody leads g1 at present\). Nothing was changed/);
  });

  it('waits some seconds for members that cannot be reached, and no longer', async () => {
    cluster.members.get('n2').reachable = false;
    const blocked = follow(removePlan('n3', FLAGS));
    await expect(blocked).rejects.toThrow(/1 can be reached and 2 are needed: start n2. As last seen, n3 votes in g1/);
    expect(cluster.members.changes).toEqual([]);
  }, 15_000);
});

describe('catching up', () => {
  it('is told with its rate, and the time that is left at the rate at which the gap closes', () => {
    const meter = new CatchUpMeter();
    expect(meter.take({ atMs: 0, matchIndex: 0, lag: 10_000 })).toEqual({
      behind: 10_000,
      entriesPerSecond: 0,
      secondsLeft: undefined,
    });
    const caught = meter.take({ atMs: 2_000, matchIndex: 4_000, lag: 8_000 });
    expect(caught).toEqual({ behind: 8_000, entriesPerSecond: 2_000, secondsLeft: 8 });
    expect(catchUpLine('n4', caught)).toBe('n4 gets the log: 8 000 entries behind  2 000 entries/s  about 8 s left');
    // Another leader knows nothing yet.
    expect(meter.take({ atMs: 2_500, matchIndex: 0, lag: 12_000 }).secondsLeft).toBeUndefined();
    expect(catchUpLine('n4', { behind: 1, entriesPerSecond: 0, secondsLeft: undefined })).toMatch(/time left not known$/);
    expect(catchUpLine('n4', { behind: 1, entriesPerSecond: 1, secondsLeft: 600 })).toMatch(/about 10 min left$/);
  });
});

describe('progress', () => {
  it('is a line now and then in a pipe', () => {
    let nowMs = 0;
    const progress = new GroupProgress(output, () => nowMs);
    for (nowMs = 0; nowMs < 11_000; nowMs += 1_000) progress.show('catchUp', `at ${nowMs}`);
    progress.show('vote', 'a vote');
    progress.say('stays');
    progress.end();
    expect(shown()).toBe('at 0\nat 5000\nat 10000\na vote\nstays\n');
  });

  it('is one live line on a terminal', () => {
    const progress = new GroupProgress(Object.assign(output, { isTTY: true, columns: 80, rows: 24 }));
    progress.show('catchUp', 'one');
    progress.show('catchUp', 'two');
    progress.end();
    const parts = shown().split('\u001b[2K');
    expect(parts[0]).toContain('one');
    expect(parts.slice(1).join('')).toContain('two');
    expect(parts.at(-1)).not.toContain('two');
  });
});
