/** Reads and writes scenario files: comments, a command line, an optional body, `----`, the expected output, a blank line. */

export interface Step {
  /** `#` lines and blank lines before the command. */
  readonly comments: readonly string[];
  readonly command: string;
  readonly body: readonly string[];
  readonly expected: readonly string[];
  /** Of the command, for messages. */
  readonly line: number;
}

export interface Scenario {
  readonly steps: readonly Step[];
  /** Comments after the last step. */
  readonly tail: readonly string[];
}

export function parseScenario(text: string): Scenario {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const steps: Step[] = [];
  let comments: string[] = [];
  let position = 0;
  const take = () => lines[position++] ?? '';
  while (position < lines.length) {
    const line = take();
    if (line === '' || line.startsWith('#')) {
      comments.push(line);
      continue;
    }
    const number = position;
    const body: string[] = [];
    while (position < lines.length && lines[position] !== '----') body.push(take());
    if (position >= lines.length) throw new Error(`line ${number}: '${line}' has no ----`);
    take();
    const expected: string[] = [];
    while (position < lines.length && lines[position] !== '') expected.push(take());
    steps.push({ comments, command: line, body, expected, line: number });
    comments = [];
  }
  return { steps, tail: comments };
}

export function printScenario({ steps, tail }: Scenario): string {
  const lines = steps.flatMap(({ comments, command, body, expected }) => [...comments, command, ...body, '----', ...expected]);
  return `${[...lines, ...tail].join('\n')}\n`;
}

export interface CommandLine {
  readonly name: string;
  readonly positional: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

export function parseCommand(line: string): CommandLine {
  const [name = '', ...words] = line.trim().split(/\s+/);
  const positional: string[] = [];
  const options = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf('=');
    if (equals > 0) options.set(word.slice(0, equals), word.slice(equals + 1));
    else positional.push(word);
  }
  return { name, positional, options };
}
