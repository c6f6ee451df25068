/** Before a node takes part in a group, it must know what the group was founded with; a new one has to ask. */
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.ts';
import { type Configuration, decodeConfiguration, encodeConfiguration } from '../raft/configuration.ts';
import { type NodeId, nodeId } from '../raft/types.ts';
import { learnFounding } from '../replica/founding.ts';
import type { GroupNetwork } from '../replica/group-network.ts';
import type { Introductions } from '../replica/introductions.ts';
import type { GroupLedger } from '../storage/group-ledger.ts';
import type { PlacedMember } from './placement.ts';

export interface JoinOptions {
  readonly self: NodeId;
  readonly disk: string;
  readonly group: string;
  /** Everybody the node was told of, itself included. */
  readonly members: readonly PlacedMember[];
  readonly ledger: GroupLedger;
  readonly network: GroupNetwork;
  readonly introductions: Introductions;
  readonly clock: Clock;
  readonly log: Logger;
  /** Gives up waiting. */
  readonly signal: AbortSignal;
}

/** Resolves when the group is founded, however long that takes; until then others learn from this node who it is. Undefined when aborted. */
export async function joinGroup(options: JoinOptions): Promise<Configuration | undefined> {
  const { group, ledger, network } = options;
  const stored = ledger.founding(group);
  const founding = stored === undefined ? await askAround(options) : decodeConfiguration(stored);
  if (founding === undefined) return undefined;
  const encoded = encodeConfiguration(founding);
  if (stored === undefined) await ledger.add(group, encoded);
  network.founding = encoded;
  return founding;
}

async function askAround({ members, ...options }: JoinOptions): Promise<Configuration | undefined> {
  const named = members.map(({ id, address }) => ({ id: nodeId(id), address }));
  const founding = await learnFounding({ ...options, members: named });
  if (founding === undefined) return undefined;
  const { self, disk, log } = options;
  const mine = founding.members.find(({ id }) => id === self);
  if (mine === undefined) log.info('this node was not there when the group was founded: it waits to be added');
  else if (mine.disk !== disk) {
    const advice = 'The group takes it back, as a learner first. If that is switched off (replaceLostDisks)';
    const command = `lograft group replace-member ${self}`;
    log.warn({ disk, foundedWith: mine.disk }, `this node was founded with another disk: it has no vote. ${advice}: ${command}`);
  }
  return founding;
}
