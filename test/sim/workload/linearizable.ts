/** Asks any node, leader or not, where a queue ends, and wants to hear of everything that was acknowledged before. */

import { sleep } from '../../../src/base/sleep.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import { Position } from '../../../src/rpc/generated/lograft/v1/Position.ts';
import { ReadConsistency } from '../../../src/rpc/generated/lograft/v1/ReadConsistency.ts';
import { LogService } from '../../../src/rpc/protos.ts';
import { type Program, type ProgramContext, TOPIC } from './program.ts';

const TIMEOUT_MS = 5_000;

export function readingTheLatest(queues: number): Program {
  return async (context) => {
    for (;;) {
      await ask(context, context.random.between(0, queues - 1));
      await sleep(context.clock, context.random.between(5, 200));
    }
  };
}

async function ask({ transport, brokers, random, oracle, guard }: ProgramContext, queue: number): Promise<void> {
  const address = random.pick(brokers);
  const channel = transport.dial(address);
  const least = oracle.knownEnd(queue);
  const request = {
    topic: TOPIC,
    queue,
    fromPosition: Position.LATEST,
    consistency: ReadConsistency.LINEARIZABLE,
  };
  try {
    for await (const { nextOffset } of channel.read(LogService.Read, request, { timeoutMs: TIMEOUT_MS })) {
      guard(() => oracle.sawEnd(address, queue, least, nextOffset));
      break;
    }
  } catch (error) {
    guard(() => {
      if (!(error instanceof LograftError) || error.reason === 'INTERNAL') throw error;
    });
  } finally {
    channel.close();
  }
}
