import { assert } from '../../../src/base/assert.ts';
import type { Random } from '../../../src/base/random.ts';

/** Chance from a seed: the same seed gives the same numbers for ever, on every machine (xoshiro128**, whole-number arithmetic only). */
export class SimRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  readonly #seed: number;

  constructor(seed: number) {
    assert(Number.isSafeInteger(seed) && seed >= 0, `a seed is a whole number from 0: ${seed}`);
    this.#seed = seed;
    let state = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) >>> 0;
      return scramble(state);
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1;
  }

  /** A stream of its own: what one user draws never shifts what another gets. */
  fork(name: string): SimRandom {
    let hash = scramble(this.#seed >>> 0);
    for (let at = 0; at < name.length; at += 1) hash = scramble((hash ^ name.charCodeAt(at)) + 0x9e3779b9);
    return new SimRandom(hash);
  }

  between(minimum: number, maximum: number): number {
    assert(maximum >= minimum, `an empty range: ${minimum} to ${maximum}`);
    return minimum + Math.floor(this.fraction() * (maximum - minimum + 1));
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.#next() / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** Exponential with this mean: mostly short, now and then long. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.fraction());
  }

  pick<Value>(values: readonly Value[]): Value {
    assert(values.length > 0, 'there is something to pick from');
    return values[this.between(0, values.length - 1)] as Value;
  }

  shuffle<Value>(values: readonly Value[]): Value[] {
    const shuffled = [...values];
    for (let at = shuffled.length - 1; at > 0; at -= 1) {
      const other = this.between(0, at);
      [shuffled[at], shuffled[other]] = [shuffled[other] as Value, shuffled[at] as Value];
    }
    return shuffled;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at += 1) bytes[at] = this.between(0, 255);
    return bytes;
  }

  #next(): number {
    const result = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotate(this.#d, 11);
    return result;
  }
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function scramble(value: number): number {
  let mixed = value >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
