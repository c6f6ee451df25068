/** Peers over the transport: links out, one service in. */
import type { Logger } from 'pino';
import { assert } from '../base/assert.ts';
import type { Member } from '../raft/configuration.ts';
import type { PeerMessage } from '../raft/messages.ts';
import { type Entry, isNodeId, type LogPosition, logIndex, type NodeId, term } from '../raft/types.ts';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { EntryInput } from '../rpc/generated/lograft/internal/v1/Entry.ts';
import type { Envelope } from '../rpc/generated/lograft/internal/v1/Envelope.ts';
import type { FetchEntryRequest } from '../rpc/generated/lograft/internal/v1/FetchEntryRequest.ts';
import type { FetchSnapshotRequest } from '../rpc/generated/lograft/internal/v1/FetchSnapshotRequest.ts';
import type { HelloInput } from '../rpc/generated/lograft/internal/v1/Hello.ts';
import type { IntroduceRequest } from '../rpc/generated/lograft/internal/v1/IntroduceRequest.ts';
import type { SnapshotPieceInput } from '../rpc/generated/lograft/internal/v1/SnapshotPiece.ts';
import { type CallContext, duplex, unary } from '../rpc/handlers.ts';
import { PeerService } from '../rpc/protos.ts';
import type { MessageStream, StreamEvents } from '../rpc/stream.ts';
import { type HostedService, hostService } from '../rpc/transport.ts';
import { fromEnvelope, toEnvelope } from './envelope.ts';
import { PeerLink } from './peer-link.ts';
import { laneOf, type PeerEvents, type PeerNetwork, type SnapshotPiece } from './peer-network.ts';
import { MAX_PIECE_BYTES, PeerRequests } from './peer-requests.ts';

export interface RpcNetworkOptions {
  readonly self: NodeId;
  /** Of this node: what it is known by beside its name. */
  readonly disk: string;
  /** "host:port" that peers reach this node at. */
  readonly address: string;
  readonly group: string;
  readonly environment: Environment;
  readonly log: Logger;
}

/** More than a group has members: who keeps coming under new names gets no answer. */
const MAX_VISITORS = 32;

export class RpcNetwork implements PeerNetwork {
  readonly service: HostedService;
  readonly #options: RpcNetworkOptions;
  readonly #requests: PeerRequests;
  readonly #links = new Map<NodeId, { readonly address: string; readonly link: PeerLink }>();
  readonly #inbound = new Set<MessageStream<HelloInput>>();
  #members: readonly Member[] = [];
  /**
   * Others that speak to this node, and where they can be answered: a node that has just come does not know its leader as a member before it has the
   * log that says so, which it does not get before it answers.
   */
  readonly #visitors = new Map<NodeId, { readonly address: string; readonly disk: string; streams: number }>();
  #founding: Uint8Array = new Uint8Array(0);
  #events: PeerEvents | undefined;
  #closed = false;

