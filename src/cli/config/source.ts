/** What a configuration file says, whatever its format, under the keys of docs/configuration.md. */
import { readFileSync } from 'node:fs';
import type { Problem } from './problems.ts';

/** Where a value stands in the file. */
export interface Place {
  /** From 1. */
  readonly line?: number | undefined;
  /** The file's own name for it, where that is another one (a RocketMQ key). */
  readonly key?: string | undefined;
}

/** A sentence for the user, and the place it is about. */
export interface Remark extends Place {
  readonly text: string;
}

/** A remark that no longer holds when a flag gives the value of that key. */
export interface Warning extends Remark {
  readonly about?: string;
}

export interface Source {
  readonly values: Readonly<Record<string, unknown>>;
  /** Why the file cannot be used at all, or what it says against its own format. */
  readonly problems: readonly Remark[];
  /** What works, but not as the file may be understood. */
  readonly warnings: readonly Warning[];
  /** `line` is undefined when the file does not have it. */
  placeOf(path: readonly PropertyKey[]): Place;
}

export const EMPTY_SOURCE: Source = { values: {}, problems: [], warnings: [], placeOf: () => ({}) };

export function unusable(text: string, line?: number): Source {
  return { ...EMPTY_SOURCE, problems: [{ text, line }] };
}

export function located({ path, text }: Problem, placeOf: Source['placeOf']): Remark {
  return { text, ...placeOf(path) };
}

/** "nodeId is missing: must be ... (dLegerSelfId, line 3)". */
export function inWords({ text, key, line }: Remark): string {
  const place = [key, line === undefined ? undefined : `line ${line}`].filter((part) => part !== undefined);
  return place.length === 0 ? text : `${text} (${place.join(', ')})`;
}

/** The content of the file, or the sentence that says why there is none. */
export function readText(file: string): { readonly content: string } | { readonly failure: string } {
  try {
    return { content: readFileSync(file, 'utf8') };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return { failure: missing ? 'there is no such file' : (error as Error).message };
  }
}
