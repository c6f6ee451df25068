/** A broken promise between two pieces of Lograft's own code. Never caused by input, a peer or a disk. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/**
 * States what must hold here. Stays on in production: a process that stops can be started again,
 * one that goes on with a wrong log cannot be mended.
 */
export function assert(condition: unknown, why: string): asserts condition {
  if (!condition) throw new InvariantViolation(why);
}

/** For the default arm of a switch over a closed union: fails to compile when an arm is missing. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable value: ${JSON.stringify(value)}`);
}
