/** Turns what zod found into sentences that name the key, its value and what is allowed. */
import type { z } from 'zod';
import { nearest } from '../nearest.ts';
import { settingFacts } from './setting.ts';

type Schema = z.core.$ZodType;

/** What is wrong, in one sentence, and with which key. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly text: string;
  /** There is no value. */
  readonly missing?: boolean;
}

/** One for each thing that is wrong with `value`, in the order found. A mistyped key may have been meant to be one of `alsoKnown`. */
export function describeProblems(schema: Schema, value: unknown, error: z.ZodError, alsoKnown: readonly string[] = []): Problem[] {
  const problems = error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [...issue.path, key], text: unknownKey(schema, value, issue.path, key, alsoKnown) }))
      : [wrongValue(schema, value, issue.path)],
  );
  // One key can break several rules; its sentence tells all of them already.
  return problems.filter(({ text }, at) => problems.findIndex((other) => other.text === text) === at);
}

function unknownKey(schema: Schema, value: unknown, path: PropertyKey[], key: string, alsoKnown: readonly string[]): string {
  const known = Object.keys(shapeOf(schemaAt(schema, path)) ?? {});
  const suggestion = nearest(key, [...known, ...alsoKnown]);
  const full = toKey([...path, key]);
  const advice = suggestion === undefined ? `known keys: ${known.join(', ')}` : `did you mean ${suggestion}?`;
  return `unknown key ${full} (its value is ${show(valueAt(value, [...path, key]))}), ${advice}`;
}

function wrongValue(schema: Schema, value: unknown, path: PropertyKey[]): Problem {
  const facts = factsAt(schema, path);
  const allowed = facts?.allowed ?? 'keys with values';
  const found = valueAt(value, path);
  if (path.length === 0) return { path, text: `it must hold ${allowed}, it holds ${show(found)}` };
  if (found !== undefined && found !== null) return { path, text: `${toKey(path)} is ${show(found)}: must be ${allowed}` };
  const advice = facts?.whenMissing === undefined ? '' : `; ${facts.whenMissing}`;
  return { path, text: `${toKey(path)} is missing: must be ${allowed}${advice}`, missing: true };
}

/** members.0.id as "members[0].id". */
function toKey(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value);
}

/** The schema of the value at `path`, with its optional and default wrappers off. */
function schemaAt(schema: Schema, path: readonly PropertyKey[]): Schema | undefined {
  return path.reduce<Schema | undefined>((inner, key) => {
    const bare = unwrap(inner);
    return typeof key === 'number' ? (bare as { element?: Schema } | undefined)?.element : shapeOf(bare)?.[String(key)];
  }, schema);
}

export function factsAt(schema: Schema, path: readonly PropertyKey[]) {
  const found = unwrap(schemaAt(schema, path));
  return found === undefined ? undefined : settingFacts.get(found);
}

export function unwrap(schema: Schema | undefined): Schema | undefined {
  let inner = schema;
  while (inner !== undefined && (inner._zod.def.type === 'default' || inner._zod.def.type === 'optional')) {
    inner = (inner._zod.def as unknown as { innerType: Schema }).innerType;
  }
  return inner;
}

function shapeOf(schema: Schema | undefined): Record<string, Schema> | undefined {
  return (unwrap(schema) as { shape?: Record<string, Schema> } | undefined)?.shape;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
