/** What the commands accept, and what they say of themselves. */
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { address, addressList, member, wholeBetween } from '../../../src/cli/flags.ts';
import { nearest } from '../../../src/cli/nearest.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { parseReadStart } from '../../../src/cli/read-start.ts';

function allCommands(command: Command, path: string[] = []): [string, Command][] {
  return command.commands.flatMap((inner) => {
    const name = [...path, inner.name()];
    return [[name.join(' '), inner] as [string, Command], ...allCommands(inner, name)];
  });
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

async function complaint(args: string[]): Promise<string> {
  const program = createProgram();
  let text = '';
  const catchErrors = (command: Command): void => {
    command.configureOutput({ writeErr: (part) => (text += part), writeOut: () => {} });
    command.commands.forEach(catchErrors);
  };
  catchErrors(program);
  await program.parseAsync(args, { from: 'user' }).catch(() => {});
  return text;
}

describe('help', () => {
  it('knows all commands', () => {
    const names = allCommands(createProgram()).map(([name]) => name);
    expect(names).toEqual([
      'dev',
      'topic',
      'topic create',
      'topic list',
      'topic describe',
      'topic add-queues',
      'topic delete',
      'produce',
      'consume',
      'offsets',
      'offsets show',
      'offsets reset',
      'status',
      'group',
      'group add-member',
      'group remove-member',
      'group replace-member',
      'group transfer-leader',
      'broker',
      'router',
      'config',
      'config check',
      'config show',
    ]);
  });

  it.each(allCommands(createProgram()))('of %s has a description and examples', (name, command) => {
    const help = helpOf(command);
    expect(command.description()).not.toBe('');
    expect(help).toMatch(new RegExp(`Examples:\n(  .*\n)*?.*lograft ${name}`));
  });

  it.each(['produce', 'consume', 'status', 'group add-member', 'group transfer-leader', 'topic create'])(
    'of %s tells of the router',
    (name) => {
      const found = allCommands(createProgram()).find(([known]) => known === name);
      expect(helpOf(found?.[1] as Command).replace(/\s+/g, ' ')).toMatch(/--router .*default: 127.0.0.1:8080, env: LOGRAFT_ROUTER/);
    },
  );
});

describe('patience', () => {
  it.each([
    ['group add-member', 600],
    ['group replace-member', 600],
    ['group remove-member', 30],
    ['group transfer-leader', 30],
  ])('of %s is %i s unless told otherwise', (name, seconds) => {
    const command = allCommands(createProgram()).find(([known]) => known === name)?.[1] as Command;
    expect(command.opts().timeout).toBe(seconds);
    expect(helpOf(command).replace(/\s+/g, ' ')).toContain(`(default: ${seconds})`);
    command.parseOptions(['--timeout', '7']);
    expect(command.opts().timeout).toBe(7);
  });
});

describe('arguments', () => {
  it.each([
    [['produce'], /missing required argument 'topic'/],
    [['produce', 't', '--queue', '-1'], /whole number from 0/],
    [['produce', 't', '--key-field', '0'], /whole number from 1/],
    [['consume', 't', '--from', 'middle'], /earliest, latest, an offset, a time .* or how long ago/],
    [['consume', 't', '--from', '2026-11-24T10:00:00'], /a time \(2026-11-24T10:00:00Z\)/],
    [['offsets', 'reset', 'billing', 'orders'], /required option '--to <start>' not specified/],
    [['consume', 't', '--until-end', '--follow'], /'--until-end' cannot be used with option '--follow'/],
    [['topic', 'create', 't', '--queues', '0'], /whole number from 1 to 1024/],
    [['status', '--router', 'nowhere'], /"nowhere" is not host:port/],
    [['dev', '--stop', '--detach'], /cannot be used with/],
    [['dev', '--replicas', '0'], /whole number from 1 to 7/],
    [['broker', '--member', 'n1'], /"n1" is not id=host:port/],
    [['group', 'add-member', 'n4'], /required option '-a, --address <host:port>' not specified/],
    [['group', 'add-member', 'n4', '--address', 'here'], /"here" is not host:port/],
    [['group', 'remove-membr', 'n4'], /unknown command 'remove-membr' \(Did you mean remove-member\?\)/],
    [['transfer'], /unknown command 'transfer'/],
    [['prodcue'], /unknown command 'prodcue' \(Did you mean produce\?\)/],
  ])('lograft %j is refused in one line', async (args, message) => {
    const said = await complaint(args);
    expect(said).toMatch(message);
    expect(said).toMatch(/^lograft: .*\n$/);
  });

  it('are parsed', () => {
    expect(addressList('a:1, [::1]:2')).toEqual(['a:1', '[::1]:2']);
    expect(() => address('a:0')).toThrow();
    expect(wholeBetween(0, 9)('7')).toBe(7);
    expect(() => wholeBetween(0, 9)('7.5')).toThrow();
    expect(member('n2=b:2', member('n1=a:1', undefined))).toEqual([
      { id: 'n1', address: 'a:1' },
      { id: 'n2', address: 'b:2' },
    ]);
  });
});

describe('where reading begins', () => {
  const nowMs = Date.UTC(2026, 10, 24, 12);

  it.each([
    ['earliest', 'earliest'],
    ['latest', 'latest'],
    ['0', 0],
    ['77', 77],
    ['30s', { timeMs: nowMs - 30_000 }],
    ['2h', { timeMs: Date.UTC(2026, 10, 24, 10) }],
    ['7d', { timeMs: Date.UTC(2026, 10, 17, 12) }],
    ['2026-11-24T10:00:00Z', { timeMs: Date.UTC(2026, 10, 24, 10) }],
    ['2026-11-24T10:00+02:00', { timeMs: Date.UTC(2026, 10, 24, 8) }],
    ['2026-11-24T10:00:00.250Z', { timeMs: Date.UTC(2026, 10, 24, 10, 0, 0, 250) }],
  ])('is %s', (text, start) => {
    expect(parseReadStart(text, nowMs)).toEqual(start);
  });

  it.each(['-1', '1.5', '', 'h', '2 h', '2w', '2026-11-24', '2026-11-24T10:00:00', '2026-13-24T10:00:00Z', '99999999999999999999'])(
    'is not %j',
    (text) => {
      expect(() => parseReadStart(text, nowMs)).toThrow(/It must be/);
    },
  );
});

describe('nearest', () => {
  it('finds what was meant, and keeps still when nothing is near', () => {
    const known = ['listen', 'members', 'heartbeatIntervalMs'];
    expect(nearest('lsten', known)).toBe('listen');
    expect(nearest('heartbeatinterval', known)).toBe('heartbeatIntervalMs');
    expect(nearest('xyzzy', known)).toBeUndefined();
  });
});
