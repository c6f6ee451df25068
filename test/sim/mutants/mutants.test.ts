/** The hunt takes an hour; that each bug can still be put back is known at once. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { MUTANTS } from './mutants.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s: its text is in the program, once', (_, mutant) => {
  for (const { file, find } of [mutant, ...(mutant.also ?? [])])
    expect(readFileSync(`${ROOT}/${file}`, 'utf8').split(find).length - 1, `${find} in ${file}`).toBe(1);
});
