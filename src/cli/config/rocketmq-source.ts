/** A RocketMQ broker.conf (Java properties) in DLedger mode, read as a configuration of Lograft. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Pair, parseLines } from 'dot-properties';
import type { z } from 'zod';
import { hostOf, portOf } from './address.ts';
import { describeProblems, factsAt } from './problems.ts';
import { isWithoutMeaning, KEYS_WITHOUT_MEANING } from './rocketmq-keys.ts';
import { BECOMES, type RocketmqKey, rocketmqSchema } from './rocketmq-schema.ts';
import { located, type Remark, type Source, type Warning } from './source.ts';

interface Property {
  readonly key: string;
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

type RocketmqSettings = z.output<typeof rocketmqSchema>;
type LineOf = (key: PropertyKey | undefined) => number | undefined;

export function rocketmqSource(text: string): Source {
  const properties = readProperties(text);
  const lineOf: LineOf = (key) => properties.find((property) => property.key === key)?.line;
  const ignored = properties.filter(({ key }) => isWithoutMeaning(key));
  const meant = properties.filter(({ key }) => !isWithoutMeaning(key));
  const given = Object.fromEntries(meant.map(({ key, value }) => [key, value]));

  const parsed = rocketmqSchema.safeParse(given);
  const wrong = parsed.success ? [] : describeProblems(rocketmqSchema, given, parsed.error, KEYS_WITHOUT_MEANING);
  const problems = [
    ...givenTwice(properties),
    ...wrong.map((problem) => located(problem, { placeOf: ([key]) => ({ line: lineOf(key) }) })),
  ];
  return {
    readable: true,
    values: translate(given),
    problems,
    warnings: parsed.success ? [...warnings(parsed.data, lineOf), ...leftOut(ignored)] : [],
    placeOf: ([key]) => {
      const names = namesOf(key);
      const name = names.find((candidate) => lineOf(candidate) !== undefined) ?? names[0];
      return { key: name, line: lineOf(name) };
    },
    ownWordsFor: ([key]) => {
      const name = namesOf(key)[0];
      return name === undefined ? undefined : { key: name, allowed: factsAt(rocketmqSchema, [name])?.allowed ?? 'given' };
    },
  };
}

function readProperties(text: string): Property[] {
  return parseLines(text, true)
    .filter((node) => node instanceof Pair)
    .map(({ key, value, range }) => ({
      key,
      // Java keeps blanks at the end; nobody means them.
      value: value.trimEnd(),
      line: text.slice(0, range[0]).split(/\r\n|\r|\n/).length,
    }));
}

/** RocketMQ's names for a key, the usual one first. */
function namesOf(key: PropertyKey | undefined): RocketmqKey[] {
  return (Object.keys(BECOMES) as RocketmqKey[]).filter((name) => BECOMES[name] === key);
}

function translate(given: Readonly<Record<string, string>>): Record<string, unknown> {
  const pairs = (Object.keys(BECOMES) as RocketmqKey[]).map((name) => {
    const { data } = rocketmqSchema.shape[name].safeParse(given[name]);
    return [BECOMES[name], data] as const;
  });
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
}

/** RocketMQ takes the last one. Two spellings of one key count as the same. */
function givenTwice(properties: readonly Property[]): Remark[] {
  const meaningOf = ({ key }: Property): string => BECOMES[key as RocketmqKey] ?? key;
  return properties.flatMap((property, at) => {
    const earlier = properties.slice(0, at).find((other) => meaningOf(other) === meaningOf(property));
    if (earlier === undefined) return [];
    const name = earlier.key === property.key ? property.key : `${property.key} (the same as ${earlier.key})`;
    return [{ text: `${name} is given again after line ${earlier.line}: must be given once`, line: property.line }];
  });
}

function warnings(settings: RocketmqSettings, lineOf: LineOf): Warning[] {
  return [...stricterThanAsked(settings, lineOf), ...whereClientsConnect(settings, lineOf), ...formerData(settings, lineOf)];
}

function stricterThanAsked({ flushDiskType, brokerRole }: RocketmqSettings, lineOf: LineOf): Warning[] {
  const asked: string[] = [];
  if (flushDiskType?.toUpperCase() === 'ASYNC_FLUSH') asked.push(`flushDiskType is ${flushDiskType}`);
  if (brokerRole?.toUpperCase() === 'ASYNC_MASTER') asked.push(`brokerRole is ${brokerRole}`);
  if (asked.length === 0) return [];
  const text = `${asked.join(' and ')}: Lograft is stricter, it acknowledges a record when a quorum has it on disk, fsynced`;
  return [{ text, line: lineOf(flushDiskType?.toUpperCase() === 'ASYNC_FLUSH' ? 'flushDiskType' : 'brokerRole') }];
}

/** One port and one address serve members and clients: those that the members know of each other. */
function whereClientsConnect(settings: RocketmqSettings, lineOf: LineOf): Warning[] {
  const { listenPort, brokerIP1, dLegerPeers, dLegerSelfId } = settings;
  const own = dLegerPeers?.find(({ id }) => id === dLegerSelfId)?.address;
  if (own === undefined) return [];
  const remarks: Warning[] = [];
  const instead = `clients connect to ${own}, as members do (dLegerPeers)`;
  if (listenPort !== undefined && listenPort !== portOf(own))
    remarks.push({
      text: `listenPort is ${listenPort}: it is not opened, ${instead}`,
      line: lineOf('listenPort'),
      about: ['members', 'nodeId'],
    });
  if (brokerIP1 !== undefined && brokerIP1 !== hostOf(own))
    remarks.push({
      text: `brokerIP1 is ${brokerIP1}: it is not told to clients, ${instead}`,
      line: lineOf('brokerIP1'),
      about: ['members', 'nodeId'],
    });
  return remarks;
}

function formerData({ storePathRootDir, dLegerSelfId }: RocketmqSettings, lineOf: LineOf): Warning[] {
  if (storePathRootDir === undefined) return [];
  const folders = ['commitlog', 'consumequeue', `dledger-${dLegerSelfId}`];
  if (!folders.some((name) => existsSync(join(storePathRootDir, name)))) return [];
  const text = `storePathRootDir is ${storePathRootDir}, where RocketMQ has data: Lograft neither reads nor touches it, its topics begin empty`;
  return [{ text, line: lineOf('storePathRootDir'), about: ['dataDir'] }];
}

function leftOut(ignored: readonly Property[]): Warning[] {
  if (ignored.length === 0) return [];
  const names = ignored.map(({ key, line }) => `${key} (line ${line})`).join(', ');
  return [{ text: `left out, as Lograft has nothing of the kind: ${names}. Why: docs/configuration.md` }];
}
