import { sleep } from '../../../src/base/sleep.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import { type ProgramContext, TOPIC } from './program.ts';

/** Creates the topic, however long it takes. */
export async function createTopic(context: ProgramContext, queues: number): Promise<void> {
  for (;;) {
    try {
      await context.client.admin.createTopic(TOPIC, { queues });
      return;
    } catch (error) {
      if (error instanceof LograftError && error.reason === 'TOPIC_EXISTS') return;
      context.guard(() => {
        if (!(error instanceof LograftError) || error.retry === 'never') throw error;
      });
    }
    await sleep(context.clock, 50);
  }
}
