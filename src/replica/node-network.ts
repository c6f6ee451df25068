/** All other nodes that this one speaks to, for all its groups: one pair of lanes to each, one service in. */
import type { Logger } from 'pino';
import { assert } from '../base/assert.ts';
import type { PeerMessage } from '../raft/messages.ts';
import { isNodeId, logIndex, type NodeId, term } from '../raft/types.ts';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { CatalogueProgress } from '../rpc/generated/lograft/internal/v1/CatalogueProgress.ts';
import type { CatalogueUpdateInput } from '../rpc/generated/lograft/internal/v1/CatalogueUpdate.ts';
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
import { GroupNetwork, type SharedLinks } from './group-network.ts';
import { openParcel } from './parcel.ts';
import { PeerLink } from './peer-link.ts';
import type { PeerEvents } from './peer-network.ts';
import { MAX_PIECE_BYTES, PeerRequests } from './peer-requests.ts';
import { Visitors } from './visitors.ts';

export interface NodeNetworkOptions {
  readonly self: NodeId;
  /** Of this node: what it is known by beside its name. */
  readonly disk: string;
  /** "host:port" that peers reach this node at. */
  readonly address: string;
  readonly environment: Environment;
  readonly log: Logger;
  /** A peer speaks of a group that this node does not hold: it was added there. Called again and again until the group is held. */
  readonly onUnknownGroup: (group: string, peer: NodeId, address: string) => void;
}

const NOTHING = new Uint8Array(0);

interface Received {
  readonly events: PeerEvents;
  readonly message: PeerMessage;
}

export type CatalogueHandler = (stream: MessageStream<CatalogueUpdateInput>) => StreamEvents<CatalogueProgress>;

export class NodeNetwork implements SharedLinks {
  readonly service: HostedService;
  readonly requests: PeerRequests;
  readonly #options: NodeNetworkOptions;
  readonly #groups = new Map<string, GroupNetwork>();
  readonly #links = new Map<NodeId, PeerLink>();
  readonly #inbound = new Set<MessageStream<HelloInput>>();
  readonly #visitors = new Visitors(() => this.membersChanged());
  #catalogue: CatalogueHandler | undefined;
  #closed = false;

