/** docs/configuration.md lists each key as the schema has it. `UPDATE_DOCS=1 npx vitest run test/unit/cli` writes the tables anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { z } from 'zod';
import { brokerSchema } from '../../../src/cli/config/broker-schema.ts';
import { unwrap } from '../../../src/cli/config/problems.ts';
import { routerSchema } from '../../../src/cli/config/router-schema.ts';
import { group, settingFacts } from '../../../src/cli/config/setting.ts';

const DOCS = new URL('../../../docs/configuration.md', import.meta.url);

function table(schema: z.ZodObject): string {
  const rows = Object.entries(schema.shape).map(([key, setting]) => {
    const bare = unwrap(setting as z.ZodType);
    const facts = bare === undefined ? undefined : settingFacts.get(bare);
    if (facts === undefined) throw new Error(`${key} says nothing of itself`);
    return `| \`${key}\` | ${facts.meaning} | ${facts.allowed} | ${facts.unit ?? '–'} | ${facts.defaultText ?? defaultOf(setting as z.ZodType)} |`;
  });
  return ['| key | meaning | allowed | unit | default |', '|---|---|---|---|---|', ...rows].join('\n');
}

function defaultOf(setting: z.ZodType): string {
  const result = setting.safeParse(undefined);
  if (!result.success) return '**required**';
  return typeof result.data === 'number' ? group(result.data) : `\`${String(result.data)}\``;
}

it.each([
  ['broker', brokerSchema],
  ['router', routerSchema],
])('documents every key of a %s', (name, schema) => {
  const docs = readFileSync(DOCS, 'utf8');
  const block = new RegExp(`(<!-- ${name} keys -->\n)([^]*?)(\n<!-- end -->)`);
  if (process.env.UPDATE_DOCS)
    writeFileSync(
      DOCS,
      docs.replace(block, (_, start, __, end) => `${start}${table(schema)}${end}`),
    );
  expect(block.exec(readFileSync(DOCS, 'utf8'))?.[2]).toBe(table(schema));
});
