/** The configurations that the log holds: the last one is in force, and taking it off the log takes it out of force (thesis 4.1). */
import { assert } from '../base/assert.ts';
import { type Configuration, decodeConfiguration } from './configuration.ts';
import type { Entry, LogIndex } from './types.ts';

interface Since {
  /** Log index of its entry; 0 for the founding one. */
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/** Never empty; ascending in index. The first one is what held at the log's base. */
export class ConfigurationHistory {
  #all: Since[];

  constructor(baseIndex: LogIndex, atBase: Configuration, entries: readonly Entry[]) {
    this.#all = [{ index: baseIndex, configuration: atBase }];
    for (const entry of entries) this.append(entry);
  }

  get current(): Configuration {
    return this.#last.configuration;
  }

  /** Where the one in force stands in the log. */
  get currentIndex(): LogIndex {
    return this.#last.index;
  }

  append(entry: Entry): void {
    assert(entry.index > this.currentIndex, 'configurations follow each other');
    this.#all.push({ index: entry.index, configuration: decodeConfiguration(entry.payload) });
  }

  truncateFrom(index: LogIndex): void {
    while (this.#all.length > 1 && this.currentIndex >= index) this.#all.pop();
    assert(this.currentIndex < index, 'what the base has is never truncated');
  }

  /** The one that was in force at `index`, which is not below the base. */
  at(index: LogIndex): Configuration {
    const found = this.#all.findLast((since) => since.index <= index) ?? this.#all[0];
    assert(found !== undefined, 'there is always a configuration');
    return found.configuration;
  }

  /** Those that may yet turn out to be in force: the one at `commitIndex` and all after it. */
  from(commitIndex: LogIndex): readonly Configuration[] {
    const first = this.#all.findLastIndex((since) => since.index <= commitIndex);
    return this.#all.slice(Math.max(0, first)).map((since) => since.configuration);
  }

  /** Forgets what held before `index` only. */
  trim(index: LogIndex): void {
    const kept = this.#all.findLastIndex((since) => since.index <= index);
    this.#all.splice(0, kept);
  }

  reset(index: LogIndex, configuration: Configuration): void {
    this.#all = [{ index, configuration }];
  }

  get #last(): Since {
    const last = this.#all.at(-1);
    assert(last !== undefined, 'there is always a configuration');
    return last;
  }
}
