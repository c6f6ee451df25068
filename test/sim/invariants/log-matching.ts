import type { WriteUnit } from '../../../src/raft/types.ts';
import { type NodeHistory, printOf } from '../cluster/node-history.ts';
import { check, type Invariant } from './invariant.ts';

interface Known {
  readonly crc: number;
  readonly kind: number;
  readonly previousTerm: number;
}

/**
 * Log Matching (paper 5.3): an index and a term name one entry, on whatever node, and one entry before it. By induction two logs that
 * share one share all before it, so that looking at each entry as it is written is enough.
 */
export class LogMatching implements Invariant {
  readonly #entries = new Map<string, Known>();

  writing(node: NodeHistory, unit: WriteUnit): void {
    for (const [at, entry] of unit.entries.entries()) {
      const previousTerm = unit.entries[at - 1]?.term ?? node.entry(entry.index - 1)?.term ?? 0;
      const { crc, kind } = printOf(entry);
      const key = `${entry.index} ${entry.term}`;
      const known = this.#entries.get(key);
      if (known === undefined) {
        this.#entries.set(key, { crc, kind, previousTerm });
        continue;
      }
      check(
        known.crc === crc && known.kind === kind,
        'Log Matching',
        () => `${node.id} writes another entry ${entry.index} of term ${entry.term} than was written before`,
      );
      check(
        known.previousTerm === previousTerm,
        'Log Matching',
        () =>
          `${node.id} writes entry ${entry.index} of term ${entry.term} after one of term ${previousTerm}, others after one of ${known.previousTerm}`,
      );
    }
  }
}
