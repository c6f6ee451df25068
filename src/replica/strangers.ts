/**
 * A node under a member's name but with another disk has forgotten what that member promised: its answers do not count. What it asks is heard: it may
 * lead by now, in a configuration that this node, long away, has yet to get from it.
 */
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.ts';
import { type Configuration, memberOf } from '../raft/configuration.ts';
import type { PeerMessage } from '../raft/messages.ts';
import type { NodeId } from '../raft/types.ts';

/** What a member attests or promises, and is counted for. */
const ANSWERS: ReadonlySet<PeerMessage['type']> = new Set([
  'preVoteResponse',
  'voteGranted',
  'voteRefused',
  'appendAccepted',
  'appendRejected',
  'heartbeatResponse',
]);

export class Strangers {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Complained of once. */
  readonly #known = new Map<NodeId, string>();
  /** When each member last spoke. Whoever has left is forgotten at the next start: there are never many. */
  readonly #heardMs = new Map<NodeId, number>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** When the member, with the disk that it is counted with, last said anything; undefined: not in this run. */
  memberHeardMs(id: NodeId): number | undefined {
    return this.#heardMs.get(id);
  }

  /** Whether this message must not count. */
  refuse(configuration: Configuration, from: NodeId, disk: string, message: PeerMessage): boolean {
    const member = memberOf(configuration, from);
    if (member === undefined) return false;
    if (member.disk === disk) {
      this.#heardMs.set(from, this.#clock.nowMs());
      return false;
    }
    if (!ANSWERS.has(message.type)) return false;
    if (this.#known.get(from) !== disk) {
      this.#known.set(from, disk);
      this.#logger.error({ node: from, disk, expected: member.disk }, 'member with another disk: it does not count');
    }
    return true;
  }
}
