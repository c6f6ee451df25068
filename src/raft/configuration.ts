/** Who belongs to a group (thesis 4). A configuration is in force as soon as it is in the log, committed or not. */
import { assert } from '../base/assert.ts';
import { isNodeId, type NodeId } from './types.ts';

export interface Member {
  readonly id: NodeId;
  /** "host:port" that its peers reach it at. */
  readonly address: string;
  /**
   * Which disk it is counted with: a node whose disk was wiped or exchanged has forgotten what it promised, and is another member although its
   * name is the same.
   */
  readonly disk: string;
  /**
   * A learner that voted until its disk was lost: it gets its vote back when it has caught up. It stands here, in the log, so that whoever leads by
   * then knows.
   */
  readonly returning?: true;
}

export interface Configuration {
  /** Everybody who gets the log: voters of both kinds, and learners, who have no say yet. */
  readonly members: readonly Member[];
  readonly voters: readonly NodeId[];
  /**
   * The voters before, while the group is on its way from them to `voters` (joint consensus, thesis 4.3): whatever needs a quorum then needs
   * one of each. Empty otherwise.
   */
  readonly outgoing: readonly NodeId[];
}

/** Of a node that knows nothing of its group yet: it takes what a leader sends and has no say. */
export const NO_CONFIGURATION: Configuration = { members: [], voters: [], outgoing: [] };

/** Most voters, and most members: more make a group slower and no safer. */
export const MAX_VOTERS = 7;
export const MAX_MEMBERS = 16;

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0;
}

/** Whether this node's word counts, in either of two joint sets of voters. */
export function isVoter({ voters, outgoing }: Configuration, id: NodeId): boolean {
  return voters.includes(id) || outgoing.includes(id);
}

export function memberOf(configuration: Configuration, id: NodeId): Member | undefined {
  return configuration.members.find((member) => member.id === id);
}

export function sameNodes(one: readonly NodeId[], other: readonly NodeId[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id));
}

/** The same member, neither more nor less than its name, address and disk say. */
export function returned({ id, address, disk }: Member): Member {
  return { id, address, disk };
}

/** What is wrong with it; undefined when nothing is. */
export function configurationProblem({ members, voters, outgoing }: Configuration): string | undefined {
  const ids = members.map(({ id }) => id);
  if (new Set(ids).size !== ids.length) return 'a member is named twice';
  if (new Set(voters).size !== voters.length || new Set(outgoing).size !== outgoing.length) return 'a voter is named twice';
  if (voters.length === 0) return 'a group without voters can do nothing';
  if (voters.length > MAX_VOTERS || outgoing.length > MAX_VOTERS) return `a group has at most ${MAX_VOTERS} voters`;
  if (members.length > MAX_MEMBERS) return `a group has at most ${MAX_MEMBERS} members`;
  if (![...voters, ...outgoing].every((id) => ids.includes(id))) return 'a voter is no member';
  return undefined;
}

/** The payload of an entry of KIND_CONFIGURATION: rare and small, so readable. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { members, voters, outgoing } = configuration;
  return new TextEncoder().encode(JSON.stringify({ members, voters, outgoing }));
}

/** Trusts its reader no more than a disk deserves: breaks an assertion on anything but a sound configuration. */
export function decodeConfiguration(payload: Uint8Array): Configuration {
  const json = JSON.parse(new TextDecoder().decode(payload)) as Configuration;
  const { members, voters, outgoing } = json;
  assert([members, voters, outgoing].every(Array.isArray), 'a configuration has three lists');
  for (const { id, address, disk } of members) {
    assert(isNodeId(id) && typeof address === 'string' && typeof disk === 'string', 'a member has id, address and disk');
  }
  const problem = configurationProblem(json);
  assert(problem === undefined, `an unsound configuration: ${problem}`);
  return { members, voters, outgoing };
}
