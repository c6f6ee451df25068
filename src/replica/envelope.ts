/** Peer messages on the wire. What arrives is checked here, so that the core may trust numbers and names. */

import type { PeerMessage } from '../raft/messages.ts';
import { type Entry, isNodeId, logIndex, type NodeId, term } from '../raft/types.ts';
import type { Entry as WireEntry } from '../rpc/generated/lograft/internal/v1/Entry.ts';
import type { Envelope, EnvelopeInput } from '../rpc/generated/lograft/internal/v1/Envelope.ts';

export function toEnvelope(group: string, message: PeerMessage): EnvelopeInput {
  switch (message.type) {
    case 'preVoteRequest':
      return { group, preVoteRequest: { ...message, deadLeader: message.deadLeader ?? '' } };
    case 'preVoteResponse':
      return { group, preVoteResponse: message };
    case 'voteRequest':
      return { group, voteRequest: message };
    case 'voteGranted':
      return { group, voteGranted: message };
    case 'voteRefused':
      return { group, voteRefused: message };
    case 'appendRequest':
      return { group, appendRequest: { ...message, entries: message.entries as unknown as WireEntry[] } };
    case 'appendAccepted':
      return { group, appendAccepted: message };
    case 'appendRejected':
      return { group, appendRejected: message };
    case 'heartbeat':
      return { group, heartbeat: message };
    case 'heartbeatResponse':
      return { group, heartbeatResponse: message };
    case 'timeoutNow':
      return { group, timeoutNow: message };
    case 'snapshotOffer':
      return { group, snapshotOffer: message };
    case 'readRequest':
      return { group, readRequest: message };
    case 'readResponse':
      return { group, readResponse: message };
  }
}

/** Throws on what no sound peer sends, and on a parcel (parcel.ts opens it). */
export function fromEnvelope(envelope: Envelope): PeerMessage {
  const one = envelope as Required<Envelope>;
  switch (envelope.message) {
    case 'preVoteRequest': {
      const m = one.preVoteRequest ?? missing();
      return { type: 'preVoteRequest', ...position(m), term: term(m.term), deadLeader: optionalNode(m.deadLeader) };
    }
    case 'preVoteResponse': {
      const m = one.preVoteResponse ?? missing();
      return { type: 'preVoteResponse', term: term(m.term), granted: m.granted };
    }
    case 'voteRequest': {
      const m = one.voteRequest ?? missing();
      return { type: 'voteRequest', ...position(m), term: term(m.term), transfer: m.transfer };
    }
    case 'voteGranted':
      return { type: 'voteGranted', term: term((one.voteGranted ?? missing()).term) };
    case 'voteRefused':
      return { type: 'voteRefused', term: term((one.voteRefused ?? missing()).term) };
    case 'appendRequest': {
      const m = one.appendRequest ?? missing();
      return {
        type: 'appendRequest',
        term: term(m.term),
        request: m.request,
        previousIndex: logIndex(m.previousIndex),
        previousTerm: term(m.previousTerm),
        commitIndex: logIndex(m.commitIndex),
        entries: checkEntries(m.entries, m.previousIndex, m.term),
      };
    }
    case 'appendAccepted': {
      const m = one.appendAccepted ?? missing();
      return { type: 'appendAccepted', term: term(m.term), request: m.request, matchIndex: logIndex(m.matchIndex) };
    }
    case 'appendRejected': {
      const m = one.appendRejected ?? missing();
      return {
        type: 'appendRejected',
        term: term(m.term),
        request: m.request,
        previousIndex: logIndex(m.previousIndex),
        hintIndex: logIndex(m.hintIndex),
        hintTerm: term(m.hintTerm),
      };
    }
    case 'heartbeat': {
      const m = one.heartbeat ?? missing();
      return { type: 'heartbeat', term: term(m.term), round: m.round, commitIndex: logIndex(m.commitIndex) };
    }
    case 'heartbeatResponse': {
      const m = one.heartbeatResponse ?? missing();
      return { type: 'heartbeatResponse', term: term(m.term), round: m.round, fit: m.fit };
    }
    case 'timeoutNow':
      return { type: 'timeoutNow', term: term((one.timeoutNow ?? missing()).term) };
    case 'snapshotOffer': {
      const m = one.snapshotOffer ?? missing();
      const at = { index: logIndex(m.index), indexTerm: term(m.indexTerm) };
      return { type: 'snapshotOffer', term: term(m.term), request: m.request, ...at };
    }
    case 'readRequest': {
      const m = one.readRequest ?? missing();
      return { type: 'readRequest', term: term(m.term), read: m.read };
    }
    case 'readResponse': {
      const m = one.readResponse ?? missing();
      return { type: 'readResponse', term: term(m.term), read: m.read, index: logIndex(m.index) };
    }
    default:
      return missing();
  }
}

function position(message: { lastIndex: number; lastTerm: number }) {
  return { lastIndex: logIndex(message.lastIndex), lastTerm: term(message.lastTerm) };
}

function optionalNode(name: string): NodeId | undefined {
  if (name === '') return undefined;
  return isNodeId(name) ? name : missing();
}

function checkEntries(entries: readonly WireEntry[], previousIndex: number, leaderTerm: number): readonly Entry[] {
  let index = previousIndex;
  let lowestTerm = 0;
  for (const entry of entries) {
    index += 1;
    if (entry.index !== index || entry.term < lowestTerm || entry.term > leaderTerm)
      throw new Error(`entry ${entry.index} does not fit`);
    lowestTerm = entry.term;
  }
  return entries as unknown as readonly Entry[];
}

function missing(): never {
  throw new Error('peer message without content: is the peer of a newer version?');
}
