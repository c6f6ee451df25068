/** The names on a disk: which path leads to which file. Changes are in the page cache at once and on the disk later, in their order. */
import { dirname } from 'node:path';
import { diskError } from './disk-error.ts';
import { SimFile } from './sim-file.ts';

export type Named = SimFile | 'directory';

/** One step in the file system's journal. */
export interface NameChange {
  readonly before: readonly (readonly [string, Named | undefined])[];
}

export class NameTable {
  readonly #names = new Map<string, Named>();
  /** Not on the disk yet. */
  #journal: NameChange[] = [];

  get unsettled(): number {
    return this.#journal.length;
  }

  get files(): readonly (readonly [string, SimFile])[] {
    return [...this.#names].filter((entry): entry is [string, SimFile] => entry[1] !== 'directory').sort(byPath);
  }

  has(path: string): boolean {
    return this.#names.has(path);
  }

  find(path: string): SimFile | undefined {
    const named = this.#names.get(path);
    if (named === 'directory') throw diskError('EISDIR', path);
    return named;
  }

  file(path: string): SimFile {
    const file = this.find(path);
    if (file === undefined) throw diskError('ENOENT', path);
    return file;
  }

  list(directory: string): string[] {
    const below = directory.endsWith('/') ? directory : `${directory}/`;
    return [...this.#names.keys()]
      .filter((path) => path.startsWith(below) && !path.includes('/', below.length))
      .map((path) => path.slice(below.length))
      .sort();
  }

  create(path: string): NameChange {
    this.#checkParent(path);
    return this.#change([[path, new SimFile()]]);
  }

  /** Undefined when it is there already: then nothing is changed, and nothing needs to be synced. */
  makeDirectory(path: string): NameChange | undefined {
    const missing: [string, Named][] = [];
    for (let at = path; !isRoot(at) && !this.#names.has(at); at = dirname(at)) missing.push([at, 'directory']);
    return missing.length === 0 ? undefined : this.#change(missing);
  }

  rename(from: string, to: string): NameChange {
    const file = this.file(from);
    this.#checkParent(to);
    return this.#change([
      [from, undefined],
      [to, file],
    ]);
  }

  remove(path: string): NameChange {
    this.file(path);
    return this.#change([[path, undefined]]);
  }

  /** A synced directory: the journal up to this change, and with it everything before, is on the disk. */
  settle(change: NameChange): void {
    this.#journal.splice(0, this.#journal.indexOf(change) + 1);
  }

  /** Only the first `kept` changes that were not settled happened. */
  powerCut(kept: number): void {
    for (const { before } of this.#journal.splice(kept).reverse()) for (const [path, named] of before) this.#put(path, named);
    this.#journal = [];
  }

  /** Gone from the medium, whatever is in flight. */
  lose(path: string): void {
    this.file(path);
    this.#names.delete(path);
    this.#journal = [];
  }

  loseAll(): void {
    this.#names.clear();
    this.#journal = [];
  }

  #change(after: readonly (readonly [string, Named | undefined])[]): NameChange {
    const change = { before: after.map(([path]) => [path, this.#names.get(path)] as const) };
    for (const [path, named] of after) this.#put(path, named);
    this.#journal.push(change);
    return change;
  }

  #put(path: string, named: Named | undefined): void {
    if (named === undefined) this.#names.delete(path);
    else this.#names.set(path, named);
  }

  #checkParent(path: string): void {
    const parent = dirname(path);
    if (!isRoot(parent) && this.#names.get(parent) !== 'directory') throw diskError('ENOENT', parent);
  }
}

function isRoot(path: string): boolean {
  return path === '/' || path === '.';
}

function byPath([one]: readonly [string, SimFile], [other]: readonly [string, SimFile]): number {
  return one < other ? -1 : 1;
}
