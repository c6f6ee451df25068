import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Entry, type HardState, logIndex, nodeId, term, type WriteSequence, type WriteUnit } from '../../../src/raft/types.ts';
import { WriteTracker } from '../../../src/raft/write-tracker.ts';
import { applyUnit, type Disk, emptyDisk } from './shell.ts';

const hard = (value: number): HardState => ({ term: term(value), vote: undefined });
const entry = (index: number, value: number): Entry => ({
  term: term(value),
  index: logIndex(index),
  kind: 16,
  payload: new Uint8Array(1),
});

describe('write tracker', () => {
  test('a completion whose entries were since replaced makes nothing durable (the ABA race of storage completions)', () => {
    const tracker = new WriteTracker(logIndex(1));
    tracker.stageEntries(hard(1), [entry(2, 1), entry(3, 1)], undefined);
    expect(tracker.seal(hard(1))?.sequence).toBe(1);
    tracker.stageHardState(hard(2), logIndex(3));
    tracker.stageEntries(hard(2), [entry(2, 2), entry(3, 2)], logIndex(2));
    expect(tracker.seal(hard(2))?.truncateFrom).toBe(2);
    expect(tracker.complete(1 as WriteSequence, term(1))).toBe(true);
    expect(tracker.durableIndex).toBe(1);
    expect(tracker.sequenceCovering(logIndex(3))).toBe(2);
    expect(tracker.complete(2 as WriteSequence, term(2))).toBe(true);
    expect(tracker.durableIndex).toBe(3);
  });

  test('a completion with another term than its unit, told twice, or never issued is not believed', () => {
    const tracker = new WriteTracker(logIndex(0));
    tracker.stageHardState({ term: term(3), vote: nodeId('a') }, logIndex(0));
    tracker.seal({ term: term(3), vote: nodeId('a') });
    expect(tracker.complete(1 as WriteSequence, term(2))).toBe(false);
    expect(tracker.isDurable(1 as WriteSequence)).toBe(false);
    expect(tracker.complete(1 as WriteSequence, term(3))).toBe(true);
    expect(tracker.complete(1 as WriteSequence, term(3))).toBe(false);
    expect(() => tracker.complete(2 as WriteSequence, term(3))).toThrow('never issued');
  });

  test('an acknowledgement of old entries in a new term waits for that term', () => {
    const tracker = new WriteTracker(logIndex(5));
    expect(tracker.sequenceCovering(logIndex(5))).toBe(0);
    tracker.stageHardState(hard(2), logIndex(5));
    expect(tracker.sequenceCovering(logIndex(5))).toBe(1);
    tracker.seal(hard(2));
    expect(tracker.sequenceCovering(logIndex(5))).toBe(1);
    expect(tracker.complete(1 as WriteSequence, term(2))).toBe(true);
    expect(tracker.sequenceCovering(logIndex(5))).toBe(0);
    expect(() => tracker.sequenceCovering(logIndex(6))).toThrow('neither durable');
  });

  test('agrees with a disk that is compared entry by entry', () => {
    const action = fc.oneof(
      { weight: 3, arbitrary: fc.record({ append: fc.integer({ min: 1, max: 3 }) }) },
      { weight: 2, arbitrary: fc.record({ replace: fc.double({ min: 0, max: 1, noNaN: true }) }) },
      { weight: 1, arbitrary: fc.constant({ vote: true }) },
      { weight: 3, arbitrary: fc.record({ complete: fc.integer({ min: 1, max: 3 }) }) },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const disk: Disk = emptyDisk();
        const log: Entry[] = [];
        const writing: WriteUnit[] = [];
        const tracker = new WriteTracker(logIndex(0));
        let now = 1;
        for (const step of actions) {
          if ('complete' in step) {
            const done = writing.splice(0, step.complete);
            for (const unit of done) applyUnit(disk, unit);
            const last = done.at(-1);
            if (last) expect(tracker.complete(last.sequence, last.hardState.term)).toBe(true);
          } else {
            const before = log.length;
            if ('vote' in step) tracker.stageHardState(hard(++now), logIndex(log.length));
            else {
              let truncateFrom: number | undefined;
              if ('replace' in step && log.length > 0) {
                truncateFrom = 1 + Math.floor(step.replace * (before - 1));
                log.length = truncateFrom - 1;
                tracker.stageHardState(hard(++now), logIndex(before));
              }
              const count = 'append' in step ? step.append : 1;
              const entries = Array.from({ length: count }, (_, offset) => entry(log.length + 1 + offset, now));
              log.push(...entries);
              tracker.stageEntries(hard(now), entries, truncateFrom === undefined ? undefined : logIndex(truncateFrom));
            }
            const unit = tracker.seal(hard(now));
            if (unit) writing.push(unit);
          }
          // The longest prefix of the log that the disk holds, and that no write on its way will take away.
          let held = 0;
          const cut = Math.min(...writing.map((unit) => unit.truncateFrom ?? Number.POSITIVE_INFINITY));
          while (held < log.length && held + 1 < cut && disk.entries[held] === log[held]) held += 1;
          expect(tracker.durableIndex).toBe(held);
          for (let index = 1; index <= log.length; index += 1) checkCovering(tracker, disk, writing, log, index);
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** The unit named is one after which the entry is on the disk for good, and no earlier one is. */
function checkCovering(
  tracker: WriteTracker,
  disk: Disk,
  writing: readonly WriteUnit[],
  log: readonly Entry[],
  index: number,
): void {
  const after = tracker.sequenceCovering(logIndex(index));
  const trial: Disk = { hardState: disk.hardState, entries: [...disk.entries] };
  const lastTerm = writing.at(-1)?.hardState.term ?? disk.hardState.term;
  let earliest = 0;
  const isTrue = () => trial.entries[index - 1] === log[index - 1] && trial.hardState.term === lastTerm;
  let holds = isTrue();
  for (const unit of writing) {
    applyUnit(trial, unit);
    if (!holds && isTrue()) earliest = unit.sequence;
    holds = isTrue();
  }
  expect(after).toBe(earliest);
}
