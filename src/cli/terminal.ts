/** What a person at a terminal gets and a pipe does not. */
import picocolors from 'picocolors';

export type Colours = ReturnType<typeof picocolors.createColors>;

/** A stream that may be a terminal. */
export interface Output {
  readonly isTTY?: boolean;
}

export function isTerminal(output: Output): boolean {
  return output.isTTY === true;
}

/** Colours on a terminal, unless NO_COLOR is set (https://no-color.org); else functions that change nothing. */
export function coloursFor(output: Output, environment: NodeJS.ProcessEnv = process.env): Colours {
  return picocolors.createColors(isTerminal(output) && !environment.NO_COLOR);
}

/** Whole numbers with a thin gap each three digits on a terminal: 1 234 567. */
export function grouped(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ' ');
}
