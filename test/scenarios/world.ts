/** A group whose time, network, disks and chance are all in the hand of a scenario. */
import type { RaftConfig } from '../../src/raft/config.ts';
import type { Effects } from '../../src/raft/effects.ts';
import type { Input } from '../../src/raft/inputs.ts';
import type { PeerMessage } from '../../src/raft/messages.ts';
import { type Entry, FIRST_APPLICATION_KIND, logIndex, type NodeId, nodeId, term, type WriteUnit } from '../../src/raft/types.ts';
import { DEFAULTS, type Disk, emptyDisk, founding, Shell, voterIds } from '../unit/raft/shell.ts';
import type { CommandLine } from './format.ts';
import { effectLines, entriesText, messageText, statusText } from './trace.ts';

interface Letter {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: PeerMessage;
}

interface Member {
  readonly id: NodeId;
  disk: Disk;
  shell: Shell | undefined;
  holdsWrites: boolean;
  /** Durable, but the core was not told yet (`complete-write quiet`). */
  untold: WriteUnit[];
  durableSequence: number;
  /** Where in a range this node's luck falls, 0 to 1. */
  luck: number;
}

/** A loop that does not end is a bug worth seeing. */
const MOST_ROUNDS = 500;

export class World {
  #nowMs = 0;
  #config: Omit<RaftConfig, 'id'> = { ...DEFAULTS, ...founding([]) };
  readonly #members = new Map<string, Member>();
  #mail: Letter[] = [];
  readonly #cuts = new Set<string>();
  #lines: string[] = [];

  run(command: CommandLine, body: readonly string[]): string[] {
    this.#lines = [];
    const handler = this.#handlers[command.name];
    if (!handler) throw new Error(`unknown command '${command.name}'`);
    handler(command, body);
    return this.#lines.length > 0 ? this.#lines : ['ok'];
  }

  readonly #handlers: Record<string, (command: CommandLine, body: readonly string[]) => void> = {
    nodes: (command, body) => this.#nodes(command, body),
    tick: ({ positional }) => this.#tick(Number(positional[0]), false),
    run: ({ positional }) => this.#tick(Number(positional[0]), true),
    campaign: ({ positional }) => this.#campaign(this.#member(positional[0])),
    elect: ({ positional: [node] }) => {
      this.#campaign(this.#member(node));
      this.#stabilize([]);
      this.#tick(100, true);
      this.#lines = [];
      this.#status([]);
    },
    propose: ({ positional: [node, ...payloads], options }) => this.#propose(this.#member(node), payloads, options.get('term')),
    deliver: (command) => this.#deliver(this.#take(command)),
    drop: (command) => {
      for (const letter of this.#take(command)) this.#lines.push(`dropped ${letterText(letter)}`);
    },
    duplicate: (command) => {
      const letters = this.#take(command);
      this.#mail.push(...letters, ...letters);
    },
    defer: (command) => {
      this.#mail.push(...this.#take(command));
    },
    mail: () => {
      for (const letter of this.#mail) this.#lines.push(letterText(letter));
      if (this.#mail.length === 0) this.#lines.push('none');
    },
    stabilize: ({ positional }) => this.#stabilize(positional),
    crash: ({ positional }) => this.#crash(this.#member(positional[0])),
    restart: ({ positional }) => this.#start(this.#member(positional[0])),
    'hold-writes': ({ positional }) => {
      for (const node of positional) this.#member(node).holdsWrites = true;
    },
    'release-writes': ({ positional }) => {
      for (const node of positional) this.#member(node).holdsWrites = false;
    },
    'complete-write': ({ positional: [node, quiet] }) => this.#completeWrite(this.#member(node), quiet === 'quiet'),
    'tell-written': ({ positional: [node] }) => this.#tellWritten(this.#member(node)),
    disconnect: ({ positional: [node, peer] }) => this.#input(node, { type: 'peerDisconnected', peer: nodeId(peer ?? '') }),
    connect: ({ positional: [node, peer] }) => this.#input(node, { type: 'peerConnected', peer: nodeId(peer ?? '') }),
    transfer: ({ positional: [node, to] }) =>
      this.#input(node, { type: 'transferLeader', to: to === undefined ? undefined : nodeId(to) }),
    cut: ({ positional }) => this.#cut(positional),
    heal: () => this.#cuts.clear(),
    luck: ({ options }) => {
      for (const [node, luck] of options) this.#member(node).luck = Number(luck);
    },
    log: ({ positional }) => this.#log(positional),
    status: ({ positional }) => this.#status(positional),
    progress: ({ positional: [node] }) => this.#progress(this.#member(node)),
  };

  #nodes({ positional, options }: CommandLine, body: readonly string[]): void {
    const settings = Object.fromEntries([...options].map(([key, value]) => [key, Number(value)]));
    for (const key of Object.keys(settings)) if (!(key in DEFAULTS)) throw new Error(`unknown setting ${key}`);
    const voters = voterIds(Number(positional[0]));
    this.#config = { ...DEFAULTS, ...settings, ...founding(voters) };
    for (const [position, id] of voters.entries()) {
      const luck = position / 5;
      this.#members.set(id, { id, disk: emptyDisk(), shell: undefined, holdsWrites: false, untold: [], durableSequence: 0, luck });
    }
    for (const line of body) this.#restored(line);
    for (const member of this.#members.values()) this.#start(member);
    this.#lines = [];
  }

  /** `2 term=4 vote=1 log=1,1,4`: terms of the entries, index by index. */
  #restored(line: string): void {
    const [node, ...words] = line.split(/\s+/);
    const member = this.#member(node);
    const options = new Map(words.map((word) => word.split('=', 2) as [string, string]));
    const terms = (options.get('log') ?? '').split(',').filter(Boolean).map(Number);
    const entries: Entry[] = terms.map((value, position) => ({
      term: term(value),
      index: logIndex(position + 1),
      kind: FIRST_APPLICATION_KIND,
      payload: new TextEncoder().encode(`o${value}`),
    }));
    const vote = options.get('vote');
    const hardState = {
      term: term(Number(options.get('term') ?? terms.at(-1) ?? 0)),
      vote: vote === undefined ? undefined : nodeId(vote),
    };
    member.disk = { hardState, entries };
  }

  #start(member: Member): void {
    if (member.shell) throw new Error(`${member.id} runs already`);
    const random = {
      between: (minimum: number, maximum: number) => Math.min(maximum, minimum + Math.floor((maximum - minimum) * member.luck)),
    };
    member.durableSequence = 0;
    member.untold = [];
    member.shell = new Shell({ ...this.#config, id: member.id }, member.disk, random, this.#nowMs, {
      send: (from, to, message) => {
        if (!this.#cuts.has(`${from}>${to}`)) this.#mail.push({ from, to, message });
      },
    });
    const { core } = member.shell;
    this.#lines.push(`${member.id} starts with t${core.status.term} and ${core.lastIndex} entries`);
  }

  #crash(member: Member): void {
    const lost = member.shell?.writing.length ?? 0;
    member.shell = undefined;
    this.#mail = this.#mail.filter((letter) => letter.to !== member.id);
    this.#lines.push(`${member.id} crashes${lost > 0 ? ` and loses ${lost} unwritten` : ''}`);
  }

