/**
 * Known bugs of other engines, to be put back one at a time: the simulator must find each, or it proves nothing. A mutant replaces
 * text in a copy of the sources; nothing of this is in the program.
 */

export interface Edit {
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant extends Edit {
  readonly name: string;
  /** What goes wrong with it, and where it was seen. */
  readonly bug: string;
  /** Where a second guard would make it harmless: that is taken away as well. */
  readonly also?: readonly Edit[];
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'acknowledge before fsync',
    bug: 'a follower acknowledges what only its memory holds (NATS, DLedger, Zeebe)',
    file: 'src/replica/held-messages.ts',
    find: 'if (after > this.#durableSequence) break;',
    replace: '',
  },
  {
    name: 'leader counts itself early',
    bug: 'the leader commits with its own copy not yet on the disk (etcd #14370)',
    file: 'src/raft/replication.ts',
    find: 'voter === state.id ? state.writes.durableIndex',
    replace: 'voter === state.id ? state.log.lastIndex',
  },
  {
    name: 'figure 8 commit',
    bug: "an older term's entry is committed by counting copies (LogCabin #44, NATS #7955)",
    file: 'src/raft/replication.ts',
    find: 'if (state.log.termAt(index) === leadership.term) state.commitTo(index);',
    replace: 'state.commitTo(index);',
  },
  {
    name: 'vote not persisted',
    bug: 'a restarted node votes a second time in one term (sofa-jraft 5222f3ff, DLedger)',
    file: 'src/storage/unit-format.ts',
    find: 'if (vote !== undefined) head[AT.voteBytes]',
    replace: 'if (vote === (0 as never)) head[AT.voteBytes]',
  },
  {
    name: 'vote granted before it is durable',
    bug: 'the vote leaves before its write (sofa-jraft 9f6f5dc2)',
    file: 'src/raft/election.ts',
    find: "state.outbox.sendAfterWrite(state.writes.hardStateSequence, from, { type: 'voteGranted', term: state.term });",
    replace: "state.outbox.sendAfterWrite(0 as never, from, { type: 'voteGranted', term: state.term });",
  },
  {
    name: 'vote reset on step-down',
    bug: 'stepping down within a term forgets the vote (NATS #7698)',
    file: 'src/raft/state.ts',
    find: 'if (term > this.term) this.setHardState(term, undefined);',
    replace:
      'if (term > this.term || this.current.role !== "follower") { this.hardState = { term, vote: undefined }; this.writes.stageHardState(this.hardState, this.log.lastIndex); }',
  },
  {
    name: 'truncation below commit',
    bug: 'a late, shorter append cuts off what came after it (async-raft, NATS f871570fb)',
    file: 'src/raft/follower.ts',
    find: 'return held === -1 ? [] : entries.slice(held);',
    replace:
      'return held === -1 && entries.length > 0 && state.log.lastIndex > (entries.at(-1) as Entry).index ? entries : held === -1 ? [] : entries.slice(held);',
  },
  {
    name: 'entry cache not truncated',
    bug: 'the cache still serves entries that the log has replaced (CockroachDB #36353, NATS 99f9bcf92)',
    file: 'src/storage/entry-cache.ts',
    find: 'this.#bytes -= costBytes(this.#entries.pop() as Entry);',
    replace: 'this.#bytes -= costBytes(this.#entries.splice(this.#head, 1)[0] as Entry);',
  },
  {
    name: 'acknowledge beyond durable on a repeated append',
    bug: 'a repeated or empty append is acknowledged although its entries are still on their way to the disk (YugabyteDB #32875)',
    file: 'src/raft/follower.ts',
    find: 'attestMatch(state, from, request, matchIndex);',
    replace:
      "if (news.length > 0) attestMatch(state, from, request, matchIndex); else state.outbox.send(from, { type: 'appendAccepted', term: state.term, request, matchIndex } as never);",
  },
  {
    name: 'acknowledge the whole log',
    bug: 'a follower acknowledges its last entry instead of what the message vouches for (paper figure 2)',
    file: 'src/raft/follower.ts',
    find: 'const matchIndex = Math.max(previousIndex + message.entries.length, log.base.index) as LogIndex;',
    replace: 'const matchIndex = log.lastIndex;',
  },
  {
    name: 'old write counts for new entries',
    bug: 'the completion of a replaced write is taken for its replacement (etcd, the ABA race)',
    file: 'src/raft/write-tracker.ts',
    find: 'for (const unit of this.#pending) if (unit.lastIndex > last) unit.lastIndex = last;',
    replace: '',
  },
  {
    name: 'vote without comparing logs',
    bug: 'a candidate whose log is behind wins (paper 5.4.1)',
    file: 'src/raft/election.ts',
    find: 'if (!mayVote || !state.isUpToDate(message.lastIndex, message.lastTerm)) {',
    replace: 'if (!mayVote) {',
    // PreVote asks the same question before.
    also: [
      {
        file: 'src/raft/election.ts',
        find: 'const granted = free && state.isUpToDate(message.lastIndex, message.lastTerm);',
        replace: 'const granted = free;',
      },
    ],
  },
  {
    name: 'quorum of half',
    bug: 'half of the voters are taken for a quorum (jraft bab26d91, async-raft d60f1e85)',
    file: 'src/raft/quorum.ts',
    find: 'return Math.floor(voters / 2) + 1;',
    replace: 'return Math.max(1, Math.floor(voters / 2));',
  },
  {
    name: 'configuration in force at commit',
    bug: 'a new member counts only once its entry is committed, so that two quorums of two groups need not meet (raft-rs, early Raft)',
    file: 'src/raft/state.ts',
    find: 'return this.configurations.current;',
    replace: 'return this.configurations.at(this.commitIndex);',
  },
  {
    name: 'joint votes counted once',
    bug: 'in a joint configuration the new voters alone elect a leader (thesis 4.3)',
    file: 'src/raft/quorum.ts',
    find: 'return enough(voters) && (outgoing.length === 0 || enough(outgoing));',
    replace: 'return enough(voters);',
  },
  {
    name: 'change upon change',
    // Kept apart by joint configurations, two uncommitted changes still share a quorum: only without them is it the bug of 2015.
    bug: 'the next change of members begins before the last is committed (the bug of single-server changes, 2015)',
    file: 'src/raft/membership.ts',
    find: 'return commitIndex >= leadership.openingIndex && configurations.currentIndex <= commitIndex && !isJoint(configuration);',
    replace: 'return true;',
  },
  {
    name: 'wiped disk votes',
    bug: 'a node that lost its disk votes under its old name, and forgets what it promised (jgroups, raft-engines B03)',
    file: 'src/raft/state.ts',
    find: 'return memberOf(configuration, this.id)?.disk === this.config.disk;',
    replace: 'return memberOf(configuration, this.id) !== undefined;',
    also: [
      {
        file: 'src/replica/strangers.ts',
        find: 'if (!ANSWERS.has(message.type)) return false;',
        replace: 'if (ANSWERS.size > 0) return false;',
      },
    ],
  },
  {
    name: 'removed leader commits alone',
    bug: 'a leader that leaves the group counts itself until the end (thesis 4.2.2)',
    file: 'src/raft/replication.ts',
    find: 'const index = configurationValue(state.configuration, matchOf);',
    replace:
      'const { voters } = state.configuration; const index = configurationValue({ ...state.configuration, voters: voters.includes(state.id) ? voters : [state.id] }, matchOf);',
  },
  {
    name: 'read index reused',
    bug: 'a linearizable read is answered by a round of heartbeats that left before it (etcd, TiKV)',
    file: 'src/raft/reads.ts',
    find: 'round: leadership.heartbeatRound + 1 });',
    replace: 'round: leadership.heartbeatRound });',
  },
  {
    name: 'read index of an uncommitted term',
    bug: 'a new leader answers linearizable reads before it has committed an entry of its own (raft-rs, thesis 6.4)',
    file: 'src/raft/reads.ts',
    find: 'return state.commitIndex >= leadership.openingIndex ? state.commitIndex : undefined;',
    replace: 'return state.commitIndex;',
  },
  {
    name: 'dedupe not in snapshot',
    bug: 'who starts from a snapshot does not know what producers have sent, so that a retry is stored twice (Redpanda, Pulsar)',
    file: 'src/broker/state-snapshot.ts',
    find: 'for (const window of windows) add({ window });',
    replace: 'for (const window of windows.slice(windows.length)) add({ window });',
  },
  {
    name: 'reset counts as durable at once',
    bug: 'a snapshot that takes the log’s place is acknowledged before it is written (etcd #10219)',
    file: 'src/raft/write-tracker.ts',
    find: 'this.#discardFrom(1 as LogIndex);\n    const unit = this.#staged(hardState, base.index);',
    replace: 'const unit = this.#staged(hardState, base.index);\n    this.#durableIndex = base.index;',
  },
  {
    name: 'rotted entries forgotten',
    bug: 'a log that lost entries to its disk votes as if it had never had them (NATS 2.12, Protocol-Aware Recovery)',
    file: 'src/raft/state.ts',
    find: '    return floor;\n',
    replace: '    return undefined;\n',
  },
  {
    name: 'rotted entry truncated silently',
    bug: 'damage in the middle of a log is taken for a torn tail: all behind it is cut off (Protocol-Aware Recovery, FAST 18)',
    file: 'src/storage/decisions.ts',
    find: "when: (facts) => facts.attested,\n    decision: 'cutWithFloor',",
    replace: "when: (facts) => facts.attested,\n    decision: 'cutTornTail',",
  },
  {
    name: 'no entry of its own term',
    bug: 'a new leader appends nothing, and what was left uncommitted stays so (thesis 6.4)',
    file: 'src/raft/leadership.ts',
    find: 'state.appendEntries([{ term: leadership.term, index: nextIndex, kind: KIND_NOOP, payload: new Uint8Array(0) }]);',
    replace: '',
  },
  {
    name: 'repeated batch appended again',
    bug: 'a retry after a change of leader is stored twice (Redpanda #3039)',
    file: 'src/broker/producer-sessions.ts',
    find: "if (known !== undefined && known.count === batch.count) return { type: 'duplicate', baseOffset: known.baseOffset };",
    replace:
      "if (known !== undefined && known.count === batch.count) return { type: 'next', window: { ...window, nextSequence: batch.firstSequence } };",
  },
  {
    name: 'older instance not fenced',
    bug: 'a producer that another has replaced goes on writing beside it (the zombies of Kafka KIP-98)',
    file: 'src/broker/producer-sessions.ts',
    find: "if (session.epoch < this.#epochOf(session.name)) return { type: 'fenced' };",
    replace: '',
  },
  {
    name: 'dedupe not stored',
    bug: 'what a producer has sent is forgotten in a restart, so that a retry is stored twice (Redpanda #5355)',
    file: 'src/broker/broker-state.ts',
    find: 'for (const window of this.#dirtyWindows)\n',
    replace: 'for (const window of [] as ProducerWindow[])\n',
  },
  {
    name: 'applied index ahead of the state',
    bug: 'the applied index is stored apart from the state, so that a crash loses what lies between (etcd #13766)',
    file: 'src/broker/broker-state.ts',
    find: 'puts.push([APPLIED_KEY, numberValue(this.#applied)]',
    replace:
      'puts.length > 3 && puts.splice(0, puts.length, [APPLIED_KEY, numberValue(this.#applied)]); puts.push([APPLIED_KEY, numberValue(this.#applied)]',
  },
  {
    name: 'torn tail accepted',
    bug: 'a half-written unit is taken for whole after a crash (etcd #6378)',
    file: 'src/storage/unit-format.ts',
    find: 'if (crc32c(body.subarray(at, at + payloadBytes)) !== crc) rows.push(row);',
    replace: '',
    also: [
      {
        file: 'src/storage/unit-format.ts',
        find: 'return crc32c(payload) === crc;',
        replace: 'return payload !== undefined || crc;',
      },
    ],
  },
  {
    name: 'leader never steps down',
    bug: 'a leader that reaches nobody goes on as if it led (Cloudflare 2020)',
    file: 'src/raft/leadership.ts',
    find: 'if (!isInTouchWithQuorum(state, leadership)) {',
    replace: 'if (state.nowMs < 0) {',
  },
  {
    name: 'reads before catching up',
    bug: 'a new leader answers from what it has applied, less than what was committed',
    file: 'src/replica/milestones.ts',
    find: 'return openingIndex === undefined || this.#appliedIndex() >= openingIndex;',
    replace: 'return true;',
  },
  {
    name: 'proposals left hanging',
    bug: 'whoever proposed to a deposed leader never gets an answer (jgroups, etcd)',
    file: 'src/replica/pending-proposals.ts',
    find: "for (const { onOutcome } of waiting) onOutcome({ type: 'unknown' });",
    replace: 'for (const _ of waiting) break;',
  },
];
