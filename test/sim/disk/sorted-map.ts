/**
 * A sorted map that never changes: putting and removing give a new one that shares all but one path with the old. So a snapshot costs
 * nothing. A treap whose priorities are hashes of the keys: balanced without chance, and of one shape for one content.
 */
export interface SortedMap {
  readonly key: string;
  readonly value: Buffer;
  readonly priority: number;
  readonly left: Tree;
  readonly right: Tree;
}
export type Tree = SortedMap | undefined;

export function get(tree: Tree, key: string): Buffer | undefined {
  let at = tree;
  while (at !== undefined && at.key !== key) at = key < at.key ? at.left : at.right;
  return at?.value;
}

export function put(tree: Tree, key: string, value: Buffer): SortedMap {
  if (tree === undefined) return { key, value, priority: hash(key), left: undefined, right: undefined };
  if (key === tree.key) return { key, value, priority: tree.priority, left: tree.left, right: tree.right };
  if (key < tree.key) {
    const left = put(tree.left, key, value);
    if (left.priority <= tree.priority) return node(tree, left, tree.right);
    return node(left, left.left, node(tree, left.right, tree.right));
  }
  const right = put(tree.right, key, value);
  if (right.priority <= tree.priority) return node(tree, tree.left, right);
  return node(right, node(tree, tree.left, right.left), right.right);
}

export function remove(tree: Tree, key: string): Tree {
  if (tree === undefined) return undefined;
  if (key === tree.key) return joined(tree.left, tree.right);
  if (key < tree.key) {
    const left = remove(tree.left, key);
    return left === tree.left ? tree : node(tree, left, tree.right);
  }
  const right = remove(tree.right, key);
  return right === tree.right ? tree : node(tree, tree.left, right);
}

/** Keys from `from` (included) to `to` (left out), of which an undefined one does not limit. */
export interface Range {
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly reverse: boolean;
}

/** Up to `limit` pairs of a range, from the one that comes after `after` in its direction. */
export function page(tree: Tree, range: Range, after: string | undefined, limit: number): SortedMap[] {
  const { reverse } = range;
  const from = reverse || after === undefined ? range.from : after;
  const to = reverse && after !== undefined ? after : range.to;
  const found: SortedMap[] = [];
  const visit = (at: Tree): void => {
    if (at === undefined || found.length >= limit) return;
    const aboveFrom = from === undefined || at.key > from || (at.key === from && from !== after);
    const belowTo = to === undefined || at.key < to;
    const [first, last] = reverse ? [at.right, at.left] : [at.left, at.right];
    const [firstReaches, lastReaches] = reverse ? [belowTo, aboveFrom] : [aboveFrom, belowTo];
    if (firstReaches) visit(first);
    if (aboveFrom && belowTo && found.length < limit) found.push(at);
    if (lastReaches) visit(last);
  };
  visit(tree);
  return found;
}

function node({ key, value, priority }: SortedMap, left: Tree, right: Tree): SortedMap {
  return { key, value, priority, left, right };
}

/** All of `left` is below all of `right`. */
function joined(left: Tree, right: Tree): Tree {
  if (left === undefined) return right;
  if (right === undefined) return left;
  if (left.priority >= right.priority) return node(left, left.left, joined(left.right, right));
  return node(right, joined(left, right.left), right.right);
}

function hash(key: string): number {
  let mixed = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) mixed = Math.imul(mixed ^ key.charCodeAt(at), 0x01000193);
  // Keys that differ in their last byte alone still differ in too few bits.
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
