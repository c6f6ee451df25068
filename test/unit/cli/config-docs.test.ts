/** docs/configuration.md lists each key as the schemas have it. `UPDATE_DOCS=1 npx vitest run test/unit/cli/config-docs.test.ts` writes the tables anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { z } from 'zod';
import { brokerSchema } from '../../../src/cli/config/broker-schema.ts';
import { unwrap } from '../../../src/cli/config/problems.ts';
import { WITHOUT_MEANING } from '../../../src/cli/config/rocketmq-keys.ts';
import { BECOMES, type RocketmqKey, rocketmqSchema } from '../../../src/cli/config/rocketmq-schema.ts';
import { routerSchema } from '../../../src/cli/config/router-schema.ts';
import { group, settingFacts } from '../../../src/cli/config/setting.ts';

const DOCS = new URL('../../../docs/configuration.md', import.meta.url);

function keyTable(schema: z.ZodObject): string {
  return table(
    ['key', 'meaning', 'allowed', 'unit', 'default'],
    Object.entries(schema.shape).map(([key, setting]) => {
      const facts = factsOf(key, setting as z.ZodType);
      return [`\`${key}\``, facts.meaning, facts.allowed, facts.unit ?? '–', facts.defaultText ?? defaultOf(setting as z.ZodType)];
    }),
  );
}

function rocketmqTable(): string {
  return table(
    ['RocketMQ', 'here', 'meaning', 'allowed'],
    Object.entries(rocketmqSchema.shape).map(([key, setting]) => {
      const here = BECOMES[key as RocketmqKey];
      const { meaning, allowed } = factsOf(key, setting);
      return [`\`${key}\``, here === undefined ? '–' : `\`${here}\``, meaning, allowed];
    }),
  );
}

function leftOutTable(): string {
  return table(
    ['RocketMQ', 'why it is left out'],
    WITHOUT_MEANING.map(({ keys, why }) => [keys.map((key) => `\`${key}\``).join(', '), why]),
  );
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  return [headings, headings.map(() => '---'), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n')
    .replace(/^\| --- .*$/m, (line) => line.replaceAll(' ', ''));
}

function factsOf(key: string, setting: z.ZodType) {
  const bare = unwrap(setting);
  const facts = bare === undefined ? undefined : settingFacts.get(bare);
  if (facts === undefined) throw new Error(`${key} says nothing of itself`);
  return facts;
}

function defaultOf(setting: z.ZodType): string {
  const result = setting.safeParse(undefined);
  if (!result.success) return '**required**';
  return typeof result.data === 'number' ? group(result.data) : `\`${String(result.data)}\``;
}

it.each([
  ['broker keys', keyTable(brokerSchema)],
  ['router keys', keyTable(routerSchema)],
  ['rocketmq keys', rocketmqTable()],
  ['rocketmq keys left out', leftOutTable()],
])('documents the %s', (name, expected) => {
  const docs = readFileSync(DOCS, 'utf8');
  const block = new RegExp(`(<!-- ${name} -->\n)([^]*?)(\n<!-- end -->)`);
  if (process.env.UPDATE_DOCS)
    writeFileSync(
      DOCS,
      docs.replace(block, (_, start, __, end) => `${start}${expected}${end}`),
    );
  expect(block.exec(readFileSync(DOCS, 'utf8'))?.[2]).toBe(expected);
});
