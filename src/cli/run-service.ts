/** The life of a long-running process: start, serve, stop on a signal, or fail loudly. */
import type { Logger } from 'pino';
import { describeFailure } from './cli-error.ts';

export interface Service {
  stop(): Promise<void>;
  /** Resolves when the process must not go on. */
  readonly failed?: Promise<Error>;
}

/** Exit code for a defect: nothing the configuration or the environment could cause. */
const DEFECT = 70;
/** `npm` and `npx` pass Ctrl-C on to a process that the terminal has already told: that is one wish, not two. */
const SAME_CTRL_C_MS = 500;

/** Rejects when the service does not start. Else never returns: it ends the process. */
export async function runService(logger: Logger, start: () => Promise<Service>): Promise<never> {
  exitOnDefect(logger);
  const life: { service: Service | undefined; stoppingSince: number | undefined } = {
    service: undefined,
    stoppingSince: undefined,
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // Before it serves it has promised nothing; what it wrote so far is made to survive a crash.
      if (life.service === undefined) process.exit(0);
      if (life.stoppingSince !== undefined) {
        if (signal === 'SIGINT' && performance.now() - life.stoppingSince < SAME_CTRL_C_MS) return;
        logger.warn({ signal }, 'second signal: exiting at once');
        process.exit(1);
      }
      life.stoppingSince = performance.now();
      logger.info({ signal }, 'stopping');
      void stopAndExit(life.service, logger);
    });
  }
  life.service = await start();
  void life.service.failed?.then((error) => {
    process.stderr.write(`lograft: ${describeFailure(error)}\n`);
    process.exit(1);
  });
  return new Promise<never>(() => {});
}

async function stopAndExit(service: Service, logger: Logger): Promise<void> {
  try {
    await service.stop();
    process.exit(0);
  } catch (error) {
    logger.fatal({ err: error }, 'stopping failed');
    process.stderr.write(`lograft: stopping failed: ${describeFailure(error)}\n`);
    process.exit(1);
  }
}

function exitOnDefect(logger: Logger): void {
  const fail = (kind: string) => (error: unknown) => {
    logger.fatal({ err: error }, kind);
    process.stderr.write(`lograft: internal error (${kind}): ${describeFailure(error)}. Please report it with the log.\n`);
    process.exit(DEFECT);
  };
  process.on('uncaughtException', fail('uncaught exception'));
  process.on('unhandledRejection', fail('unhandled rejection'));
}
