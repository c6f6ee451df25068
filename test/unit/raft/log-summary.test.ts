import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isBehind } from '../../../src/raft/log-position.ts';
import { LogSummary } from '../../../src/raft/log-summary.ts';
import { logIndex, type Term, type TermRun, term } from '../../../src/raft/types.ts';

interface Plain {
  term: number;
  bytes: number | undefined;
}

function runsOf(entries: readonly Plain[]): TermRun[] {
  const runs: TermRun[] = [];
  for (const [position, entry] of entries.entries()) {
    if (runs.at(-1)?.term !== entry.term) runs.push({ term: entry.term as Term, firstIndex: logIndex(position + 1) });
  }
  return runs;
}

function checkTerms(log: LogSummary, plain: readonly Plain[]): void {
  expect(log.lastIndex).toBe(plain.length);
  expect(log.lastTerm).toBe(plain.at(-1)?.term ?? 0);
  for (let index = 0; index <= plain.length; index += 1) {
    const expected = index === 0 ? 0 : plain[index - 1]?.term;
    expect(log.termAt(logIndex(index))).toBe(expected);
    for (let asked = 0; asked <= 8; asked += 1) {
      let last = index;
      while (last > 0 && (plain[last - 1]?.term ?? 0) > asked) last -= 1;
      expect(log.lastIndexWithTermAtMost(logIndex(index), term(asked))).toBe(last);
      expect(log.matches(logIndex(index), term(asked))).toBe(asked === expected);
    }
  }
  expect(log.matches(logIndex(plain.length + 1), log.lastTerm)).toBe(false);
}

function checkSizes(log: LogSummary, plain: readonly Plain[], capacity: number): void {
  const { sizes } = log;
  const known = plain.length - sizes.firstIndex + 1;
  expect(known).toBeLessThanOrEqual(capacity);
  for (let first = sizes.firstIndex as number; first <= plain.length; first += 1) {
    let total = 0;
    for (let last: number = first; last <= plain.length; last += 1) {
      total += plain[last - 1]?.bytes ?? Number.NaN;
      expect(sizes.bytes(logIndex(first), logIndex(last))).toBe(total);
    }
    for (const limit of [0, 1, 7, 30, 1000]) {
      let fits = first as number;
      let bytes = plain[first - 1]?.bytes ?? Number.NaN;
      while (fits < plain.length && bytes + (plain[fits]?.bytes ?? Number.NaN) <= limit)
        bytes += plain[fits++]?.bytes ?? Number.NaN;
      expect(sizes.lastFitting(logIndex(first), limit)).toBe(fits);
    }
  }
}

const NOTHING = { index: logIndex(0), term: term(0) };

describe('log summary', () => {
  test('agrees with a plain array of entries, whatever is appended and truncated', () => {
    const action = fc.oneof(
      { weight: 5, arbitrary: fc.record({ rise: fc.nat(2), bytes: fc.nat(20) }) },
      { weight: 1, arbitrary: fc.record({ keep: fc.double({ min: 0, max: 1, noNaN: true }) }) },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.nat(2), { maxLength: 6 }),
        fc.array(action, { maxLength: 25 }),
        (capacity, restored, actions) => {
          const plain: Plain[] = [];
          for (const rise of restored) plain.push({ term: Math.max(1, (plain.at(-1)?.term ?? 1) + rise), bytes: undefined });
          const log = new LogSummary(NOTHING, logIndex(plain.length), runsOf(plain), capacity);
          for (const step of actions) {
            if ('keep' in step) {
              if (plain.length === 0) continue;
              const from = 1 + Math.floor(step.keep * (plain.length - 1));
              log.truncateFrom(logIndex(from));
              plain.length = from - 1;
            } else {
              const entry = { term: Math.max(1, plain.at(-1)?.term ?? 1) + step.rise, bytes: step.bytes };
              log.append(term(entry.term), entry.bytes);
              plain.push(entry);
            }
            checkTerms(log, plain);
            checkSizes(log, plain, capacity);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('sizes of the most recent entries are known, up to the capacity', () => {
    const log = new LogSummary(NOTHING, logIndex(2), [{ term: term(1), firstIndex: logIndex(1) }], 3);
    expect(log.sizes.firstIndex).toBe(3);
    for (let count = 0; count < 5; count += 1) log.append(term(1), 10);
    expect(log.sizes.firstIndex).toBe(5);
    expect(() => log.sizes.bytes(logIndex(4), logIndex(7))).toThrow('unknown');
  });

  test('if the logs have last entries with different terms, the log with the later term is more up-to-date; else the longer (paper 5.4.1)', () => {
    const end = new LogSummary(NOTHING, logIndex(3), [
      { term: term(1), firstIndex: logIndex(1) },
      { term: term(2), firstIndex: logIndex(3) },
    ]).lastPosition;
    expect(end).toEqual({ index: 3, term: 2 });
    expect(isBehind({ index: logIndex(1), term: term(3) }, end)).toBe(false);
    expect(isBehind({ index: logIndex(99), term: term(1) }, end)).toBe(true);
    expect(isBehind({ index: logIndex(3), term: term(2) }, end)).toBe(false);
    expect(isBehind({ index: logIndex(2), term: term(2) }, end)).toBe(true);
  });

  test('refuses what is not a log', () => {
    expect(() => new LogSummary(NOTHING, logIndex(1), [])).toThrow('term runs');
    expect(() => new LogSummary(NOTHING, logIndex(2), [{ term: term(1), firstIndex: logIndex(2) }])).toThrow('first entry');
    const log = new LogSummary(NOTHING, logIndex(1), [{ term: term(2), firstIndex: logIndex(1) }]);
    expect(() => log.append(term(1), 0)).toThrow('never descend');
    expect(() => log.truncateFrom(logIndex(2))).toThrow('nothing to truncate');
    expect(() => log.termAt(logIndex(2))).toThrow('no entry');
  });
});
