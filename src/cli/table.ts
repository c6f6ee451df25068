/** Rows under headings: framed on a terminal, aligned columns in a pipe. */
import Table from 'cli-table3';

export interface TableStyle {
  readonly framed: boolean;
}

const NO_FRAME = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'])
    .map((part) => [part, '']),
);

/** Ends without a newline. */
export function renderTable(headings: readonly string[], rows: readonly (readonly string[])[], style: TableStyle): string {
  // Colours come with the cells: cli-table3 would colour headings and frames in a pipe too.
  const plain = { head: [], border: [] };
  const table = style.framed
    ? new Table({ head: [...headings], style: plain })
    : new Table({
        head: [...headings],
        chars: { ...NO_FRAME, middle: '  ' },
        style: { ...plain, 'padding-left': 0, 'padding-right': 0 },
      });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join('\n');
}
