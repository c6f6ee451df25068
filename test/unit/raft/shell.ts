/** The smallest honest caller of a core: one node's disk, its writes on the way, and what waits for them. For tests. */
import { assert } from '../../../src/base/assert.ts';
import type { Random } from '../../../src/base/random.ts';
import type { RaftConfig } from '../../../src/raft/config.ts';
import type { Member } from '../../../src/raft/configuration.ts';
import { RaftCore } from '../../../src/raft/core.ts';
import type { Effects, Replicate } from '../../../src/raft/effects.ts';
import type { Input } from '../../../src/raft/inputs.ts';
import type { AppendRequest, PeerMessage } from '../../../src/raft/messages.ts';
import {
  type Entry,
  type HardState,
  KIND_CONFIGURATION,
  type LogBase,
  type LogIndex,
  type LogPosition,
  logIndex,
  type NodeId,
  nodeId,
  type RestoredLog,
  type TermRun,
  term,
  type WriteSequence,
  type WriteUnit,
} from '../../../src/raft/types.ts';

export const DEFAULTS: Omit<RaftConfig, 'id' | 'disk' | 'founding'> = {
  heartbeatIntervalMs: 100,
  electionTimeoutMinMs: 500,
  electionTimeoutMaxMs: 1000,
  crashElectionSpreadMs: 20,
  maxAppendBytes: 1 << 20,
  maxInflightAppends: 64,
  maxInflightBytes: 32 << 20,
  maxUncommittedBytes: 64 << 20,
};

export function voterIds(count: number): NodeId[] {
  return Array.from({ length: count }, (_, position) => nodeId(String(position + 1)));
}

/** The disk every test node is counted with, unless it is wiped. */
export const DISK = 'disk';

export function memberFor(id: NodeId, disk: string = DISK): Member {
  return { id, address: `${id}:1`, disk };
}

/** What a group of these voters begins with. */
export function founding(voters: readonly NodeId[]): Pick<RaftConfig, 'disk' | 'founding'> {
  return { disk: DISK, founding: { members: voters.map((id) => memberFor(id)), voters, outgoing: [] } };
}

/** mulberry32: small, fast, repeatable. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  between(minimum: number, maximum: number): number {
    return minimum + Math.floor(this.fraction() * (maximum - minimum + 1));
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.between(0, items.length - 1)] as Item;
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }
}

/** What survives a crash. */
export interface Disk {
  hardState: HardState;
  entries: Entry[];
  /** Set when a fault took entries from it: where it ended before. */
  floor?: LogPosition | undefined;
  /** Where the log begins. What is before it stays in `entries`: it stands for the snapshot. */
  base?: LogBase | undefined;
  /** What a snapshot of everything up to `index` holds, for a log that begins anew. */
  snapshotAt?: (index: LogIndex) => readonly Entry[];
}

export function emptyDisk(): Disk {
  return { hardState: { term: term(0), vote: undefined }, entries: [] };
}

/** A log that has kept everything from its first entry on. */
export function restored(hardState: HardState, lastIndex: number, termRuns: readonly TermRun[], floor?: LogPosition): RestoredLog {
  const base = { index: logIndex(0), term: term(0), configuration: undefined };
  return { hardState, base, lastIndex: logIndex(lastIndex), termRuns, configurations: [], floor };
}

export function restore(disk: Disk): RestoredLog {
  const termRuns: TermRun[] = [];
  const { base } = disk;
  const kept = disk.entries.slice(base?.index ?? 0);
  for (const entry of kept) {
    if (termRuns.at(-1)?.term !== entry.term) termRuns.push({ term: entry.term, firstIndex: entry.index });
  }
  const configurations = kept.filter(({ kind }) => kind === KIND_CONFIGURATION);
  const plain = restored(disk.hardState, disk.entries.length, termRuns, disk.floor);
  return { ...plain, configurations, base: base ?? plain.base };
}

function applyEntries(entries: Entry[], unit: WriteUnit, count: number, disk: Disk): void {
  if (unit.reset !== undefined) entries.splice(0, entries.length, ...(disk.snapshotAt?.(unit.reset.index) ?? []));
  if (unit.truncateFrom !== undefined) entries.length = unit.truncateFrom - 1;
  for (const entry of unit.entries.slice(0, count)) {
    assert(entry.index === entries.length + 1, 'write units leave no gaps');
    entries.push(entry);
  }
}

