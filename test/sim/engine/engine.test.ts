import { describe, expect, it } from 'vitest';
import { Scheduler } from './scheduler.ts';
import { SimProcess } from './sim-process.ts';
import { SimRandom } from './sim-random.ts';
import { Trace } from './trace.ts';

const never = (): boolean => false;

describe('the scheduler', () => {
  it('does things in the order of their time, then of their scheduling, each with its microtasks', async () => {
    const scheduler = new Scheduler(new Trace(undefined));
    const seen: string[] = [];
    const say = (what: string) => () => {
      seen.push(`${what}@${scheduler.nowMs}`);
      Promise.resolve()
        .then(() => {})
        .then(() => seen.push(`after ${what}`));
    };
    scheduler.at(5, 'x', say('late'));
    scheduler.at(1, 'x', say('first'));
    scheduler.at(1, 'x', say('second'));
    scheduler.at(3, 'x', say('cancelled')).cancel();
    await scheduler.run(never);
    expect(seen).toEqual(['first@1', 'after first', 'second@1', 'after second', 'late@5', 'after late']);
    expect(scheduler.steps).toBe(3);
  });

  it('stops when told, goes on later, and rejects with what an event throws', async () => {
    const scheduler = new Scheduler(new Trace(undefined));
    let done = 0;
    for (let at = 0; at < 10; at += 1) scheduler.at(at, 'x', () => (done += 1));
    await scheduler.run(() => done === 4);
    expect(done).toBe(4);
    scheduler.at(100, 'x', () => {
      throw new Error('broken');
    });
    await expect(scheduler.run(never)).rejects.toThrow('broken');
    expect(done).toBe(10);
  });

  it('keeps order under thousands of random times', async () => {
    const scheduler = new Scheduler(new Trace(undefined));
    const random = new SimRandom(1);
    const times: number[] = [];
    for (let event = 0; event < 5_000; event += 1) scheduler.at(random.between(0, 500), 'x', () => times.push(scheduler.nowMs));
    await scheduler.run(never);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times).toHaveLength(5_000);
  });
});

describe('a process', () => {
  it('does nothing while paused, then everything in order, and nothing after its death', async () => {
    const scheduler = new Scheduler(new Trace(undefined));
    const process = new SimProcess('p', scheduler, { rate: 1, wallOffsetMs: 0 });
    const seen: string[] = [];
    process.clock.after(10, () => seen.push(`timer at ${scheduler.nowMs}`));
    scheduler.at(5, 'x', () => process.pause());
    scheduler.at(20, 'x', () => process.deliver(() => seen.push(`mail at ${scheduler.nowMs}`)));
    scheduler.at(30, 'x', () => process.resume());
    scheduler.at(30, 'x', () => process.deliver(() => seen.push(`late mail at ${scheduler.nowMs}`)));
    process.clock.after(50, () => seen.push('never'));
    scheduler.at(40, 'x', () => process.kill());
    await scheduler.run(never);
    expect(seen).toEqual(['timer at 30', 'mail at 30', 'late mail at 30']);
  });

  it('has a clock that runs at its own rate and a wall clock that jumps', async () => {
    const scheduler = new Scheduler(new Trace(undefined));
    const fault = { rate: 0.5, wallOffsetMs: 0 };
    const { clock } = new SimProcess('p', scheduler, fault);
    const before = { now: clock.nowMs(), wall: clock.wallMs() };
    let firedAt = 0;
    clock.after(100, () => {
      firedAt = scheduler.nowMs;
    });
    await scheduler.run(never);
    expect(firedAt).toBe(200);
    expect(clock.nowMs() - before.now).toBe(100);
    fault.wallOffsetMs = -5_000;
    expect(clock.wallMs() - before.wall).toBe(-4_900);
  });
});

describe('chance', () => {
  it('is the same for a seed, another for another, and apart for each fork', () => {
    const draw = (random: SimRandom): number[] => Array.from({ length: 5 }, () => random.between(0, 1_000_000));
    expect(draw(new SimRandom(7))).toEqual(draw(new SimRandom(7)));
    expect(draw(new SimRandom(7))).not.toEqual(draw(new SimRandom(8)));
    const one = new SimRandom(7);
    const fork = one.fork('a');
    draw(one);
    expect(draw(one.fork('a'))).toEqual(draw(fork));
    expect(draw(one.fork('b'))).not.toEqual(draw(new SimRandom(7).fork('a')));
  });

  it('is even', () => {
    const random = new SimRandom(3);
    const counts = new Array(10).fill(0);
    for (let draw = 0; draw < 100_000; draw += 1) counts[random.between(0, 9)] += 1;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});
