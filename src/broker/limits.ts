/**
 * Limits that decide what the replicated state becomes. Every replica must cut at the same place, so they are constants of the format,
 * not settings.
 */
export const MAX_TOPICS = 10_000;
export const MAX_QUEUES_PER_TOPIC = 1_024;
export const MAX_TOPIC_NAME = 127;
/** Producer sessions kept. The one whose last batch is oldest in the log goes first. */
export const MAX_PRODUCERS = 10_000;
export const MAX_PRODUCER_NAME = 127;
/** A session that has been silent for longer goes at the next checkpoint, ms: by the clocks of those who led at the checkpoints. */
export const PRODUCER_SESSION_MS = 7 * 24 * 60 * 60 * 1_000;
/** (producer, queue) pairs kept over all sessions. */
export const MAX_PRODUCER_WINDOWS = 100_000;
/** Batches per producer and queue whose offset is remembered: how many a producer may have in flight on one queue. */
export const PRODUCER_WINDOW_BATCHES = 32;
/** Checkpoints kept, at which the log may be cut: retention is exact to about this part of what is retained. */
export const MAX_MARKS = 64;
/** Records of one AppendRecords call. */
export const MAX_RECORDS_PER_CALL = 10_000;
/** Of the offsets that one CommitOffsets call commits: as many as a topic has queues. */
export const MAX_OFFSETS_PER_COMMIT = MAX_QUEUES_PER_TOPIC;
export const MAX_CONSUMER_GROUP_NAME = 127;
/** Consumer groups with offsets in one broker group, and (consumer group, queue) pairs over all of them. More are refused: a position is dropped by age alone. */
export const MAX_CONSUMER_GROUPS = 10_000;
export const MAX_CONSUMER_OFFSETS = 100_000;
/** A consumer group's offsets are kept so long after its last commit; see ConsumerOffsets.checkpoint. */
export const CONSUMER_GROUP_KEPT_MS = 30 * 24 * 3_600 * 1_000;
