import type { Effects } from '../../../src/raft/effects.ts';
import type { Input } from '../../../src/raft/inputs.ts';
import type { NodeId, Term } from '../../../src/raft/types.ts';
import type { NodeHistory } from '../cluster/node-history.ts';
import { check, type Invariant, takesOffice } from './invariant.ts';

/** Election Safety (paper 5.2): at most one leader in a term. */
export class ElectionSafety implements Invariant {
  readonly leaders = new Map<Term, NodeId>();

  stepped(node: NodeHistory, _input: Input, { status }: Effects): void {
    if (status === undefined || !takesOffice(node, status)) return;
    const other = this.leaders.get(status.term);
    check(other === undefined, 'Election Safety', () => `term ${status.term} has two leaders, ${other} and ${node.id}`);
    this.leaders.set(status.term, node.id);
  }
}
