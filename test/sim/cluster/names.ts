/** What machines are called. */
export function names(letter: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${letter}${at + 1}`);
}

export function nodeNames(count: number): readonly string[] {
  return names('n', count);
}

export function brokerAddress(node: string): string {
  return `${node}:9000`;
}
