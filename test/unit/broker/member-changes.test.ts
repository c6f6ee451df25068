/** What an operator asks for, as the change that the core is given. */
import { expect, it } from 'vitest';
import type { Group } from '../../../src/broker/group.ts';
import { changeMembers } from '../../../src/broker/member-changes.ts';
import type { Configuration, Member } from '../../../src/raft/configuration.ts';
import type { NodeId } from '../../../src/raft/types.ts';
import type { ChangeMembersRequest } from '../../../src/rpc/generated/lograft/v1/ChangeMembersRequest.ts';

const [n1, n2, n3, n4] = ['n1', 'n2', 'n3', 'n4'] as [NodeId, NodeId, NodeId, NodeId];
const member = (id: NodeId, disk = `disk of ${id}`): Member => ({ id, address: `${id}:1`, disk });

function leader(members: readonly Member[], voters: readonly NodeId[]) {
  const changes: Pick<Configuration, 'members' | 'voters'>[] = [];
  const replica = {
    configuration: { members, voters, outgoing: [] as NodeId[] },
    settled: true,
    changeMembership: (nextMembers: readonly Member[], nextVoters: readonly NodeId[]) => {
      changes.push({ members: nextMembers, voters: nextVoters });
      replica.configuration = { members: nextMembers, voters: nextVoters, outgoing: [] };
      return { accepted: true };
    },
    whenSettled: () => undefined,
  };
  const group = { name: 'g1', self: 'n1', leads: true, replica } as unknown as Group;
  const ask = (change: Partial<ChangeMembersRequest>, disk: string): Promise<void> =>
    changeMembers({ group: 'g1', addLearners: [], promote: [], remove: [], ...change }, group, {
      introduce: async (_group, address) => ({ node: address.slice(0, 2), disk }),
    });
  return { ask, changes };
}

const again = (id: NodeId) => ({ addLearners: [{ node: id, address: `${id}:1` }] });

it('refuses a new disk for a voter with a reason of its own, and leaves one that has its disk as it is', async () => {
  const { ask, changes } = leader(
    [n1, n2, n3].map((id) => member(id)),
    [n1, n2, n3],
  );
  await expect(ask(again(n3), 'another')).rejects.toMatchObject({ reason: 'OTHER_DISK', retry: 'never' });
  await ask(again(n3), 'disk of n3');
  expect(changes).toEqual([]);
});

it('gives a learner its new disk', async () => {
  const { ask, changes } = leader([member(n1), member(n4)], [n1]);
  await ask(again(n4), 'another');
  expect(changes).toEqual([{ members: [member(n1), member(n4, 'another')], voters: [n1] }]);
});

it('takes the operator at his word: who was to get its vote back is a learner like any other then', async () => {
  const { ask, changes } = leader([member(n1), { ...member(n4), returning: true }], [n1]);
  await ask(again(n4), 'disk of n4');
  expect(changes).toEqual([{ members: [member(n1), member(n4)], voters: [n1] }]);
});
