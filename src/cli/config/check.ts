/** All that is wrong with a file, for whichever node it is. */
import { examineBroker, examineRouter } from './examine.ts';
import { brokerSource, routerSource } from './load.ts';
import type { Remark } from './source.ts';

export interface Verdict {
  readonly problems: readonly Remark[];
  readonly warnings: readonly Remark[];
  /** The nodes that it was checked for; none for a file that is no broker's. */
  readonly nodes: readonly string[];
}

export function checkRouterFile(file: string): Verdict {
  const examined = examineRouter(routerSource(file), {});
  return { problems: distinct('problems' in examined ? examined.problems : []), warnings: [], nodes: [] };
}

/** A file that names no node is for all of them: checked as each. */
export function checkBrokerFile(file: string): Verdict {
  const source = brokerSource(file);
  const nodes = 'nodeId' in source.values ? [String(source.values.nodeId)] : memberIds(source.values.members);
  const verdicts = (nodes.length === 0 ? [undefined] : nodes).map((nodeIdOfEnvironment) =>
    examineBroker(source, 'nodeId' in source.values ? {} : { nodeIdOfEnvironment }),
  );
  return {
    problems: distinct(verdicts.flatMap((verdict) => ('problems' in verdict ? verdict.problems : []))),
    warnings: distinct(verdicts.flatMap((verdict) => ('warnings' in verdict ? verdict.warnings : []))),
    nodes,
  };
}

function memberIds(members: unknown): string[] {
  if (!Array.isArray(members)) return [];
  return members.flatMap((member: unknown) => {
    const id = typeof member === 'object' && member !== null && 'id' in member ? member.id : undefined;
    return typeof id === 'string' ? [id] : [];
  });
}

/** Each once, down the file; what stands nowhere comes first. */
function distinct(remarks: readonly Remark[]): Remark[] {
  return remarks
    .filter(({ text }, at) => remarks.findIndex((other) => other.text === text) === at)
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}
