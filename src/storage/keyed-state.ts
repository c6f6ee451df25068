/** What is derived from the log, by key: not empty, not beginning with byte 0. Keys sort as bytes do. After a crash it holds a prefix of the batches
 * written to it, or nothing: either way it is whole, and the log makes up for the rest. */
export interface KeyedState {
  get(key: Buffer): Promise<Buffer | undefined>;
  /** One atomic batch. Survives the process at once, the machine only after `sync`. */
  write(puts: readonly (readonly [Buffer, Buffer])[], deletes: readonly Buffer[]): Promise<void>;
  /** In ascending order, or descending when `reverse`; what was there when it began. */
  range(range: KeyRange): AsyncIterable<[Buffer, Buffer]>;
  /** Everything written before is durable when it resolves. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface KeyRange {
  /** First key. Default: the first there is. */
  readonly from?: Buffer | undefined;
  /** First key that is left out. Default: none. */
  readonly to?: Buffer | undefined;
  readonly reverse?: boolean | undefined;
  /** Most pairs returned. Default: all. */
  readonly limit?: number | undefined;
}
