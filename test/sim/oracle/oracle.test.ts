import { describe, expect, it } from 'vitest';
import { Oracle } from './oracle.ts';

function withSent(...numbers: number[]): Oracle {
  const oracle = new Oracle();
  for (const number of numbers) oracle.sending('p', number);
  return oracle;
}

describe('the oracle', () => {
  it('is content with a record that is acknowledged, read, and read again by another', () => {
    const oracle = withSent(0, 1);
    oracle.acknowledged('p#0', { queue: 0, offset: 0 });
    oracle.failed('p#1');
    oracle.read('r', { queue: 0, offset: 0 }, 'p#0');
    oracle.read('r', { queue: 0, offset: 1 }, 'p#1');
    oracle.read('s', { queue: 0, offset: 0 }, 'p#0');
    oracle.checkComplete('r');
    expect(oracle.counts).toEqual({ sent: 2, acknowledged: 1, failed: 1, read: 3, latest: 0 });
  });

  it('sees two records at one offset', () => {
    const oracle = withSent(0, 1);
    oracle.acknowledged('p#0', { queue: 0, offset: 0 });
    expect(() => oracle.acknowledged('p#1', { queue: 0, offset: 0 })).toThrow(/Offsets Never Change/);
  });

  it('sees one record at two offsets, also one that had failed', () => {
    const oracle = withSent(0);
    oracle.failed('p#0');
    oracle.read('r', { queue: 0, offset: 0 }, 'p#0');
    expect(() => oracle.read('r', { queue: 0, offset: 1 }, 'p#0')).toThrow(/Exactly Once/);
  });

  it('sees a producer go on where a later one of its name has begun', () => {
    const oracle = new Oracle();
    for (const [at, producer] of ['a', 'b', 'a'].entries())
      oracle.acknowledged(oracle.sending(producer, at, 'name'), { queue: 0, offset: at });
    expect(() => oracle.checkOneWriter()).toThrow(/One Instance Writes/);
    const other = new Oracle();
    for (const [at, producer] of ['a', 'a', 'b', 'a'].entries())
      other.acknowledged(other.sending(producer, at, producer), { queue: 0, offset: at });
    other.checkOneWriter();
  });

  it('sees a gap, a repetition, and a phantom', () => {
    const oracle = withSent(0);
    expect(() => oracle.read('r', { queue: 0, offset: 1 }, 'p#0')).toThrow(/Nothing Missed/);
    oracle.read('s', { queue: 0, offset: 0 }, 'p#0');
    expect(() => oracle.read('s', { queue: 0, offset: 0 }, 'p#0')).toThrow(/Nothing Missed/);
    expect(() => oracle.read('t', { queue: 1, offset: 0 }, 'q#0')).toThrow(/No Phantoms/);
  });

  it('sees the records of a producer out of their order', () => {
    const oracle = withSent(0, 1);
    oracle.read('r', { queue: 0, offset: 0 }, 'p#1');
    expect(() => oracle.read('r', { queue: 0, offset: 1 }, 'p#0')).toThrow(/Order Of A Producer/);
  });

  it('lets a failed record come late', () => {
    const oracle = withSent(0, 1);
    oracle.failed('p#0');
    oracle.read('r', { queue: 0, offset: 0 }, 'p#1');
    oracle.read('r', { queue: 0, offset: 1 }, 'p#0');
    expect(oracle.counts.read).toBe(2);
  });

  it('sees an acknowledged record that is not there in the end', () => {
    const oracle = withSent(0);
    oracle.acknowledged('p#0', { queue: 0, offset: 0 });
    expect(() => oracle.checkComplete('r')).toThrow(/Acknowledged Is There/);
  });

  it('sees a second outcome', () => {
    const oracle = withSent(0);
    oracle.failed('p#0');
    expect(() => oracle.acknowledged('p#0', { queue: 0, offset: 0 })).toThrow(/Answered Once/);
  });
});
