/** How bad a run is. Drawn anew for every seed, each fault with its own rate and half of them not at all: so that some runs see one alone. */
import type { SimRandom } from '../engine/sim-random.ts';

export interface Weather {
  /** That found the group. */
  readonly nodes: number;
  /** That belong to it later, or never. */
  readonly spares: number;
  readonly routers: number;
  readonly producers: number;
  readonly readers: number;
  /** They ask where queues end. */
  readonly latestReaders: number;
  readonly queues: number;
  /** Broker groups, over which the queues are spread; all on the nodes that found them. */
  readonly groups: number;
  /** How long faults go on, ms. */
  readonly safetyMs: number;
  /** Whether clients stop before the weather clears: progress must be made without them too. */
  readonly quiet: boolean;
  /** Per second of simulated time, for the whole cluster. */
  readonly rates: Readonly<Record<FaultKind, number>>;
  /** Of peer messages. */
  readonly peerLoss: number;
  readonly peerDuplication: number;
  readonly peerReorder: number;
  readonly latencyMs: number;
  readonly clockDrift: number;
  readonly heartbeatIntervalMs: number;
  /** Shortest; the longest is twice that. */
  readonly electionTimeoutMs: number;
  /** Windows and messages of consensus: tiny ones cut everything into small steps. */
  readonly raftLimits: {
    readonly maxAppendBytes: number;
    readonly maxInflightAppends: number;
    readonly maxUncommittedBytes: number;
  };
  /** '' for none. */
  readonly preferredLeader: string;
  readonly segmentBytes: number;
  /** 0: nothing is ever dropped for its age, its size. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly snapshotPieceBytes: number;
  /** How long a leader waits before it takes back a lost disk. */
  readonly lostDiskAfterMs: number;
  /** Of what those that are far behind may take. */
  readonly catchUpBytesPerSecond: number;
  readonly cacheBytes: number;
  /** Before the scrubber's first pass, and between two. */
  readonly scrubPauseMs: number;
  readonly maxRecordBytes: number;
  readonly meanPauseMs: number;
  readonly maxBurst: number;
  readonly deliveryTimeoutMs: number;
  readonly maxInFlightBatches: number;
}

