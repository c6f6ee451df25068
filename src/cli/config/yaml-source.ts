/** A YAML file, with the line of each key. */
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { type Source, unusable } from './source.ts';

export function yamlSource(text: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const first = document.errors[0];
  if (first !== undefined) {
    // The library shows the spot on further lines; the first says what and where.
    return unusable(`not valid YAML: ${(first.message.split('\n')[0] ?? '').replace(/:$/, '')}`, first.linePos?.[0].line);
  }
  const content: unknown = document.toJS() ?? {};
  if (typeof content !== 'object' || Array.isArray(content))
    return unusable('it must hold keys with values, one "key: value" a line', 1);
  return {
    readable: true,
    values: content as Record<string, unknown>,
    problems: [],
    warnings: [],
    placeOf: (path) => {
      const offset = offsetOf(document, path);
      return offset === undefined ? {} : { line: lines.linePos(offset).line };
    },
  };
}

/** Of the key that `path` ends in; for an item of a list, of the item. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  let node: unknown = document.contents;
  let found: unknown;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === part);
      found = pair?.key;
      node = pair?.value;
    } else {
      found = isSeq(node) ? node.items[Number(part)] : undefined;
      node = found;
    }
  }
  return isNode(found) ? found.range?.[0] : undefined;
}
