import type { Term, WriteUnit } from '../../../src/raft/types.ts';
import { type NodeHistory, printOf } from '../cluster/node-history.ts';
import { check, type Invariant } from './invariant.ts';

interface Known {
  readonly term: Term;
  readonly crc: number;
  readonly kind: number;
  readonly previousTerm: number;
}

/**
 * Log Matching (paper 5.3): an index and a term name one entry, on whatever node, and one entry before it. By induction two logs that
 * share one share all before it, so that looking at each entry as it is written is enough.
 */
export class LogMatching implements Invariant {
  /** At its index what was written there, one for each term. */
  readonly #entries: (Known[] | undefined)[] = [];

  writing(node: NodeHistory, unit: WriteUnit): void {
    for (const [at, entry] of unit.entries.entries()) {
      const previousTerm = unit.entries[at - 1]?.term ?? node.entry(entry.index - 1)?.term ?? 0;
      const { crc, kind } = printOf(entry);
      const { index, term } = entry;
      const here = this.#entries[index] ?? [];
      this.#entries[index] = here;
      const known = here.find((other) => other.term === term);
      if (known === undefined) {
        here.push({ term, crc, kind, previousTerm });
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
