/** The end of a process's log, to show why it went. */
import { readFileSync } from 'node:fs';

/** The last lines written since byte `start`. */
export function logTail(file: string, start: number, lines: number): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return [];
  }
  const text = bytes.subarray(start).toString().trimEnd();
  return text === '' ? [] : text.split('\n').slice(-lines);
}

/** What the process itself gave as the reason, if it did. */
export function lastWords(file: string, start: number): string | undefined {
  const line = logTail(file, start, 20).findLast((candidate) => candidate.startsWith('lograft: '));
  return line?.slice('lograft: '.length);
}
