/** The offsets of consumer groups of a fake cluster. */
import { LograftError } from '../../../src/rpc/error.ts';
import type { CommitOffsetsRequest } from '../../../src/rpc/generated/lograft/v1/CommitOffsetsRequest.ts';
import type { FetchOffsetsRequest } from '../../../src/rpc/generated/lograft/v1/FetchOffsetsRequest.ts';

export class FakeOffsets {
  /** Requests that were taken, in order. */
  readonly commits: CommitOffsetsRequest[] = [];
  /** Asked before each commit: an error refuses it. */
  refusal: (request: CommitOffsetsRequest) => LograftError | undefined = () => undefined;
  readonly #offsets = new Map<string, Map<string, number>>();

  commit(request: CommitOffsetsRequest, end: (topic: string, queue: number) => number): object {
    const refusal = this.refusal(request);
    if (refusal !== undefined) throw refusal;
    const { consumerGroup, offsets, reset } = request;
    for (const { topic, queue, offset } of offsets)
      if (offset > end(topic, queue)) throw new LograftError('OFFSET_OUT_OF_RANGE', 'beyond the end');
    const committed = this.#offsets.get(consumerGroup) ?? new Map<string, number>();
    this.#offsets.set(consumerGroup, committed);
    for (const { topic, queue, offset } of offsets) {
      const known = committed.get(`${topic} ${queue}`) ?? -1;
      committed.set(`${topic} ${queue}`, reset ? offset : Math.max(known, offset));
    }
    this.commits.push(request);
    return {};
  }

  fetch({ consumerGroup, topic: wanted }: FetchOffsetsRequest) {
    const offsets = [...(this.#offsets.get(consumerGroup) ?? [])].map(([key, offset]) => {
      const [topic = '', queue] = key.split(' ');
      return { topic, queue: Number(queue), offset };
    });
    return { offsets: offsets.filter(({ topic }) => wanted === '' || topic === wanted) };
  }
}
