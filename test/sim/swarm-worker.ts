/** Runs the seeds that it is sent, one after the other. */
import { type SimulationResult, simulate } from './simulation.ts';

export interface FinishedSeed {
  readonly type: 'finished';
  readonly result: SimulationResult;
}

export interface FailedSeed {
  readonly type: 'failed';
  readonly seed: number;
  readonly error: string;
}

export type WorkerMessage = FinishedSeed | FailedSeed;

process.on('message', async ({ seed }: { seed: number }) => {
  let message: WorkerMessage;
  try {
    message = { type: 'finished', result: await simulate({ seed }) };
  } catch (error) {
    message = { type: 'failed', seed, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  process.send?.(message);
});
