/** What a command that changes members is doing: one live line on a terminal, a plain line now and then in a pipe. */
import { createLogUpdate } from 'log-update';
import { isTerminal } from '../terminal.ts';

const PLAIN_EVERY_MS = 5_000;

export type ProgressOutput = NodeJS.WritableStream & { readonly isTTY?: boolean };

export class GroupProgress {
  readonly #output: ProgressOutput;
  readonly #nowMs: () => number;
  readonly #draw: ReturnType<typeof createLogUpdate> | undefined;
  #kind = '';
  #shownMs = 0;

  constructor(output: ProgressOutput = process.stderr, nowMs = (): number => performance.now()) {
    this.#output = output;
    this.#nowMs = nowMs;
    this.#draw = isTerminal(output) ? createLogUpdate(output as NodeJS.WriteStream) : undefined;
  }

  /** `kind`: lines of the same kind replace one another, and in a pipe are left out for a while. */
  show(kind: string, line: string): void {
    if (this.#draw !== undefined) return this.#draw(line);
    if (kind === this.#kind && this.#nowMs() - this.#shownMs < PLAIN_EVERY_MS) return;
    this.#kind = kind;
    this.#shownMs = this.#nowMs();
    this.#output.write(`${line}\n`);
  }

  /** A line that stays. */
  say(line: string): void {
    this.#draw?.clear();
    this.#output.write(`${line}\n`);
  }

  end(): void {
    this.#draw?.clear();
    this.#draw?.done();
  }
}
