const TAB = 0x09;

/** The `field`-th (from 1) tab separated field of a line, or undefined when the line has fewer. */
export function keyField(line: Buffer, field: number): Buffer | undefined {
  let start = 0;
  for (let at = 1; at < field; at += 1) {
    const tab = line.indexOf(TAB, start);
    if (tab < 0) return undefined;
    start = tab + 1;
  }
  const end = line.indexOf(TAB, start);
  return line.subarray(start, end < 0 ? line.length : end);
}
