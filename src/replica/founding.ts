/**
 * How a group begins, once in its life. A node whose disk is new has promised nothing, but cannot know whether a former disk of its has. So it asks:
 * whoever knows of a founding tells it, and the founding names each member's disk. If nobody does and all members are there, with new disks
 * all of them, the first of them, by name, declares the group founded; the others learn it from that one. One node decides, so there are never two
 * foundings; it decides only when all are there, so that none is there whose vote was given and forgotten.
 */

import type { Logger } from 'pino';
import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/sleep.ts';
import { type Configuration, decodeConfiguration } from '../raft/configuration.ts';
import type { NodeId } from '../raft/types.ts';
import type { Hello } from '../rpc/generated/lograft/internal/v1/Hello.ts';
import type { Introductions } from './introductions.ts';

export interface FoundingOptions {
  readonly self: NodeId;
  readonly disk: string;
  readonly group: string;
  /** Everybody the node was told of, itself included. */
  readonly members: readonly { readonly id: NodeId; readonly address: string }[];
  readonly introductions: Introductions;
  readonly clock: Clock;
  readonly log: Logger;
  /** Gives up waiting. */
  readonly signal: AbortSignal;
}

const FIRST_REST_MS = 50;
/** So that hundreds of groups that wait for a node do not keep it from starting. */
const LAST_REST_MS = 1_000;
const ANSWER_WITHIN_MS = 1_000;
const COMPLAIN_EVERY_MS = 5_000;

interface Answer {
  readonly id: NodeId;
  readonly address: string;
  readonly hello: Hello | undefined;
}

/** What the group was founded with. Waits for it as long as it takes; undefined when aborted. */
export async function learnFounding(options: FoundingOptions): Promise<Configuration | undefined> {
  const { self, disk, members, clock, log, signal } = options;
  const isFounder = [...members].sort((one, other) => (one.id < other.id ? -1 : 1))[0]?.id === self;
  const others = members.filter(({ id }) => id !== self);
  let complainMs = clock.nowMs() + COMPLAIN_EVERY_MS;
  for (let restMs = FIRST_REST_MS; !signal.aborted; restMs = Math.min(LAST_REST_MS, 2 * restMs)) {
    const answers = await Promise.all(others.map((member) => ask(member, options)));
    const known = answers.find(({ hello }) => hello !== undefined && hello.founding.length > 0)?.hello;
    if (known !== undefined) return decodeConfiguration(known.founding);
    const silent = answers.filter(({ hello }) => hello === undefined).map(({ id }) => id);
    if (isFounder && silent.length === 0) {
      const disks = new Map(answers.map(({ id, hello }) => [id, hello?.disk ?? '']));
      const named = members.map(({ id, address }) => ({ id, address, disk: id === self ? disk : (disks.get(id) ?? '') }));
      return { members: named, voters: members.map(({ id }) => id), outgoing: [] };
    }
    if (clock.nowMs() >= complainMs) {
      log.warn({ waitingFor: silent }, 'a new group begins when all of its members are there: waiting');
      complainMs = clock.nowMs() + COMPLAIN_EVERY_MS;
    }
    await sleep(clock, restMs);
  }
  return undefined;
}

async function ask(member: { readonly id: NodeId; readonly address: string }, options: FoundingOptions): Promise<Answer> {
  const { group, introductions, log } = options;
  try {
    const hello = await introductions.ask(group, member.address, ANSWER_WITHIN_MS);
    if (hello.node === member.id) return { ...member, hello };
    log.error(
      { member: member.id, address: member.address, answers: hello.node },
      'another node answers there: check the addresses',
    );
  } catch (error) {
    log.debug({ member: member.id, error: String(error) }, 'no answer yet');
  }
  return { ...member, hello: undefined };
}