/** Makes a unit durable; with `count`, only that many of its entries (a crash in the midst of it). */
export function applyUnit(disk: Disk, unit: WriteUnit, count: number = unit.entries.length): void {
  disk.hardState = unit.hardState;
  if (unit.reset !== undefined) disk.base = unit.reset;
  applyEntries(disk.entries, unit, count, disk);
}

interface Held {
  readonly after: WriteSequence;
  readonly to: NodeId;
  readonly message: PeerMessage;
}

export interface ShellHooks {
  send(from: NodeId, to: NodeId, message: PeerMessage): void;
  /** After everything of a step was put in its place. */
  stepped?(shell: Shell, effects: Effects, input: Input): void;
  /** A unit reached the disk. */
  durable?(shell: Shell, unit: WriteUnit): void;
}

export class Shell {
  readonly id: NodeId;
  readonly config: RaftConfig;
  readonly core: RaftCore;
  readonly disk: Disk;
  /** The log as of the last step; on the disk or on its way. */
  readonly entries: Entry[];
  readonly writing: WriteUnit[] = [];
  #held: Held[] = [];
  #lastSequence = 0;
  #durableSequence = 0;
  readonly #hooks: ShellHooks;

  constructor(config: RaftConfig, disk: Disk, random: Random, nowMs: number, hooks: ShellHooks) {
    this.id = config.id;
    this.config = config;
    this.disk = disk;
    this.entries = [...disk.entries];
    this.#hooks = hooks;
    this.core = new RaftCore(config, restore(disk), random, nowMs);
  }

  step(input: Input, nowMs: number): Effects {
    const effects = this.core.step(input, nowMs);
    if (effects.write) {
      assert(effects.write.sequence === this.#lastSequence + 1, 'write units are numbered from 1');
      this.#lastSequence = effects.write.sequence;
      applyEntries(this.entries, effects.write, effects.write.entries.length, this.disk);
      this.writing.push(effects.write);
    }
    for (const { to, message } of effects.send) this.#hooks.send(this.id, to, message);
    for (const held of effects.sendAfterWrite) {
      assert(held.after <= this.#lastSequence, 'nothing waits for a write that was not ordered');
      if (held.after <= this.#durableSequence) this.#hooks.send(this.id, held.to, held.message);
      else this.#held.push(held);
    }
    for (const order of effects.replicate) this.#hooks.send(this.id, order.to, this.#appendRequest(order));
    this.#hooks.stepped?.(this, effects, input);
    return effects;
  }

  /** The oldest write reaches the disk. The core is told later, or never: see `tellWritten`. */
  completeWrite(): WriteUnit {
    const unit = this.writing.shift();
    assert(unit !== undefined, 'a write is on its way');
    applyUnit(this.disk, unit);
    this.#durableSequence = unit.sequence;
    this.#hooks.durable?.(this, unit);
    const due = this.#held.filter((held) => held.after <= unit.sequence);
    this.#held = this.#held.filter((held) => held.after > unit.sequence);
    for (const { to, message } of due) this.#hooks.send(this.id, to, message);
    return unit;
  }

  tellWritten(unit: WriteUnit, nowMs: number): Effects {
    return this.step({ type: 'written', sequence: unit.sequence, term: unit.hardState.term }, nowMs);
  }

  #appendRequest(order: Replicate): AppendRequest {
    const { term, request, previousIndex, previousTerm, commitIndex } = order;
    return { type: 'appendRequest', term, request, previousIndex, previousTerm, commitIndex, entries: this.#cut(order) };
  }

  #cut(order: Replicate): readonly Entry[] {
    const entries = this.entries.slice(order.previousIndex, order.lastIndex);
    assert(entries.length === order.lastIndex - order.previousIndex, 'an order names entries of the log');
    if (order.exact) return entries;
    assert(entries.length > 0, 'a catch-up carries something');
    let bytes = 0;
    let count = 0;
    for (const entry of entries) {
      bytes += entry.payload.length;
      if (count > 0 && bytes > this.config.maxAppendBytes) break;
      count += 1;
    }
    return entries.slice(0, count);
  }
}

export function lastIndexOf(shell: Shell): LogIndex {
  return logIndex(shell.entries.length);
}
