import { assert } from '../../../src/base/assert.ts';
import type { Entry } from '../../../src/raft/types.ts';
import type { Committed } from '../cluster/committed.ts';
import type { EntryPrint, NodeHistory } from '../cluster/node-history.ts';
import { check, type Invariant } from './invariant.ts';

/** State Machine Safety (paper 5.4.3): all nodes apply the same entries in the same order, each with the same result, and only committed ones. */
export class StateMachineSafety implements Invariant {
  readonly #committed: Committed;
  readonly #results: (string | undefined)[] = [];

  constructor(committed: Committed) {
    this.#committed = committed;
  }

  applied(node: NodeHistory, entry: Entry, print: EntryPrint, result: unknown): void {
    const committed = this.#committed.at(entry.index);
    check(
      committed !== undefined && entry.index <= node.commitIndex,
      'State Machine Safety',
      () => `${node.id} applies entry ${entry.index}, committed up to ${node.commitIndex}`,
    );
    check(
      committed?.term === print.term && committed.crc === print.crc,
      'State Machine Safety',
      () => `${node.id} applies another entry ${entry.index} than was committed`,
    );
    const text = resultText(result);
    const known = this.#results[entry.index];
    check(
      known === undefined || known === text,
      'State Machine Safety',
      () => `entry ${entry.index} gives ${text} on ${node.id}, gave ${known} before`,
    );
    this.#results[entry.index] = text;
  }
}

/** Results hold numbers and names of what was made; objects behind them differ from node to node. */
function resultText(result: unknown): string {
  let text = '';
  for (const [name, value] of Object.entries(result as object)) {
    const told = name === 'topic' ? (value as { id: number }).id : value;
    assert(typeof told !== 'object', `${name} of a result can be compared as text`);
    text += ` ${name} ${told}`;
  }
  return text;
}
