/** Peers over the transport: links out, one service in. */
import type { Logger } from 'pino';
import { assert } from '../base/assert.ts';
import type { PeerMessage } from '../raft/messages.ts';
import { isNodeId, type NodeId } from '../raft/types.ts';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { Envelope } from '../rpc/generated/lograft/internal/v1/Envelope.ts';
import type { Hello } from '../rpc/generated/lograft/internal/v1/Hello.ts';
import { type CallContext, duplex } from '../rpc/handlers.ts';
import { PeerService } from '../rpc/protos.ts';
import type { MessageStream, StreamEvents } from '../rpc/stream.ts';
import { type HostedService, hostService } from '../rpc/transport.ts';
import { fromEnvelope, toEnvelope } from './envelope.ts';
import { PeerLink } from './peer-link.ts';
import { laneOf, type PeerEvents, type PeerNetwork } from './peer-network.ts';

export interface RpcNetworkOptions {
  readonly self: NodeId;
  readonly group: string;
  /** The other members. */
  readonly peers: readonly { readonly id: NodeId; readonly address: string }[];
  readonly environment: Environment;
  readonly log: Logger;
}

export class RpcNetwork implements PeerNetwork {
  readonly service: HostedService;
  readonly #options: RpcNetworkOptions;
  readonly #links = new Map<NodeId, PeerLink>();
  readonly #inbound = new Set<MessageStream<Hello>>();
  #events: PeerEvents | undefined;

  constructor(options: RpcNetworkOptions) {
    this.#options = options;
    this.service = hostService(PeerService, {
      Deliver: duplex<Envelope, Hello>((stream, context) => this.#accept(stream, context)),
    });
  }

  /** Dials all peers. Called once, when the replica is ready to take messages. */
  start(events: PeerEvents): void {
    assert(this.#events === undefined, 'a network is started once');
    this.#events = events;
    const { self, peers, environment, log } = this.#options;
    for (const { id, address } of peers) {
      const link = new PeerLink(self, id, address, environment, {
        onConnected: () => {
          log.info({ peer: id }, 'peer connected');
          events.onConnected(id);
        },
        onRefused: () => {
          log.warn({ peer: id, address }, 'peer is down: connection refused');
          events.onDisconnected(id);
        },
        onTrouble: (lane, error) => log.debug({ peer: id, lane, error: error?.message }, 'peer lane broken'),
      });
      this.#links.set(id, link);
    }
  }

  send(to: NodeId, message: PeerMessage): void {
    this.#links.get(to)?.send(laneOf(message), toEnvelope(this.#options.group, message));
  }

  isConnected(peer: NodeId): boolean {
    return this.#links.get(peer)?.connected ?? false;
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    for (const stream of this.#inbound) stream.end();
  }

  #accept(stream: MessageStream<Hello>, context: CallContext): StreamEvents<Envelope> {
    const { self, group, log } = this.#options;
    const from = context.metadata('lograft-from');
    const to = context.metadata('lograft-to');
    const refusal = this.#refusal(from, to);
    if (refusal !== undefined) {
      log.warn({ from, to, peer: context.peer }, refusal);
      stream.cancel(new LograftError('INVALID_REQUEST', refusal));
      return { onMessage: () => {}, onEnd: () => {} };
    }
    const peer = from as NodeId;
    this.#inbound.add(stream);
    stream.write({ node: self });
    this.#links.get(peer)?.reconnectNow();
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
        this.#events?.onMessage(peer, message);
      },
      onEnd: () => {
        this.#inbound.delete(stream);
        stream.end();
      },
    };
  }

  #refusal(from: string, to: string): string | undefined {
    const { self } = this.#options;
    if (to !== self) return `this is node ${self}, not ${to}: check the addresses of the members`;
    if (!isNodeId(from) || !this.#options.peers.some((peer) => peer.id === from))
      return `node ${from} is not a member of this group`;
    if (this.#events === undefined) return `node ${self} is starting`;
    return undefined;
  }
}
