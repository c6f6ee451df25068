import { FIRST_APPLICATION_KIND } from '../raft/types.ts';

/** Payload: an encoded lograft.v1.RecordBatch, as the producer sent it. */
export const KIND_BATCH = FIRST_APPLICATION_KIND;
/** Payload: an encoded lograft.internal.v1.Command. */
export const KIND_COMMAND = FIRST_APPLICATION_KIND + 1;
