import { describe, expect, it } from 'vitest';
import type { PeerMessage } from '../../../src/raft/messages.ts';
import { logIndex, nodeId, term } from '../../../src/raft/types.ts';
import { fromEnvelope, toEnvelope } from '../../../src/replica/envelope.ts';
import { PeerService } from '../../../src/rpc/protos.ts';

const position = { term: term(3), lastIndex: logIndex(7), lastTerm: term(2) };
const entry = { term: term(3), index: logIndex(8), kind: 16, payload: Buffer.from('payload') };

const MESSAGES: PeerMessage[] = [
  { type: 'preVoteRequest', ...position, deadLeader: undefined },
  { type: 'preVoteRequest', ...position, deadLeader: nodeId('n2') },
  { type: 'preVoteResponse', term: term(3), granted: true },
  { type: 'voteRequest', ...position, transfer: true },
  { type: 'voteGranted', term: term(3) },
  { type: 'voteRefused', term: term(4) },
  {
    type: 'appendRequest',
    term: term(3),
    request: 9,
    previousIndex: logIndex(7),
    previousTerm: term(2),
    commitIndex: logIndex(6),
    entries: [entry],
  },
  {
    type: 'appendRequest',
    term: term(3),
    request: 9,
    previousIndex: logIndex(0),
    previousTerm: term(0),
    commitIndex: logIndex(0),
    entries: [],
  },
  { type: 'appendAccepted', term: term(3), request: 9, matchIndex: logIndex(8) },
  { type: 'appendRejected', term: term(3), request: 9, previousIndex: logIndex(7), hintIndex: logIndex(5), hintTerm: term(1) },
  { type: 'heartbeat', term: term(3), round: 4, commitIndex: logIndex(8) },
  { type: 'heartbeatResponse', term: term(3), round: 4, fit: true },
  { type: 'timeoutNow', term: term(3) },
  { type: 'snapshotOffer', term: term(3), request: 9, index: logIndex(6), indexTerm: term(2) },
  { type: 'readRequest', term: term(3), read: 77 },
  { type: 'readResponse', term: term(3), read: 77, index: logIndex(8) },
];

function overTheWire(message: PeerMessage): PeerMessage {
  return fromEnvelope(PeerService.Deliver.requestDeserialize(PeerService.Deliver.requestSerialize(toEnvelope('g1', message))));
}

describe('peer messages on the wire', () => {
  it.each(MESSAGES.map((message) => [message.type, message] as const))('%s comes back as it was', (_, message) => {
    expect(overTheWire(message)).toEqual(message);
  });

  it('refuses entries that do not follow one another', () => {
    const request = MESSAGES.find(({ type }) => type === 'appendRequest') as Extract<PeerMessage, { type: 'appendRequest' }>;
    expect(() => overTheWire({ ...request, entries: [{ ...entry, index: logIndex(9) }] })).toThrow(/does not fit/);
    expect(() => overTheWire({ ...request, entries: [{ ...entry, term: term(4) }] })).toThrow(/does not fit/);
  });
});
