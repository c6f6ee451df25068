import { describe, expect, it } from 'vitest';
import { logIndex, term } from '../../../src/raft/types.ts';
import { type GroupMessage, openParcel, packParcel } from '../../../src/replica/parcel.ts';
import { PeerService } from '../../../src/rpc/protos.ts';

const { requestSerialize, requestDeserialize } = PeerService.Deliver;
const heartbeat = (group: string, at: number): GroupMessage => ({
  group,
  message: { type: 'heartbeat', term: term(at), round: at + 1, commitIndex: logIndex(at + 2) },
});
const response = (group: string, at: number): GroupMessage => ({
  group,
  message: { type: 'heartbeatResponse', term: term(at), round: at + 1, fit: at % 2 === 0 },
});
const vote: GroupMessage = { group: 'g7', message: { type: 'voteGranted', term: term(3) } };

function overTheWire(messages: readonly GroupMessage[]): GroupMessage[] {
  return openParcel(requestDeserialize(requestSerialize(packParcel(messages))));
}

describe('messages that leave together', () => {
  it.each([
    ['one', [heartbeat('g1', 5)]],
    ['heartbeats of many groups', [1, 2, 3].map((at) => heartbeat(`g${at}`, at))],
    ['everything', [vote, heartbeat('g1', 1), heartbeat('g2', 2), response('g3', 3), response('g4', 4)]],
  ])('%s: come as they were, each for its group', (_, messages) => {
    expect(overTheWire(messages)).toEqual(messages);
  });

  it('are refused when they do not belong together', () => {
    const torn = { parcel: { heartbeats: { groups: ['g1', 'g2'], terms: [1], rounds: [1, 2], commitIndexes: [0, 0] } } };
    expect(() => openParcel(requestDeserialize(requestSerialize(torn)))).toThrow(/different lengths/);
  });
});
