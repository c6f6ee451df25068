import type { Configuration } from './configuration.ts';
import type { NodeId } from './types.ts';

export interface RaftConfig {
  readonly id: NodeId;
  /** This node's disk, as members are counted: what {@link Member.disk} of this node must be for its vote to count. */
  readonly disk: string;
  /** In force where the log says nothing else: the same on all members that founded the group, {@link NO_CONFIGURATION} on others. */
  readonly founding: Configuration;
  /** Between a leader's signs of life, ms. Default 100. Must be at most half of electionTimeoutMinMs. */
  readonly heartbeatIntervalMs: number;
  /** Silence before an election: uniform in [min, max], ms. Defaults 500 and 1000. */
  readonly electionTimeoutMinMs: number;
  readonly electionTimeoutMaxMs: number;
  /** Wait after a seen crash of the leader before a PreVote: uniform in [0, this], ms; spreads rivals apart. Default 20. */
  readonly crashElectionSpreadMs: number;
  /** Largest append message, bytes of payload. One entry may exceed it. Default 1 MiB. */
  readonly maxAppendBytes: number;
  /** Append messages in flight per follower. Default 64. */
  readonly maxInflightAppends: number;
  /** Payload bytes in flight per follower; bounds its memory and ours (Little: rate x round trip). Default 32 MiB. */
  readonly maxInflightBytes: number;
  /** Uncommitted payload bytes above which proposals are refused as busy. Default 64 MiB. */
  readonly maxUncommittedBytes: number;
}
