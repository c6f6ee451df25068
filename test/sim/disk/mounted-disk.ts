/** A disk as one process sees it: the operations of `Disk`, each a row of steps that can be interrupted between them. */
import { assert } from '../../../src/base/assert.ts';
import type { Disk, DiskFile } from '../../../src/storage/disk.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import { diskError, isDiskError } from './disk-error.ts';
import type { DiskQueue, Step } from './disk-queue.ts';
import type { Medium, OpenFile } from './medium.ts';
import type { NameChange } from './name-table.ts';
import type { SyncPoint } from './sim-file.ts';

/** What a process's disk is made of. */
export interface Mount {
  readonly process: SimProcess;
  readonly queue: DiskQueue;
  readonly medium: Medium;
  /** Whether an interrupted change of names happened. */
  readonly random: SimRandom;
}

export function mountedDisk(mount: Mount): Disk {
  const { process, queue, medium } = mount;
  const { names } = medium;
  const looks = <Result>(look: () => Result): Promise<Result> => queue.run(process, [{ takes: 'read', act: () => {} }], look);
  return {
    makeDirectory: (path) =>
      queue.run(
        process,
        changesNames(mount, () => names.makeDirectory(path)),
        () => {},
      ),
    list: (path) => looks(() => names.list(path)),
    readFile: (path) =>
      looks(() => {
        const file = names.find(path);
        return file && medium.read({ path, file }, 0, file.sizeBytes);
      }),
    replaceFile: (path, bytes) => queue.run(process, replaces(mount, path, bytes), () => {}),
    open: (path, { create }) => {
      const opened = (): DiskFile => openFile(mount, { path, file: names.file(path) });
      if (!create) return looks(opened);
      const make = (): NameChange => {
        if (names.has(path)) throw diskError('EEXIST', path);
        return names.create(path);
      };
      return queue.run(process, changesNames(mount, make), opened);
    },
    rename: (from, to) => {
      const rename = (): NameChange => {
        assert(names.find(from)?.isOpen !== true, `a file is not renamed while it is open: ${from}`);
        return names.rename(from, to);
      };
      return queue.run(process, changesNames(mount, rename), () => {});
    },
    remove: (path) =>
      queue.run(
        process,
        changesNames(mount, () => names.remove(path)),
        () => {},
      ),
  };
}

/** Makes a change, then syncs its directory. Whoever looks between the two sees it; a power cut may still undo it. */
function changesNames({ medium, random }: Mount, make: () => NameChange | undefined): [Step, Step] {
  let change: NameChange | undefined;
  const perhaps = (): void => {
    if (!random.chance(0.5)) return;
    try {
      make();
    } catch (error) {
      if (!isDiskError(error)) throw error;
    }
  };
  return [
    {
      takes: 'name',
      act: () => {
        change = make();
      },
      interrupted: perhaps,
    },
    {
      takes: 'name',
      act: () => {
        if (change !== undefined) medium.names.settle(change);
      },
    },
  ];
}

/** The four system calls of an atomic replacement. One that is interrupted or fails leaves the temporary file. */
function replaces(mount: Mount, path: string, bytes: Uint8Array): [Step, ...Step[]] {
  const { medium } = mount;
  const { names } = medium;
  const temporary = `${path}.tmp`;
  const place = (): OpenFile => ({ path: temporary, file: names.file(temporary) });
  let point: SyncPoint | undefined;
  return [
    {
      takes: 'write',
      act: () => {
        names.create(temporary);
        medium.write(place(), 0, [bytes]);
        point = place().file.beginSync();
      },
      interrupted: () => {
        if (!mount.random.chance(0.5)) return;
        names.create(temporary);
        medium.writeInterrupted(place(), 0, [bytes]);
      },
    },
    {
      takes: 'sync',
      act: () => {
        assert(point !== undefined, 'a file is written before it is synced');
        medium.sync(place(), point);
      },
    },
    ...changesNames(mount, () => names.rename(temporary, path)),
  ];
}

function openFile({ process, queue, medium }: Mount, open: OpenFile): DiskFile {
  const { file } = open;
  const handle = file.open(process);
  let closed = false;
  const does = <Result>(steps: readonly [Step, ...Step[]], result: () => Result): Promise<Result> => {
    if (closed) return queue.run(process, [{ takes: 'read', act: () => refuse(open.path) }], result);
    return queue.run(process, steps, result);
  };
  const looks = <Result>(look: () => Result): Promise<Result> => does([{ takes: 'read', act: () => {} }], look);
  const writes = (position: number, buffers: readonly Uint8Array[]): Step => ({
    takes: 'write',
    act: () => medium.write(open, position, buffers),
    interrupted: () => medium.writeInterrupted(open, position, buffers),
  });
  return {
    size: () => looks(() => file.sizeBytes),
    read: (position, length) => looks(() => medium.read(open, position, length)),
    write: (position, buffers) => does([writes(position, buffers)], () => {}),
    sync: () => {
      // What is written while it runs may be durable or not.
      const point = file.beginSync();
      return does([{ takes: 'sync', act: () => medium.sync(open, point) }], () => {});
    },
    writeDurably: (position, buffers) => {
      let point: SyncPoint | undefined;
      const write = writes(position, buffers);
      const written: Step = {
        ...write,
        act: () => {
          write.act();
          point = file.beginSync();
        },
      };
      const sync = (): void => {
        assert(point !== undefined, 'bytes are written before they are synced');
        const length = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
        medium.syncRange(open, point, position, length);
      };
      return does([written, { takes: 'sync', act: sync }], () => {});
    },
    close: () => {
      const first = !closed;
      closed = true;
      const close = (): void => {
        if (first) file.close(handle);
      };
      return queue.run(process, [{ takes: 'read', act: close }], () => {});
    },
  };
}

function refuse(path: string): never {
  throw diskError('EBADF', path);
}
