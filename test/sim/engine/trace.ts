/** What happened, in order. Always as a fingerprint, which two runs of a seed must share; as text when somebody wants to read it. */
export class Trace {
  readonly #print: ((line: string) => void) | undefined;
  readonly #codes = new Map<string, number>();
  #hash = 0x811c9dc5;

  constructor(print: ((line: string) => void) | undefined) {
    this.#print = print;
  }

  get reading(): boolean {
    return this.#print !== undefined;
  }

  /** Of everything noted up to now. */
  get fingerprint(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  /** A step: cheap, for it is noted at each one. `kind` comes from a small set of constants. */
  step(nowMs: number, kind: string, detail = 0): void {
    let code = this.#codes.get(kind);
    if (code === undefined) {
      code = this.#codes.size + 1;
      this.#codes.set(kind, code);
    }
    this.#mix(Math.floor(nowMs * 1_000) | 0);
    this.#mix(code);
    this.#mix(detail | 0);
  }

  /** Something worth reading. The text is made only when it is read, but its making must not depend on that. */
  note(nowMs: number, who: string, text: () => string): void {
    this.step(nowMs, who);
    if (this.#print !== undefined) this.print(nowMs, who, text());
  }

  /** For the reader alone: no part of the fingerprint. */
  print(nowMs: number, who: string, text: string): void {
    this.#print?.(`${nowMs.toFixed(3).padStart(12)} ${who.padEnd(8)} ${text}`);
  }

  #mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x01000193);
    this.#hash ^= this.#hash >>> 15;
  }
}
