/** One readable line for everything that happens in a scenario. */
import type { Effects, Status } from '../../src/raft/effects.ts';
import type { PeerMessage } from '../../src/raft/messages.ts';
import { type Entry, KIND_NOOP } from '../../src/raft/types.ts';

/** `index@term:payload`; a no-op has no payload. */
export function entryText({ index, term, kind, payload }: Entry): string {
  return `${index}@${term}${kind === KIND_NOOP ? '' : `:${new TextDecoder().decode(payload)}`}`;
}

export function entriesText(entries: readonly Entry[]): string {
  return `[${entries.map(entryText).join(' ')}]`;
}

export function messageText(message: PeerMessage): string {
  const start = `${message.type} t${message.term}`;
  switch (message.type) {
    case 'preVoteRequest':
      return `${start} last ${message.lastIndex}@${message.lastTerm}${message.deadLeader === undefined ? '' : ` dead ${message.deadLeader}`}`;
    case 'preVoteResponse':
      return `${start} ${message.granted ? 'granted' : 'refused'}`;
    case 'voteRequest':
      return `${start} last ${message.lastIndex}@${message.lastTerm}${message.transfer ? ' transfer' : ''}`;
    case 'appendRequest':
      return `${start} r${message.request} previous ${message.previousIndex}@${message.previousTerm} ${entriesText(message.entries)} commit ${message.commitIndex}`;
    case 'appendAccepted':
      return `${start} r${message.request} match ${message.matchIndex}`;
    case 'appendRejected':
      return `${start} r${message.request} previous ${message.previousIndex} hint ${message.hintIndex}@${message.hintTerm}`;
    case 'heartbeat':
      return `${start} round ${message.round} commit ${message.commitIndex}`;
    case 'heartbeatResponse':
      return `${start} round ${message.round}`;
    default:
      return start;
  }
}

export function statusText({ role, term, leader }: Status): string {
  const follows = role === 'leader' || leader === undefined ? '' : ` of ${leader}`;
  return `${role}${follows} t${term}`;
}

/** What a step did, apart from messages that left at once: those are seen when they arrive. */
export function effectLines(effects: Effects, durableSequence: number): string[] {
  const lines: string[] = [];
  if (effects.status) lines.push(`  is ${statusText(effects.status)}`);
  if (effects.proposed) {
    const { proposed } = effects;
    lines.push(proposed.accepted ? `  proposed from ${proposed.firstIndex}` : `  refused: ${proposed.reason}`);
  }
  if (effects.write) {
    const { sequence, hardState, truncateFrom, entries } = effects.write;
    const parts = [`  write #${sequence} t${hardState.term} vote ${hardState.vote ?? '-'}`];
    if (truncateFrom !== undefined) parts.push(`truncate ${truncateFrom}`);
    if (entries.length > 0) parts.push(entriesText(entries));
    lines.push(parts.join(' '));
  }
  for (const { after, to, message } of effects.sendAfterWrite) {
    if (after > durableSequence) lines.push(`  holds until #${after}: to ${to} ${messageText(message)}`);
  }
  if (effects.commitIndex !== undefined) lines.push(`  commits ${effects.commitIndex}`);
  return lines;
}
