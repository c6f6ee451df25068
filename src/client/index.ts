/** What `import ... from 'lograft'` gives. */
export { type ErrorReason, LograftError, type Retry } from '../rpc/error.ts';
export type { GroupStatus } from '../rpc/generated/lograft/v1/GroupStatus.ts';
export type { MemberStatus } from '../rpc/generated/lograft/v1/MemberStatus.ts';
export type { NodeStatus } from '../rpc/generated/lograft/v1/NodeStatus.ts';
export { Role } from '../rpc/generated/lograft/v1/Role.ts';
export type { Route } from '../rpc/generated/lograft/v1/Route.ts';
export type { RouteGroup } from '../rpc/generated/lograft/v1/RouteGroup.ts';
export type { TopicDescription } from '../rpc/generated/lograft/v1/TopicDescription.ts';
export type { Admin, AdminCallOptions, ClusterStatus, CreateTopicOptions, MemberChange, NodeReport } from './admin.ts';
export { type ClientOptions, LograftClient } from './client.ts';
export type { SentRecord } from './pending-batch.ts';
export type { Producer, ProducerRecord, ProducerStats } from './producer.ts';
export type { LastRecord } from './producer-identity.ts';
export type { ProducerOptions } from './producer-options.ts';
export { queueOfKey } from './producer-topic.ts';
export type { ReadConsistency, ReaderRecord } from './queue-reader.ts';
export type { ReaderOptions } from './reader.ts';
export type { Bytes, RecordHeader } from './record-batch.ts';
