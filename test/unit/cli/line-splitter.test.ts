import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../../src/cli/line-splitter.ts';

function split(chunks: readonly Buffer[]): Buffer[] {
  const splitter = new LineSplitter();
  const lines = chunks.flatMap((chunk) => splitter.push(chunk));
  const last = splitter.end();
  return last === undefined ? lines : [...lines, last];
}

/** The same on the whole, one byte a character. */
function plainSplit(bytes: Buffer): string[] {
  const parts = bytes.toString('latin1').split('\n');
  return parts.at(-1) === '' ? parts.slice(0, -1) : parts;
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const points = [0, ...at.map((point) => point % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return points.slice(1).map((end, index) => bytes.subarray(points[index], end));
}

// Many newlines, "\r" and bytes that are not UTF-8.
const byte = fc.oneof(fc.constant(0x0a), fc.constant(0x0d), fc.integer({ min: 0, max: 255 }));

describe('LineSplitter', () => {
  it('gives the lines of the whole however it is cut', () => {
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 200 }), fc.array(fc.nat(), { maxLength: 20 }), (content, points) => {
        const bytes = Buffer.from(content);
        expect(split(cut(bytes, points)).map((line) => line.toString('latin1'))).toEqual(plainSplit(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['\n', ['']],
    ['\n\n', ['', '']],
    ['a\n\nb', ['a', '', 'b']],
    ['a\r\nb\r', ['a\r', 'b\r']],
  ])('splits %j', (text, lines) => {
    expect(split([Buffer.from(text)]).map(String)).toEqual(lines);
  });

  it('splits well above 300 000 short lines a second', () => {
    const chunk = Buffer.from(`${'x'.repeat(20)}\n`.repeat(10_000));
    const splitter = new LineSplitter();
    for (let warm = 0; warm < 5; warm += 1) splitter.push(chunk);
    const start = performance.now();
    let lines = 0;
    for (let round = 0; round < 30; round += 1) lines += splitter.push(chunk).length;
    const perSecond = lines / ((performance.now() - start) / 1_000);
    expect(perSecond).toBeGreaterThan(300_000);
  });
});