export const FAULT_KINDS = [
  'killNode',
  'killLeader',
  'powerCut',
  'powerCutAll',
  'pauseNode',
  'stopNode',
  'transferLeader',
  'partition',
  'isolateLeader',
  'cutLink',
  'cutOneWay',
  'resetConnections',
  'killRouter',
  'killClient',
  'wallClockJump',
  'stallDisk',
  'slowDisk',
  'fillDisk',
  'failSync',
  'changeMembers',
  'wipeDisk',
  'flipBit',
  'zeroSector',
  'loseSegment',
  'unreadableSector',
  'loseWrite',
  'misdirectWrite',
  'rotSnapshot',
  'loseSnapshot',
  'loseHead',
  'changeWhileParted',
  'handOverUnheard',
  'replaceDiskOfQuorum',
  'fallBehind',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** The most often, per second, that a fault is drawn. */
const MOST: Readonly<Record<FaultKind, number>> = {
  killNode: 0.5,
  killLeader: 0.5,
  powerCut: 0.5,
  powerCutAll: 0.1,
  pauseNode: 0.3,
  stopNode: 0.3,
  transferLeader: 0.5,
  partition: 0.3,
  isolateLeader: 0.3,
  cutLink: 0.5,
  cutOneWay: 0.5,
  resetConnections: 1,
  killRouter: 0.2,
  killClient: 0.2,
  wallClockJump: 0.5,
  stallDisk: 0.2,
  slowDisk: 0.2,
  fillDisk: 0.1,
  failSync: 0.1,
  changeMembers: 1,
  wipeDisk: 0.1,
  flipBit: 0.5,
  zeroSector: 0.2,
  loseSegment: 0.05,
  unreadableSector: 0.2,
  loseWrite: 0.2,
  misdirectWrite: 0.2,
  rotSnapshot: 0.2,
  loseSnapshot: 0.1,
  loseHead: 0.02,
  changeWhileParted: 2,
  handOverUnheard: 1,
  replaceDiskOfQuorum: 2,
  fallBehind: 1,
};

/** Those that only a disk that rots has. */
const ROT = [
  'flipBit',
  'zeroSector',
  'loseSegment',
  'unreadableSector',
  'loseWrite',
  'misdirectWrite',
  'rotSnapshot',
  'loseSnapshot',
  'loseHead',
] as const;
const NO_ROT = Object.fromEntries(ROT.map((kind) => [kind, 0]));

/** Only where the weather makes the cluster for them. */
const NEEDING_A_CLUSTER_OF_THEIR_OWN = {
  changeMembers: 0,
  wipeDisk: 0,
  ...NO_ROT,
  changeWhileParted: 0,
  handOverUnheard: 0,
  replaceDiskOfQuorum: 0,
  fallBehind: 0,
} as const;

export function drawWeather(random: SimRandom): Weather {
  const weather = drawKind(random);
  // Logs are cut every second or so: a snapshot must be fetched before the next one takes its place.
  return { ...weather, snapshotPieceBytes: Math.max(weather.snapshotPieceBytes, 100 * weather.latencyMs) };
}

function drawKind(random: SimRandom): Weather {
  const drawn = draw(random);
  const plots = [changingSides, handingOver, replacingDisks, fallingBehind];
  if (random.chance(0.25)) return { ...drawn, ...random.pick(plots)(drawn, random) };
  if (random.chance(0.2)) return { ...drawn, ...duel(drawn, random) };
  if (random.chance(0.3)) return { ...drawn, ...comingAndGoing(drawn, random) };
  if (random.chance(0.3)) return { ...drawn, ...rotting(drawn, random) };
  // What is picked on above are the members and disks of one group.
  const groups = random.pick([1, 1, 2, 3]);
  return { ...drawn, groups, preferredLeader: groups === 1 ? drawn.preferredLeader : '' };
}

/**
 * Leaders that hardly get to lead: elections all the time, each message on its own, everything slow against the timeouts. Little else
 * happens, so that there are hundreds of them in a run: figure 8 of the paper, and what lies near it, needs several in the right order.
 */
function duel(drawn: Weather, random: SimRandom): Partial<Weather> {
  return {
    nodes: random.pick([3, 5, 5]),
    producers: 1,
    readers: 1,
    latencyMs: random.pick([2, 10]),
    heartbeatIntervalMs: 20,
    electionTimeoutMs: 60,
    raftLimits: { ...drawn.raftLimits, maxAppendBytes: 1 },
    rates: {
      ...drawn.rates,
      killLeader: 1 + 4 * random.fraction(),
      isolateLeader: 4 * random.fraction(),
      partition: 2 * random.fraction(),
    },
    meanPauseMs: 50,
    maxBurst: 3,
    deliveryTimeoutMs: 5_000,
  };
}

/** A plot takes seconds to run its course: little else may happen meanwhile. */
function mostly(plot: FaultKind, { rates }: Weather, random: SimRandom): Record<FaultKind, number> {
  const few = FAULT_KINDS.map((kind) => [kind, random.chance(0.2) ? rates[kind] : 0]);
  return { ...(Object.fromEntries(few) as Record<FaultKind, number>), [plot]: MOST[plot] };
}

/** Whole sets of voters are exchanged, and the network parts along that line. */
function changingSides(drawn: Weather, random: SimRandom): Partial<Weather> {
  return {
    nodes: random.pick([3, 3, 3, 5]),
    spares: 2,
    latencyMs: random.pick([0.5, 2]),
    meanPauseMs: 100,
    rates: mostly('changeWhileParted', drawn, random),
  };
}

/** Leaders hand over and do not learn what came of it, while many ask how far things are. */
function handingOver(drawn: Weather, random: SimRandom): Partial<Weather> {
  return {
    nodes: random.pick([3, 3, 5]),
    latencyMs: random.pick([0.1, 0.5, 2]),
    heartbeatIntervalMs: 500,
    electionTimeoutMs: 1_000,
    latestReaders: 4,
    meanPauseMs: random.pick([20, 100]),
    rates: mostly('handOverUnheard', drawn, random),
  };
}

/** One disk after the other is exchanged, each at a bad moment. */
function replacingDisks(drawn: Weather, random: SimRandom): Partial<Weather> {
  return {
    nodes: random.pick([3, 3, 5]),
    latencyMs: random.pick([0.1, 0.5, 2]),
    meanPauseMs: 50,
    rates: mostly('replaceDiskOfQuorum', drawn, random),
  };
}

/** Logs are cut short behind the back of whoever is away, so that it gets a snapshot; meanwhile the leader asks again and again. */
function fallingBehind(drawn: Weather, random: SimRandom): Partial<Weather> {
  return {
    nodes: 3,
    producers: 2,
    safetyMs: 30_000,
    heartbeatIntervalMs: 50,
    electionTimeoutMs: 150,
    segmentBytes: 16 * 1024,
    retentionMs: 1_000,
    retentionBytes: 5_000,
    maxRecordBytes: 1_000,
    meanPauseMs: 50,
    rates: mostly('fallBehind', drawn, random),
  };
}

/** Members come and go all the time, on disks that are exchanged. */
function comingAndGoing(drawn: Weather, random: SimRandom): Partial<Weather> {
  return {
    nodes: random.pick([1, 3, 3, 5]),
    spares: 2,
    lostDiskAfterMs: random.pick([500, 2_000, 10_000]),
    rates: { ...drawn.rates, changeMembers: 0.2 + 2 * random.fraction(), wipeDisk: random.pick([0, 0.2]) },
  };
}

/** One disk rots: what was durable there is no longer what was written. A minority, so that nothing may be lost. */
function rotting(drawn: Weather, random: SimRandom): Partial<Weather> {
  const some = (most: number): number => (random.chance(0.7) ? random.fraction() * most : 0);
  return {
    nodes: random.pick([3, 3, 5]),
    segmentBytes: 16 * 1024,
    // Much is written, little or nothing is dropped, and nodes start often: that is when a log is looked at.
    retentionMs: random.pick([0, 2_000]),
    retentionBytes: 0,
    maxRecordBytes: 1_000,
    meanPauseMs: 20,
    maxBurst: 3,
    producers: 1,
    cacheBytes: 0,
    rates: {
      ...drawn.rates,
      killNode: 0.3,
      powerCut: 0.3,
      ...Object.fromEntries(ROT.map((kind) => [kind, some(4 * MOST[kind])])),
    },
  };
}

function draw(random: SimRandom): Weather {
  const some = (most: number): number => (random.chance(0.5) ? random.fraction() * most : 0);
  // Now and then everything comes at once.
  const storm = random.pick([1, 1, 1, 3, 8]);
  const rates = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, storm * some(MOST[kind])])) as Record<FaultKind, number>;
  return {
    nodes: random.pick([1, 3, 3, 3, 3, 3, 5, 5]),
    spares: 0,
    routers: random.between(1, 2),
    producers: random.between(1, 3),
    readers: random.between(1, 2),
    latestReaders: 1,
    queues: random.between(1, 4),
    groups: 1,
    safetyMs: random.between(5_000, 30_000),
    quiet: random.chance(0.2),
    rates: { ...rates, ...NEEDING_A_CLUSTER_OF_THEIR_OWN },
    peerLoss: some(0.2),
    peerDuplication: some(0.2),
    peerReorder: some(0.2),
    latencyMs: random.pick([0.1, 0.5, 2, 10]),
    clockDrift: some(0.02),
    heartbeatIntervalMs: 100,
    electionTimeoutMs: 500,
    raftLimits: {
      maxAppendBytes: random.pick([1, 300, 4_000, 1024 * 1024]),
      maxInflightAppends: random.pick([1, 4, 64]),
      maxUncommittedBytes: random.pick([2_000, 100_000, 64 * 1024 * 1024]),
    },
    preferredLeader: random.pick(['', '', 'n1']),
    segmentBytes: random.pick([16, 64, 256]) * 1024,
    retentionMs: random.pick([0, 0, 1_000, 5_000]),
    retentionBytes: random.pick([0, 0, 5_000, 50_000]),
    snapshotPieceBytes: random.pick([100, 1_000, 1024 * 1024]),
    catchUpBytesPerSecond: random.pick([200_000, 1024 * 1024]),
    lostDiskAfterMs: 10_000,
    cacheBytes: random.pick([0, 4 * 1024, 1024 * 1024]),
    maxRecordBytes: random.pick([10, 100, 1_000]),
    meanPauseMs: random.pick([20, 100, 300, 1_000]),
    maxBurst: random.pick([1, 3, 10]),
    deliveryTimeoutMs: random.pick([1_000, 5_000, 30_000]),
    maxInFlightBatches: random.pick([1, 4, 32]),
    scrubPauseMs: random.pick([500, 5_000, 60_000]),
  };
}
