/**
 * What a log is after a crash, and after a disk that lied. Units are replayed in order as long as each is whole and the one expected; where
 * that stops, `decisions.ts` decides.
 */
import { LogEnding } from './log-ending.ts';
import { LogWalk } from './log-walk.ts';
import type { RecoveredLog, RecoveryOptions } from './recovered-log.ts';
import type { OpenSegment } from './survey.ts';

/** Reads the whole log. What it returns is durable, whatever the process before this one did. */
export async function recoverLog(options: RecoveryOptions): Promise<RecoveredLog> {
  const { disk, directory, found } = options;
  const opened: OpenSegment[] = [];
  try {
    for (const segment of found.segments) {
      const missing = segment.fault?.kind === 'missing';
      opened.push({ ...segment, file: missing ? undefined : await disk.open(segment.path, { create: false }) });
    }
    const walk = new LogWalk(directory, found, opened);
    const end = await walk.toEnd();
    const recovered = await new LogEnding(options, opened, walk).bringAbout(end);
    for (const path of found.dropped) await disk.remove(path);
    return recovered;
  } catch (error) {
    await Promise.allSettled(opened.map(({ file }) => file?.close()));
    throw error;
  }
}
