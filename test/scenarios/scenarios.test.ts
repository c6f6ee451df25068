/**
 * Runs every `*.txt` beside this file. `UPDATE_SCENARIOS=1 npx vitest run test/scenarios` writes what happens now into the files: read the
 * difference, and keep it only when you can say why each line is right.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseCommand, parseScenario, printScenario } from './format.ts';
import { World } from './world.ts';

const update = process.env.UPDATE_SCENARIOS === '1';
const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.txt'));

describe('scenario', () => {
  test.each(files)('%s', (name) => {
    const path = `${import.meta.dirname}/${name}`;
    const text = readFileSync(path, 'utf8');
    const { steps, tail } = parseScenario(text);
    const world = new World();
    const played = steps.map((step) => {
      try {
        return { ...step, expected: world.run(parseCommand(step.command), step.body) };
      } catch (cause) {
        throw new Error(`${name}:${step.line}: ${step.command}: ${(cause as Error).message}`, { cause });
      }
    });
    const happened = printScenario({ steps: played, tail });
    if (update) writeFileSync(path, happened);
    else expect(happened).toBe(text);
  });

  test('there are scenarios to run', () => expect(files.length).toBeGreaterThan(15));
});
