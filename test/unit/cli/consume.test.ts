import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { LineWriter } from '../../../src/cli/line-writer.ts';
import { StallWatch } from '../../../src/cli/stall-watch.ts';

describe('LineWriter', () => {
  it('ends each value with a newline, in few writes', async () => {
    const writes: Buffer[] = [];
    const output = new Writable({
      write(chunk: Buffer, _, done) {
        if (chunk.length > 0) writes.push(chunk);
        done();
      },
    });
    const writer = new LineWriter(output);
    const expected: string[] = [];
    for (let line = 0; line < 100_000; line += 1) {
      expected.push(`line ${line}\n`);
      const full = writer.write(Buffer.from(`line ${line}`));
      if (full !== undefined) await full;
    }
    await writer.written();
    expect(Buffer.concat(writes).toString()).toBe(expected.join(''));
    expect(writes.length).toBeLessThan(10);
  });

  it('asks to wait while the output is full', async () => {
    const output = new PassThrough({ highWaterMark: 1 });
    const writer = new LineWriter(output);
    let freed = false;
    const full = writer.write(Buffer.alloc(300_000, 'x'))?.then(() => {
      freed = true;
    });
    expect(full).toBeDefined();
    await new Promise((resolve) => setImmediate(resolve));
    expect(freed).toBe(false);
    output.resume();
    await full;
    expect(freed).toBe(true);
  });

  it('shows a lone record without waiting for more', async () => {
    const output = new PassThrough();
    new LineWriter(output).write(Buffer.from('one'));
    const [shown] = (await once(output, 'data')) as [Buffer];
    expect(shown.toString()).toBe('one\n');
  });
});

describe('StallWatch', () => {
  it('aborts when nothing moves, and not while it is paused', async () => {
    const watch = new StallWatch(80);
    for (let at = 0; at < 10; at += 1) {
      await sleep(20);
      watch.progress();
    }
    expect(watch.signal.aborted).toBe(false);
    watch.pause();
    await sleep(200);
    expect(watch.signal.aborted).toBe(false);
    watch.progress();
    await sleep(300);
    expect(watch.signal.aborted).toBe(true);
    watch.end();
  });
});
