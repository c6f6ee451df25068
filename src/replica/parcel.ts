/** Messages of many groups that leave together: heartbeats by columns, everything else one by one. */
import type { PeerMessage } from '../raft/messages.ts';
import { logIndex, term } from '../raft/types.ts';
import type { Envelope, EnvelopeInput } from '../rpc/generated/lograft/internal/v1/Envelope.ts';
import type { HeartbeatResponses } from '../rpc/generated/lograft/internal/v1/HeartbeatResponses.ts';
import type { Heartbeats } from '../rpc/generated/lograft/internal/v1/Heartbeats.ts';
import { fromEnvelope, toEnvelope } from './envelope.ts';

export interface GroupMessage {
  readonly group: string;
  readonly message: PeerMessage;
}

export function packParcel(messages: readonly GroupMessage[]): EnvelopeInput {
  const [only] = messages;
  if (messages.length === 1 && only !== undefined) return toEnvelope(only.group, only.message);
  const envelopes: EnvelopeInput[] = [];
  const heartbeats = { groups: [] as string[], terms: [] as number[], rounds: [] as number[], commitIndexes: [] as number[] };
  const responses = { groups: [] as string[], terms: [] as number[], rounds: [] as number[], fit: [] as boolean[] };
  for (const { group, message } of messages) {
    if (message.type === 'heartbeat') {
      heartbeats.groups.push(group);
      heartbeats.terms.push(message.term);
      heartbeats.rounds.push(message.round);
      heartbeats.commitIndexes.push(message.commitIndex);
    } else if (message.type === 'heartbeatResponse') {
      responses.groups.push(group);
      responses.terms.push(message.term);
      responses.rounds.push(message.round);
      responses.fit.push(message.fit);
    } else envelopes.push(toEnvelope(group, message));
  }
  return {
    parcel: {
      envelopes,
      ...(heartbeats.groups.length > 0 ? { heartbeats } : {}),
      ...(responses.groups.length > 0 ? { heartbeatResponses: responses } : {}),
    },
  };
}

/** Throws on what no sound peer sends. */
export function openParcel(envelope: Envelope): GroupMessage[] {
  if (envelope.message !== 'parcel') return [{ group: envelope.group, message: fromEnvelope(envelope) }];
  const { envelopes, heartbeats, heartbeatResponses } = envelope.parcel as NonNullable<typeof envelope.parcel>;
  const messages = envelopes.map((one) => ({ group: one.group, message: fromEnvelope(one) }));
  if (heartbeats !== null) openHeartbeats(heartbeats, messages);
  if (heartbeatResponses !== null) openResponses(heartbeatResponses, messages);
  return messages;
}

function openHeartbeats({ groups, terms, rounds, commitIndexes }: Heartbeats, into: GroupMessage[]): void {
  checkColumns(groups.length, terms.length, rounds.length, commitIndexes.length);
  groups.forEach((group, at) => {
    const commitIndex = logIndex(commitIndexes[at] as number);
    into.push({ group, message: { type: 'heartbeat', term: term(terms[at] as number), round: rounds[at] as number, commitIndex } });
  });
}

function openResponses({ groups, terms, rounds, fit }: HeartbeatResponses, into: GroupMessage[]): void {
  checkColumns(groups.length, terms.length, rounds.length, fit.length);
  groups.forEach((group, at) => {
    const message = { type: 'heartbeatResponse', term: term(terms[at] as number), round: rounds[at] as number } as const;
    into.push({ group, message: { ...message, fit: fit[at] === true } });
  });
}

function checkColumns(...lengths: number[]): void {
  if (new Set(lengths).size > 1) throw new Error(`columns of different lengths: ${lengths.join(', ')}`);
}