  /** Steps a core and tells what came of it; a heartbeat that changes nothing is not worth a line. */
  #step(member: Member, input: Input, headline: string): void {
    if (!member.shell) return;
    const { durableSequence } = member;
    const effects: Effects = member.shell.step(input, this.#nowMs);
    const lines = effectLines(effects, durableSequence);
    const heartbeat =
      input.type === 'message' && (input.message.type === 'heartbeat' || input.message.type === 'heartbeatResponse');
    const quiet = lines.length === 0 && (heartbeat || input.type === 'tick');
    if (!quiet) this.#lines.push(headline, ...lines);
  }

  #input(node: string | undefined, input: Input): void {
    const member = this.#member(node);
    this.#step(member, input, `${member.id} ${input.type}`);
  }

  #propose(member: Member, payloads: readonly string[], expectedTerm: string | undefined): void {
    const current = member.shell?.core.status.term ?? 0;
    const proposals = payloads.map((payload) => ({ kind: FIRST_APPLICATION_KIND, payload: new TextEncoder().encode(payload) }));
    const input: Input = { type: 'propose', term: term(Number(expectedTerm ?? current)), proposals };
    this.#step(member, input, `${member.id} propose ${payloads.join(' ')}`);
  }

  /** The clock goes on until this node's timer runs out; only this node looks at it. */
  #campaign(member: Member): void {
    if (!member.shell) throw new Error(`${member.id} does not run`);
    this.#nowMs = Math.max(this.#nowMs, member.shell.core.nextDeadlineMs);
    this.#step(member, { type: 'tick' }, `${member.id} tick at ${this.#nowMs}`);
  }

  #tick(milliseconds: number, stabilize: boolean): void {
    const end = this.#nowMs + milliseconds;
    for (let round = 0; ; round += 1) {
      if (round > MOST_ROUNDS) throw new Error('time stands still');
      if (stabilize) this.#stabilize([]);
      const due = this.#running().sort((left, right) => left.core.nextDeadlineMs - right.core.nextDeadlineMs)[0];
      if (!due || due.core.nextDeadlineMs > end) break;
      this.#nowMs = Math.max(this.#nowMs, due.core.nextDeadlineMs);
      this.#step(this.#member(due.id), { type: 'tick' }, `${due.id} tick at ${this.#nowMs}`);
    }
    this.#nowMs = end;
  }

  #take({ options }: CommandLine): Letter[] {
    let left = Number(options.get('count') ?? Number.POSITIVE_INFINITY);
    const taken: Letter[] = [];
    const kept: Letter[] = [];
    for (const letter of this.#mail) {
      const fits =
        (options.get('from') ?? letter.from) === letter.from &&
        (options.get('to') ?? letter.to) === letter.to &&
        (options.get('type') ?? letter.message.type) === letter.message.type;
      if (fits && left > 0) taken.push(letter);
      else kept.push(letter);
      if (fits) left -= 1;
    }
    this.#mail = kept;
    return taken;
  }

  #deliver(letters: readonly Letter[]): void {
    for (const letter of letters) {
      const input: Input = { type: 'message', from: letter.from, message: letter.message };
      this.#step(this.#member(letter.to), input, letterText(letter));
    }
  }

  /** Writes and delivers, for all or among the named ones, until nothing is left to do. */
  #stabilize(nodes: readonly string[]): void {
    const among = (id: NodeId) => nodes.length === 0 || nodes.includes(id);
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      let idle = true;
      for (const member of this.#members.values()) {
        if (!among(member.id) || member.holdsWrites || !member.shell?.writing.length) continue;
        this.#completeWrite(member, false);
        idle = false;
      }
      const letters = this.#mail.filter((letter) => among(letter.from) && among(letter.to));
      this.#mail = this.#mail.filter((letter) => !letters.includes(letter));
      if (letters.length > 0) idle = false;
      this.#deliver(letters);
      if (idle) return;
    }
    throw new Error('does not come to rest');
  }

  #completeWrite(member: Member, quiet: boolean): void {
    if (!member.shell?.writing.length) throw new Error(`${member.id} writes nothing`);
    const unit = member.shell.completeWrite();
    member.durableSequence = unit.sequence;
    member.untold.push(unit);
    if (quiet) this.#lines.push(`${member.id} wrote #${unit.sequence}, core not told`);
    else this.#tellWritten(member);
  }

  #tellWritten(member: Member): void {
    const unit = member.untold.shift();
    if (!unit) throw new Error('nothing to tell');
    const input: Input = { type: 'written', sequence: unit.sequence, term: unit.hardState.term };
    const position = this.#lines.length;
    this.#step(member, input, '');
    this.#lines[position] = `${member.id} wrote #${unit.sequence}, durable ${member.shell?.core.durableIndex}`;
  }

  #cut(links: readonly string[]): void {
    for (const link of links) {
      const [one, other] = link.split(/[-<>]/) as [string, string];
      if (!link.includes('<')) this.#cuts.add(`${one}>${other}`);
      if (!link.includes('>')) this.#cuts.add(`${other}>${one}`);
    }
    this.#mail = this.#mail.filter((letter) => !this.#cuts.has(`${letter.from}>${letter.to}`));
  }

  #log(nodes: readonly string[]): void {
    for (const member of this.#members.values()) {
      if (nodes.length > 0 && !nodes.includes(member.id)) continue;
      const { shell } = member;
      this.#lines.push(`${member.id}: ${entriesText(shell?.entries ?? member.disk.entries)}`);
    }
  }

  #status(nodes: readonly string[]): void {
    for (const { id, shell } of this.#members.values()) {
      if (nodes.length > 0 && !nodes.includes(id)) continue;
      if (!shell) this.#lines.push(`${id}: down`);
      else {
        const { status, lastIndex, durableIndex, commitIndex } = shell.core;
        this.#lines.push(`${id}: ${statusText(status)} last ${lastIndex} durable ${durableIndex} commit ${commitIndex}`);
      }
    }
  }

  #progress(member: Member): void {
    for (const { id, matchIndex, nextIndex, state, active, inflightBytes } of member.shell?.core.progress() ?? []) {
      this.#lines.push(
        `${id}: ${state} match ${matchIndex} next ${nextIndex} inflight ${inflightBytes}${active ? '' : ' inactive'}`,
      );
    }
  }

  #running(): Shell[] {
    return [...this.#members.values()].flatMap(({ shell }) => (shell ? [shell] : []));
  }

  #member(id: string | undefined): Member {
    const member = this.#members.get(id ?? '');
    if (!member) throw new Error(`no node ${id}`);
    return member;
  }
}

function letterText({ from, to, message }: Letter): string {
  return `${from} > ${to} ${messageText(message)}`;
}
