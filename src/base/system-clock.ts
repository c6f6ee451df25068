import type { Clock } from './clock.ts';
import type { Random } from './random.ts';

/** The machine's time. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (task) => void setImmediate(task),
};

/** Chance that is good enough for spreading timeouts; nothing secret comes from it. */
export const systemRandom: Random = {
  between: (minimum, maximum) => minimum + Math.floor(Math.random() * (maximum - minimum + 1)),
};