  constructor(options: NodeNetworkOptions) {
    this.#options = options;
    this.requests = new PeerRequests(options.environment);
    this.service = hostService(PeerService, {
      Deliver: duplex<Envelope, HelloInput>((stream, context) => this.#accept(stream, context)),
      // Also about groups that are not here: that is how a node is asked before it is added to one.
      Introduce: unary<IntroduceRequest, HelloInput>(({ group }) => this.#hello(this.#groups.get(group)?.founding ?? NOTHING)),
      FetchSnapshot: unary<FetchSnapshotRequest, SnapshotPieceInput>((request) => this.#snapshotPiece(request)),
      FetchEntry: unary<FetchEntryRequest, EntryInput>((request) => this.#entry(request)),
      FollowCatalogue: duplex<CatalogueProgress, CatalogueUpdateInput>((stream) => this.#followCatalogue(stream)),
    });
  }

  /** The catalogue belongs to a floor above: its streams are handed there. */
  serveCatalogue(handler: CatalogueHandler): void {
    this.#catalogue = handler;
  }

  /** This node holds the group from now on: it says so to whoever asks. */
  hold(group: string): GroupNetwork {
    assert(!this.#groups.has(group), 'a group is held once');
    const network = new GroupNetwork(group, this.#options.self, this);
    this.#groups.set(group, network);
    return network;
  }

  linkTo(peer: NodeId): PeerLink | undefined {
    return this.#links.get(peer);
  }

  isConnected(peer: NodeId): boolean {
    return this.#links.get(peer)?.connected ?? false;
  }

  membersChanged(): void {
    if (this.#closed) return;
    const wanted = this.#wanted();
    this.requests.keep(new Set(wanted.values()));
    for (const [id, link] of this.#links) {
      if (wanted.get(id) === link.address) continue;
      link.close();
      this.#links.delete(id);
    }
    for (const [id, address] of wanted) if (!this.#links.has(id)) this.#links.set(id, this.#dial(id, address));
  }

  close(): void {
    this.#closed = true;
    for (const link of this.#links.values()) link.close();
    this.requests.close();
    for (const stream of this.#inbound) stream.end();
  }

  /** Who is to be reached, and where. What a group's configuration says comes before what a node says of itself. */
  #wanted(): Map<NodeId, string> {
    const wanted = new Map<NodeId, string>();
    for (const { members } of this.#groups.values())
      for (const { id, address } of members) if (!wanted.has(id)) wanted.set(id, address);
    for (const [id, address] of this.#visitors.all()) if (!wanted.has(id)) wanted.set(id, address);
    return wanted;
  }

  #dial(id: NodeId, address: string): PeerLink {
    const { self, disk, address: own, environment, log } = this.#options;
    return new PeerLink({ self, disk, own, peer: id, address }, environment, {
      onConnected: () => {
        log.info({ peer: id }, 'peer connected');
        for (const { events } of this.#groups.values()) events?.onConnected(id);
      },
      onRefused: () => {
        log.warn({ peer: id, address }, 'peer is down: connection refused');
        for (const { events } of this.#groups.values()) events?.onDisconnected(id);
      },
      onTrouble: (lane, error) => log.debug({ peer: id, lane, error: error?.message }, 'peer lane broken'),
    });
  }

  #followCatalogue(stream: MessageStream<CatalogueUpdateInput>): StreamEvents<CatalogueProgress> {
    assert(this.#catalogue !== undefined, 'the node serves its catalogue from the beginning');
    return this.#catalogue(stream);
  }

  #hello(founding: Uint8Array): HelloInput {
    const { self, disk } = this.#options;
    return { node: self, disk, founding: Buffer.from(founding) };
  }

  #accept(stream: MessageStream<HelloInput>, context: CallContext): StreamEvents<Envelope> {
    const { log } = this.#options;
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
    const leaves = this.#visitors.comes(peer, context.metadata('lograft-address'));
    stream.write(this.#hello(NOTHING));
    this.#links.get(peer)?.reconnectNow();
    return {
      onMessage: (envelope) => {
        let received: readonly Received[];
        try {
          received = this.#open(envelope, peer);
        } catch (error) {
          log.error({ peer, error: String(error) }, 'malformed message from peer: stream closed');
          stream.cancel(new LograftError('INVALID_REQUEST', String(error)));
          return;
        }
        for (const { events, message } of received) events.onMessage(peer, disk, message);
      },
      onEnd: () => {
        this.#inbound.delete(stream);
        stream.end();
        if (!this.#closed) leaves();
      },
    };
  }

  /** What is for a group that is not here, or not ready, is lost like any other message: it will be repeated. */
  #open(envelope: Envelope, peer: NodeId): readonly Received[] {
    return openParcel(envelope).flatMap(({ group, message }) => {
      if (!this.#groups.has(group)) this.#unknownGroup(group, peer);
      const events = this.#groups.get(group)?.events;
      return events === undefined ? [] : [{ events, message }];
    });
  }

  #unknownGroup(group: string, peer: NodeId): void {
    const address = this.#links.get(peer)?.address;
    if (address !== undefined) this.#options.onUnknownGroup(group, peer, address);
  }

  #refusal(from: string, to: string): string | undefined {
    const { self } = this.#options;
    if (to !== self) return `this is node ${self}, not ${to}: check the addresses of the members`;
    if (!isNodeId(from) || from === self) return `${JSON.stringify(from.slice(0, 200))} is no other node's name`;
    return undefined;
  }

  #held(group: string): GroupNetwork {
    const held = this.#groups.get(group);
    if (held !== undefined) return held;
    const names = [...this.#groups.keys()].join(', ');
    const holds = `node ${this.#options.self} holds ${names === '' ? 'no group' : names}`;
    throw new LograftError('INVALID_REQUEST', `${holds}, not ${JSON.stringify(group.slice(0, 200))}`);
  }

  async #entry(request: FetchEntryRequest): Promise<EntryInput> {
    const entry = await this.#held(request.group).events?.entryAt(logIndex(request.index), term(request.indexTerm));
    if (entry === undefined) throw notHere(`entry ${request.index} of term ${request.indexTerm}`);
    return { index: entry.index, term: entry.term, kind: entry.kind, payload: Buffer.from(entry.payload) };
  }

  async #snapshotPiece({ group, index, indexTerm, position, maxBytes }: FetchSnapshotRequest): Promise<SnapshotPieceInput> {
    const atMost = Math.min(maxBytes || MAX_PIECE_BYTES, MAX_PIECE_BYTES);
    const piece = await this.#held(group).events?.snapshotPiece(logIndex(index), term(indexTerm), position, atMost);
    if (piece === undefined) throw notHere(`snapshot ${index} of term ${indexTerm}`);
    const { content, totalBytes, crc, configuration } = piece;
    return { content, totalBytes, crc32c: crc, configuration: Buffer.from(configuration) };
  }
}

function notHere(what: string): LograftError {
  return new LograftError('OFFSET_NOT_RETAINED', `${what} is not here, or damaged: ask another member`);
}
