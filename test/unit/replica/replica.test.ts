import pino from 'pino';
import { expect, test } from 'vitest';
import type { RestoredLog } from '../../../src/raft/types.ts';
import { logIndex, type NodeId, type Term, term } from '../../../src/raft/types.ts';
import { Replica, type ReplicaOptions } from '../../../src/replica/replica.ts';
import { DEFAULTS, founding, restored, SeededRandom, voterIds } from '../raft/shell.ts';

const voters = voterIds(3);

function start(appliedIndex: number, log: RestoredLog): Replica<unknown> {
  const timer = { cancel: () => {} };
  const options = {
    config: { ...DEFAULTS, id: voters[0] as NodeId, ...founding(voters) },
    log: { restored: log, lastIndex: log.lastIndex, base: log.base, damaged: () => [] },
    network: { setMembers: () => {} },
    snapshots: { list: () => [] },
    stateMachine: { appliedIndex },
    clock: { nowMs: () => 0, wallMs: () => 0, after: () => timer, soon: () => {} },
    random: new SeededRandom(1),
    logger: pino({ enabled: false }),
    catchUpBytesPerSecond: 1,
    onStatus: () => {},
    onFailed: () => {},
  };
  return new Replica(options as unknown as ReplicaOptions<unknown>);
}

/** Up to index 21 of term 8. */
function cutLog(floor: RestoredLog['floor']): RestoredLog {
  const runs = [{ term: term(8), firstIndex: logIndex(1) }];
  return { ...restored({ term: term(11), vote: undefined }, 21, runs), floor };
}

test('a log that lost its end twice: the floor of the newer term is the shorter one, and the state is ahead of both', () => {
  expect(start(690, cutLog({ index: logIndex(22), term: 9 as Term })).appliedIndex).toBe(690);
});

test('a whole log is never behind the state', () => {
  expect(() => start(22, cutLog(undefined))).toThrow('the state machine is never ahead of the log');
});
