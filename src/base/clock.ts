/** Where time comes from. Injected, so that a simulation owns it. */
export interface Clock {
  /** Milliseconds since an arbitrary origin; never goes back. Not a date. */
  nowMs(): number;
  /** Milliseconds since 1970 UTC. For record timestamps only: it may jump. */
  wallMs(): number;
  /** Runs `task` once, `delayMs` from now or later. */
  after(delayMs: number, task: () => void): Timer;
  /** Runs `task` once, as soon as what is ready now has been handled. */
  soon(task: () => void): void;
}

export interface Timer {
  cancel(): void;
}
