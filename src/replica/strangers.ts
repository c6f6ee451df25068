/**
 * A node under a member's name but with another disk has forgotten what that member promised: its answers do not count. What it asks is heard: it may
 * lead by now, in a configuration that this node, long away, has yet to get from it.
 */
import type { Logger } from 'pino';
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
  readonly #logger: Logger;
  /** Complained of once. */
  readonly #known = new Map<NodeId, string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Whether this message must not count. */
  refuse(configuration: Configuration, from: NodeId, disk: string, message: PeerMessage): boolean {
    if (!ANSWERS.has(message.type)) return false;
    const member = memberOf(configuration, from);
    if (member === undefined || member.disk === disk) return false;
    if (this.#known.get(from) !== disk) {
      this.#known.set(from, disk);
      const advice = 'member with another disk: it does not count. Replace it: lograft group replace-member';
      this.#logger.error({ node: from, disk, expected: member.disk }, advice);
    }
    return true;
  }
}