  constructor(options: RpcNetworkOptions) {
    this.#options = options;
    this.#requests = new PeerRequests(options.group, options.environment);
    this.service = hostService(PeerService, {
      Deliver: duplex<Envelope, HelloInput>((stream, context) => this.#accept(stream, context)),
      Introduce: unary<IntroduceRequest, HelloInput>(({ group }) => {
        this.#checkGroup(group);
        return this.#hello();
      }),
      FetchSnapshot: unary<FetchSnapshotRequest, SnapshotPieceInput>((request) => this.#snapshotPiece(request)),
      FetchEntry: unary<FetchEntryRequest, EntryInput>((request) => this.#entry(request)),
    });
  }

  /** What this node tells others the group was founded with. */
  set founding(configuration: Uint8Array) {
    this.#founding = configuration;
  }

  /** Called once, when the replica is ready to take messages. Dials whoever `setMembers` names from then on. */
  start(events: PeerEvents): void {
    assert(this.#events === undefined, 'a network is started once');
    this.#events = events;
  }

  setMembers(members: readonly Member[]): void {
    this.#members = members.filter(({ id }) => id !== this.#options.self);
    this.#dialAll();
  }

  #dialAll(): void {
    const visitors = [...this.#visitors].filter(([id]) => !this.#members.some((member) => member.id === id));
    const others = [...this.#members, ...visitors.map(([id, { address, disk }]) => ({ id, address, disk }))];
    this.#requests.setMembers(others);
    for (const [id, { address, link }] of this.#links) {
      if (others.some((member) => member.id === id && member.address === address)) continue;
      link.close();
      this.#links.delete(id);
    }
    for (const { id, address } of others) if (!this.#links.has(id)) this.#links.set(id, { address, link: this.#dial(id, address) });
  }

  send(to: NodeId, message: PeerMessage): void {
    this.#links.get(to)?.link.send(laneOf(message), toEnvelope(this.#options.group, message));
  }

  fetchEntry(from: NodeId, at: LogPosition): Promise<Entry | undefined> {
    return this.#requests.entry(from, at);
  }

  fetchSnapshot(from: NodeId, at: LogPosition, position: number, maxBytes: number): Promise<SnapshotPiece | undefined> {
    return this.#requests.snapshotPiece(from, at, position, maxBytes);
  }

  isConnected(peer: NodeId): boolean {
    return this.#links.get(peer)?.link.connected ?? false;
  }

  close(): void {
    this.#closed = true;
    for (const { link } of this.#links.values()) link.close();
    this.#requests.close();
    for (const stream of this.#inbound) stream.end();
  }

  #dial(id: NodeId, address: string): PeerLink {
    const { self, disk, address: own, environment, log } = this.#options;
    return new PeerLink({ self, disk, own, peer: id, address }, environment, {
      onConnected: () => {
        log.info({ peer: id }, 'peer connected');
        this.#events?.onConnected(id);
      },
      onRefused: () => {
        log.warn({ peer: id, address }, 'peer is down: connection refused');
        this.#events?.onDisconnected(id);
      },
      onTrouble: (lane, error) => log.debug({ peer: id, lane, error: error?.message }, 'peer lane broken'),
    });
  }

  #hello(): HelloInput {
    const { self, disk } = this.#options;
    return { node: self, disk, founding: Buffer.from(this.#founding) };
  }

  #accept(stream: MessageStream<HelloInput>, context: CallContext): StreamEvents<Envelope> {
    const { group, log } = this.#options;
    const from = context.metadata('lograft-from');
    const to = context.metadata('lograft-to');
    const disk = context.metadata('lograft-disk');
    const refusal = this.#refusal(from, to);
    if (refusal !== undefined) {
      log.warn({ from, to, peer: context.peer }, refusal);
      stream.cancel(new LograftError('INVALID_REQUEST', refusal));
      return { onMessage: () => {}, onEnd: () => {} };
    }
    const peer = from as NodeId;
    this.#inbound.add(stream);
    const goes = this.#comes(peer, context.metadata('lograft-address'), disk);
    stream.write(this.#hello());
    this.#links.get(peer)?.link.reconnectNow();
    return {
      onMessage: (envelope) => {
        if (envelope.group !== group) return;
        let message: PeerMessage;
        try {
          message = fromEnvelope(envelope);
        } catch (error) {
          log.error({ peer, error: String(error) }, 'malformed message from peer: stream closed');
          stream.cancel(new LograftError('INVALID_REQUEST', String(error)));
          return;
        }
        this.#events?.onMessage(peer, disk, message);
      },
      onEnd: () => {
        this.#inbound.delete(stream);
        stream.end();
        goes();
      },
    };
  }

  /** Somebody opened a stream. Gives what to do when it ends. */
  #comes(id: NodeId, address: string, disk: string): () => void {
    const known = this.#visitors.get(id);
    if (!isAddress(address) || (known === undefined && this.#visitors.size >= MAX_VISITORS)) return () => {};
    const visitor = known?.address === address ? known : { address, disk, streams: 0 };
    visitor.streams += 1;
    this.#visitors.set(id, visitor);
    this.#dialAll();
    return () => {
      visitor.streams -= 1;
      if (visitor.streams > 0 || this.#visitors.get(id) !== visitor || this.#closed) return;
      this.#visitors.delete(id);
      this.#dialAll();
    };
  }

  #refusal(from: string, to: string): string | undefined {
    const { self } = this.#options;
    if (to !== self) return `this is node ${self}, not ${to}: check the addresses of the members`;
    if (!isNodeId(from) || from === self) return `${JSON.stringify(from.slice(0, 200))} is no other node's name`;
    if (this.#events === undefined) return `node ${self} is starting`;
    return undefined;
  }

  #checkGroup(group: string): void {
    if (group === this.#options.group) return;
    const held = `node ${this.#options.self} holds group ${this.#options.group}`;
    throw new LograftError('INVALID_REQUEST', `${held}, not ${JSON.stringify(group.slice(0, 200))}`);
  }

  async #entry(request: FetchEntryRequest): Promise<EntryInput> {
    this.#checkGroup(request.group);
    const entry = await this.#events?.entryAt(logIndex(request.index), term(request.indexTerm));
    if (entry === undefined) throw notHere(`entry ${request.index} of term ${request.indexTerm}`);
    return { index: entry.index, term: entry.term, kind: entry.kind, payload: Buffer.from(entry.payload) };
  }

  async #snapshotPiece(request: FetchSnapshotRequest): Promise<SnapshotPieceInput> {
    this.#checkGroup(request.group);
    const { index, indexTerm, position, maxBytes } = request;
    const atMost = Math.min(maxBytes || MAX_PIECE_BYTES, MAX_PIECE_BYTES);
    const piece = await this.#events?.snapshotPiece(logIndex(index), term(indexTerm), position, atMost);
    if (piece === undefined) throw notHere(`snapshot ${index} of term ${indexTerm}`);
    const { content, totalBytes, crc, configuration } = piece;
    return { content, totalBytes, crc32c: crc, configuration: Buffer.from(configuration) };
  }
}

function isAddress(text: string): boolean {
  return /^.{1,255}:\d{1,5}$/.test(text);
}

function notHere(what: string): LograftError {
  return new LograftError('OFFSET_NOT_RETAINED', `${what} is not here, or damaged: ask another member`);
}
