/** The keys of a broker's configuration file, their ranges and defaults. */
import { z } from 'zod';
import { BROKER_DEFAULTS } from '../../broker/broker-config.ts';
import { address, name, settingFacts, wholeNumber } from './setting.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const member = z
  .strictObject({
    id: name({ meaning: 'nodeId of the member.' }),
    address: address(1, { meaning: '`advertise` of the member.' }),
  })
  .register(settingFacts, { meaning: 'One member.', allowed: '{ id, address }' });

export const brokerSchema = z.strictObject({
  nodeId: name({
    meaning:
      "This node's name: no two nodes of a group may ever run under the same one. Left out of a file for all nodes: `--node-id` or LOGRAFT_NODE_ID gives it.",
    whenMissing: 'a file for all nodes needs --node-id or LOGRAFT_NODE_ID beside it',
  }),
  listen: address(0, {
    meaning: 'Where clients and peers connect.',
    defaultText: "0.0.0.0 (`[::]` for an IPv6 address), port of the node's entry in `members`",
  }).optional(),
  advertise: address(1, {
    meaning:
      'Where others reach this node: the address of its entry in `members`. Needed when `listen` is a wildcard with another port, or has port 0.',
    defaultText: "`listen`; when that is a wildcard, the node's entry in `members`",
  }).optional(),
  dataDir: z.string().min(1).register(settingFacts, {
    meaning: "Directory for all of the node's data. Belongs to this node alone. A relative one starts at the working directory.",
    allowed: 'a path',
  }),
  group: name({
    meaning: 'Name of the first broker group, which keeps the catalogue of topics. Others count on from it: g1, g2, g3.',
  }).default(BROKER_DEFAULTS.group),
  members: z.array(member).min(1).max(100).register(settingFacts, {
    meaning: 'All nodes, this one among them, the same list in the same order on each: where groups are founded.',
    allowed: 'a list of 1 to 100 { id, address }, no id or address twice',
  }),
  replicaGroups: wholeNumber(
    { minimum: 1, maximum: 1_000 },
    { meaning: 'Number of broker groups, spread over the members, the leaders as well. The same on each node.' },
  ).default(BROKER_DEFAULTS.replicaGroups),
  replicaFactor: z
    .union([z.literal(1), z.literal(3), z.literal(5), z.literal(7)])
    .register(settingFacts, {
      meaning: 'Members of each group: ⌊n/2⌋+1 of them must be up. The same on each node.',
      allowed: '1, 3, 5 or 7',
      defaultText: 'all members',
    })
    .optional(),
  routers: z
    .array(address(1, { meaning: 'One router.' }))
    .register(settingFacts, {
      meaning: 'Every router. Without one, clients cannot find the leader.',
      allowed: 'a list of host:port',
      defaultText: 'none',
    })
    .default([]),
  heartbeatIntervalMs: wholeNumber(
    { minimum: 10, maximum: 10_000 },
    { meaning: "Between a leader's signs of life. At most half of `electionTimeoutMinMs`.", unit: 'ms' },
  ).default(BROKER_DEFAULTS.heartbeatIntervalMs),
  electionTimeoutMinMs: wholeNumber(
    { minimum: 20, maximum: 60_000 },
    { meaning: 'Shortest silence of the leader before an election. Each wait is drawn between this and the next.', unit: 'ms' },
  ).default(BROKER_DEFAULTS.electionTimeoutMinMs),
  electionTimeoutMaxMs: wholeNumber(
    { minimum: 20, maximum: 120_000 },
    { meaning: 'Longest such silence. Above `electionTimeoutMinMs`; twice it is good.', unit: 'ms' },
  ).default(BROKER_DEFAULTS.electionTimeoutMaxMs),
  maxBatchBytes: wholeNumber(
    { minimum: KIB, maximum: 32 * MIB },
    { meaning: 'Largest record batch, encoded. A record travels in one batch. The same on each member.', unit: 'bytes' },
  ).default(BROKER_DEFAULTS.maxBatchBytes),
  segmentBytes: wholeNumber(
    { minimum: MIB, maximum: 1024 * MIB, multipleOf: 64 },
    { meaning: 'Size of one log file. One more is kept ready ahead. Holds for files made from now on.', unit: 'bytes' },
  ).default(BROKER_DEFAULTS.segmentBytes),
  cacheBytes: wholeNumber(
    { minimum: MIB },
    { meaning: 'Recent log entries kept in memory for readers and peers.', unit: 'bytes' },
  ).default(BROKER_DEFAULTS.cacheBytes),
  retentionMs: wholeNumber(
    { minimum: 0, maximum: 10 * 365 * 24 * 60 * 60 * 1_000 },
    {
      meaning:
        'How long records are kept at least; 0: their age does not matter. What is older goes by the piece, a 32nd of this at a time. The same on each member.',
      unit: 'ms',
    },
  ).default(BROKER_DEFAULTS.retentionMs),
  retentionBytes: wholeNumber(
    { minimum: 0 },
    {
      meaning:
        'How much of the newest data is kept at least; 0: the size does not matter. What is more goes by the piece, at least a log file at a time. The same on each member.',
      unit: 'bytes',
    },
  ).default(BROKER_DEFAULTS.retentionBytes),
  catchUpBytesPerSecond: wholeNumber(
    { minimum: MIB },
    { meaning: "What a member that is far behind may take of the leader's disk and network, each second.", unit: 'bytes' },
  ).default(BROKER_DEFAULTS.catchUpBytesPerSecond),
  scrubBytesPerSecond: wholeNumber(
    { minimum: 0 },
    {
      meaning:
        'What is read of the log in the background each second, to find rot while other members still have what it took. 0: nothing.',
      unit: 'bytes',
    },
  ).default(BROKER_DEFAULTS.scrubBytesPerSecond),
  preferredLeader: z
    .string()
    .register(settingFacts, {
      meaning:
        'The member that shall lead when it can. Whoever leads gives back to it once it has been well for five seconds. For one group only: several are spread evenly.',
      allowed: "a node's name",
      defaultText: 'none',
    })
    .default(BROKER_DEFAULTS.preferredLeader),
  replaceLostDisks: z
    .boolean()
    .register(settingFacts, {
      meaning:
        'Whether a member that comes back with a wiped disk is taken back by itself, once the former disk was not heard of for ten seconds: as a learner first, then with its vote. The same on each member.',
      allowed: 'true or false',
    })
    .default(BROKER_DEFAULTS.replaceLostDisks),
});

export type BrokerFile = z.infer<typeof brokerSchema>;
