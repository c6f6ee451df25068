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

/** How a value that is missing would have to be written in a file with names of its own. */
export interface OwnWords {
  readonly key: string;
  /** Completes "must be ...". */
  readonly allowed: string;
}

/** A sentence for the user, and the place it is about. */
export interface Remark extends Place {
  readonly text: string;
}

/** A remark that no longer holds when a flag gives the value of one of these keys. */
export interface Warning extends Remark {
  readonly about?: readonly string[];
}

export interface Source {
  /** Whether it has values at all: when not, `problems` say why, and nothing is missing. */
  readonly readable: boolean;
  /** Without those that are wrong already by the file's own format. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly problems: readonly Remark[];
  /** What works, but not as the file may be understood. */
  readonly warnings: readonly Warning[];
  /** `line` is undefined when the file does not have it. */
  placeOf(path: readonly PropertyKey[]): Place;
  ownWordsFor?(path: readonly PropertyKey[]): OwnWords | undefined;
}

export const EMPTY_SOURCE: Source = { readable: true, values: {}, problems: [], warnings: [], placeOf: () => ({}) };

export function unusable(text: string, line?: number): Source {
  return { ...EMPTY_SOURCE, readable: false, problems: [{ text, line }] };
}

export function located(
  { path, text, missing }: Problem,
  { placeOf, ownWordsFor }: Pick<Source, 'placeOf' | 'ownWordsFor'>,
): Remark {
  const own = missing ? ownWordsFor?.(path) : undefined;
  return own === undefined ? { text, ...placeOf(path) } : { text: `${own.key} is missing: must be ${own.allowed}` };
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
