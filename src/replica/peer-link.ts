/** The way from this node to one other: two lanes, each a stream on a connection of its own. */
import type { Timer } from '../base/clock.ts';
import type { PeerMessage } from '../raft/messages.ts';
import type { NodeId } from '../raft/types.ts';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { EnvelopeInput } from '../rpc/generated/lograft/internal/v1/Envelope.ts';
import { PeerService } from '../rpc/protos.ts';
import type { MessageStream } from '../rpc/stream.ts';
import type { Channel } from '../rpc/transport.ts';
import { toEnvelope } from './envelope.ts';
import { type GroupMessage, packParcel } from './parcel.ts';
import { type Lane, laneOf } from './peer-network.ts';

/** Between attempts to reach a peer that does not answer. */
const RETRY_MS = 100;

export interface PeerLinkEvents {
  /** Both lanes are open. */
  onConnected(): void;
  /** Somebody's kernel said that nobody listens there. Told once until connected again. */
  onRefused(): void;
  onTrouble(lane: Lane, error: LograftError | undefined): void;
}

export interface LinkEnds {
  readonly self: NodeId;
  /** Of this node. */
  readonly disk: string;
  /** "host:port" that the peer reaches this node at. */
  readonly own: string;
  readonly peer: NodeId;
  readonly address: string;
}

export class PeerLink {
  /** "host:port" of the peer. */
  readonly address: string;
  readonly #lanes: Record<Lane, LaneStream>;
  readonly #events: PeerLinkEvents;
  #connected = false;
  #refused = false;

  constructor(ends: LinkEnds, environment: Environment, events: PeerLinkEvents) {
    this.address = ends.address;
    this.#events = events;
    const lane = (name: Lane): LaneStream =>
      new LaneStream(ends, name, environment, {
        onOpen: () => this.#opened(),
        onBroken: (error) => this.#broken(name, error),
      });
    this.#lanes = { control: lane('control'), bulk: lane('bulk') };
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Dropped when the lane is not open: consensus repeats what matters. */
  send(group: string, message: PeerMessage): void {
    this.#lanes[laneOf(message)].send({ group, message });
  }

  /** The peer has just shown that it is there: do not wait for the next attempt. */
  reconnectNow(): void {
    if (this.#connected) return;
    for (const lane of Object.values(this.#lanes)) lane.reconnectNow();
  }

  close(): void {
    for (const lane of Object.values(this.#lanes)) lane.close();
  }

  #opened(): void {
    if (!this.#lanes.control.open || !this.#lanes.bulk.open) return;
    this.#connected = true;
    this.#refused = false;
    this.#events.onConnected();
  }

  #broken(lane: Lane, error: LograftError | undefined): void {
    this.#connected = false;
    this.#events.onTrouble(lane, error);
    // A broken stream alone may be a passing fault of the network; a refused connection is a process that is gone.
    if (this.#refused || error === undefined || !/ECONNREFUSED/.test(error.message)) return;
    this.#refused = true;
    this.#events.onRefused();
  }
}

interface LaneEvents {
  onOpen(): void;
  onBroken(error: LograftError | undefined): void;
}

class LaneStream {
  readonly #settings: { readonly metadata: Readonly<Record<string, string>> };
  readonly #address: string;
  readonly #environment: Environment;
  readonly #events: LaneEvents;
  #channel: Channel;
  #stream: MessageStream<EnvelopeInput> | undefined;
  #retry: Timer | undefined;
  #closed = false;
  /** On the control lane: what is sent in this turn of the event loop, to leave as one message. */
  #parcel: GroupMessage[] = [];
  readonly #collects: boolean;
  open = false;

  constructor({ self, disk, own, peer, address }: LinkEnds, lane: Lane, environment: Environment, events: LaneEvents) {
    const metadata = {
      'lograft-from': self,
      'lograft-disk': disk,
      'lograft-address': own,
      'lograft-to': peer,
      'lograft-lane': lane,
    };
    this.#settings = { metadata };
    this.#collects = lane === 'control';
    this.#address = address;
    this.#environment = environment;
    this.#events = events;
    this.#channel = environment.transport.dial(address);
    this.#connect();
  }

  send(one: GroupMessage): void {
    if (!this.open) return;
    if (!this.#collects) return void this.#stream?.write(toEnvelope(one.group, one.message));
    this.#parcel.push(one);
    if (this.#parcel.length === 1) this.#environment.clock.soon(() => this.#sendParcel());
  }

  #sendParcel(): void {
    const messages = this.#parcel;
    this.#parcel = [];
    if (this.open) this.#stream?.write(packParcel(messages));
  }

  reconnectNow(): void {
    if (this.open || this.#retry === undefined) return;
    this.#retry.cancel();
    this.#retry = undefined;
    // A fresh channel: the old one may be waiting out a back-off of its own.
    this.#channel.close();
    this.#channel = this.#environment.transport.dial(this.#address);
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.open = false;
    this.#retry?.cancel();
    this.#stream?.cancel(undefined);
    this.#channel.close();
  }

  #connect(): void {
    this.#stream = this.#channel.open(
      PeerService.Deliver,
      {
        onMessage: () => {
          this.open = true;
          this.#events.onOpen();
        },
        onEnd: (error) => this.#ended(error instanceof LograftError ? error : undefined),
      },
      this.#settings,
    );
  }

  #ended(error: LograftError | undefined): void {
    const wasOpen = this.open;
    this.open = false;
    this.#stream = undefined;
    if (this.#closed) return;
    this.#events.onBroken(error);
    // After a break of what was open, look at once whether the process is still there; else at a steady pace.
    this.#retry = this.#environment.clock.after(wasOpen ? 0 : RETRY_MS, () => {
      this.#retry = undefined;
      if (!this.#closed) this.#connect();
    });
  }
}
