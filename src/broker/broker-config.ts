/** All settings of a broker process. */
export interface BrokerConfig {
  /** This node's name in its group, unique for all time: 1 to 63 characters of `[A-Za-z0-9._-]`. */
  readonly nodeId: string;
  /** "host:port" to listen on, for clients and peers alike. */
  readonly listen: string;
  /** "host:port" that others reach this node at. Default: `listen`. */
  readonly advertise: string;
  /** Directory for all of the node's data. Belongs to this node alone. */
  readonly dataDir: string;
  /** Name of the first broker group, the home group, which keeps the catalogue of topics; others count on from it: g1, g2. Default "g1". */
  readonly group: string;
  /** All nodes, this one among them, with the addresses of their `advertise`: what groups are founded on. */
  readonly members: readonly { readonly id: string; readonly address: string }[];
  /** Number of broker groups, 1 to 1000, spread over the members. Default 1. */
  readonly replicaGroups: number;
  /** Members of each group: 1, 3, 5 or 7; 0, the default: all there are, up to 7. */
  readonly replicaFactor: number;
  /** "host:port" of every router. May be empty. */
  readonly routers: readonly string[];
  /** Between a leader's signs of life, ms, 10 to 10 000. Default 100. At most half of electionTimeoutMinMs. */
  readonly heartbeatIntervalMs: number;
  /** Silence before an election: uniform in [min, max], ms. Defaults 500 and 1000. */
  readonly electionTimeoutMinMs: number;
  readonly electionTimeoutMaxMs: number;
  /** Largest record batch, encoded, bytes, 1 KiB to 32 MiB. Default 4 MiB. */
  readonly maxBatchBytes: number;
  /** Size of one log file, bytes, 1 MiB to 1 GiB. Default 64 MiB. */
  readonly segmentBytes: number;
  /** Recent log entries kept in memory, bytes, from 1 MiB. Default 8 MiB; older ones come out of the page cache, checked. */
  readonly cacheBytes: number;
  /** How long records are kept, ms, 1 minute to 10 years; 0: their age does not matter. Default 72 hours. What is older goes by the piece, a 32nd of this at a time. */
  readonly retentionMs: number;
  /** How much of the newest data is kept, bytes, from 1 MiB; 0: the size does not matter. Default 0. What is more goes by the piece, at least a log file at a time. */
  readonly retentionBytes: number;
  /** What a member that is far behind may take of the leader's disk and network, bytes a second, from 1 MiB. Default 64 MiB. */
  readonly catchUpBytesPerSecond: number;
  /** What the scrubber reads of the log, to find rot while other members still have what it took, bytes a second. Default 8 MiB; 0: it does not run. */
  readonly scrubBytesPerSecond: number;
  /** With one group: the member that shall lead when it can; '' for none, the default. Whoever leads gives back to it once it is well for five seconds. With several, each group has one of its own. */
  readonly preferredLeader: string;
  /** Whether this node, when it leads, takes back members whose disk was wiped or exchanged, without an operator. Default true. */
  readonly replaceLostDisks: boolean;
}

export const BROKER_DEFAULTS = {
  group: 'g1',
  replicaGroups: 1,
  replicaFactor: 0,
  routers: [],
  heartbeatIntervalMs: 100,
  electionTimeoutMinMs: 500,
  electionTimeoutMaxMs: 1_000,
  maxBatchBytes: 4 * 1024 * 1024,
  segmentBytes: 64 * 1024 * 1024,
  cacheBytes: 8 * 1024 * 1024,
  retentionMs: 72 * 60 * 60 * 1_000,
  retentionBytes: 0,
  catchUpBytesPerSecond: 64 * 1024 * 1024,
  scrubBytesPerSecond: 8 * 1024 * 1024,
  preferredLeader: '',
  replaceLostDisks: true,
} as const;
