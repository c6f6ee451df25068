/** The only door to the file system for the log, so that tests can lose, tear, reorder, rot, stall and fill it. */
export interface Disk {
  /** Creates the directory and its parents; durable when it resolves. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory, sorted; `[]` when it does not exist. */
  list(path: string): Promise<string[]>;
  /** Whole small file; undefined when it does not exist. */
  readFile(path: string): Promise<Buffer | undefined>;
  /** Replaces a small file: temporary file, fsync, rename, fsync of the directory. Durable when it resolves. */
  replaceFile(path: string, bytes: Uint8Array): Promise<void>;
  /** Opens for reading and writing; not to be renamed while open. `create`: must not exist yet; else must exist. */
  open(path: string, options: { create: boolean }): Promise<DiskFile>;
  /** Durable when it resolves. */
  rename(from: string, to: string): Promise<void>;
  /** Durable when it resolves. */
  remove(path: string): Promise<void>;
}

export interface DiskFile {
  size(): Promise<number>;
  /** Reads exactly `length` bytes at `position`, fewer only at the end of the file. */
  read(position: number, length: number): Promise<Buffer>;
  /** Writes all of the buffers, one after the other, from `position`. Not durable before `sync`. */
  write(position: number, buffers: readonly Uint8Array[]): Promise<void>;
  /** fdatasync: what was written is durable when it resolves. A failure is terminal: never retried. */
  sync(): Promise<void>;
  /**
   * `write` and `sync` in one: one system call instead of two where the system can (O_DSYNC). Durable when it resolves, and so is what
   * was written before to the same bytes; other writes still need `sync`. A failure is terminal.
   */
  writeDurably(position: number, buffers: readonly Uint8Array[]): Promise<void>;
  close(): Promise<void>;
}
