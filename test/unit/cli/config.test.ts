import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { BROKER_DEFAULTS } from '../../../src/broker/broker-config.ts';
import { givenBeside } from '../../../src/cli/broker-flags.ts';
import { CliError } from '../../../src/cli/cli-error.ts';
import { loadBrokerConfig, loadRouterConfig } from '../../../src/cli/config/load.ts';

const directory = mkdtempSync(join(tmpdir(), 'lograft-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
function file(content: string): string {
  files += 1;
  const path = join(directory, `${files}.yaml`);
  writeFileSync(path, content);
  return path;
}

const GOOD = `
nodeId: n1
listen: 127.0.0.1:9001
dataDir: /var/lib/lograft
members:
  - { id: n1, address: "127.0.0.1:9001" }
  - { id: n2, address: "127.0.0.1:9002" }
  - { id: n3, address: "127.0.0.1:9003" }
routers: ["127.0.0.1:8080"]
`;

function failure(content: string): string {
  try {
    loadBrokerConfig(file(content), {});
  } catch (error) {
    expect(error).toBeInstanceOf(CliError);
    expect((error as CliError).message).not.toContain('\n');
    return (error as CliError).message;
  }
  throw new Error('no error');
}

describe('a broker configuration', () => {
  it('has the documented defaults', () => {
    expect(loadBrokerConfig(file(GOOD), {}).config).toEqual({
      ...BROKER_DEFAULTS,
      nodeId: 'n1',
      listen: '127.0.0.1:9001',
      advertise: '127.0.0.1:9001',
      dataDir: '/var/lib/lograft',
      members: [1, 2, 3].map((at) => ({ id: `n${at}`, address: `127.0.0.1:900${at}` })),
      routers: ['127.0.0.1:8080'],
    });
  });

  it('names an unknown key, its value and the nearest known key', () => {
    expect(failure(`${GOOD}hartbeatIntervalMs: 70\n`)).toMatch(
      /unknown key hartbeatIntervalMs \(its value is 70\), did you mean heartbeatIntervalMs\?/,
    );
    expect(failure(`${GOOD}xyzzy: 1\n`)).toMatch(/unknown key xyzzy .*known keys: nodeId, listen/);
    const inner = GOOD.replace('{ id: n1, address', '{ id: n1, adress');
    expect(failure(inner)).toMatch(/unknown key members\[0\]\.adress .*did you mean address\? \(line 6\)/);
  });

  it.each([
    ['heartbeatIntervalMs: 9', /heartbeatIntervalMs is 9: must be a whole number, 10 to 10 000/],
    ['heartbeatIntervalMs: 10001', /heartbeatIntervalMs is 10001: must be/],
    ['heartbeatIntervalMs: 50.5', /heartbeatIntervalMs is 50.5: must be a whole number/],
    ['heartbeatIntervalMs: soon', /heartbeatIntervalMs is "soon": must be a whole number/],
    ['maxBatchBytes: 1023', /maxBatchBytes is 1023: must be a whole number, 1 024 to 33 554 432/],
    ['maxBatchBytes: 33554433', /maxBatchBytes is 33554433/],
    ['segmentBytes: 1048575', /segmentBytes is 1048575: must be a multiple of 64, 1 048 576 to 1 073 741 824/],
    ['segmentBytes: 1048577', /segmentBytes is 1048577: must be a multiple of 64/],
    ['cacheBytes: 1', /cacheBytes is 1: must be a whole number, at least 1 048 576/],
    ['group: "two words"', /group is "two words": must be text of 1 to 63 characters/],
    ['advertise: nowhere', /advertise is "nowhere": must be host:port/],
    ['advertise: "a:70000"', /advertise is "a:70000": must be host:port, port 1 to 65535/],
    ['electionTimeoutMinMs: 150', /heartbeatIntervalMs is 100: must be at most half of electionTimeoutMinMs, which is 150/],
    ['electionTimeoutMaxMs: 400', /electionTimeoutMaxMs is 400: must be above electionTimeoutMinMs, which is 500/],
    ['advertise: "10.0.0.1:9001"', /members has 127.0.0.1:9001 for n1, and its advertise is 10.0.0.1:9001: must be the same/],
  ])('refuses %s and says what is allowed', (line, message) => {
    expect(failure(`${GOOD}${line}\n`)).toMatch(message);
  });

  it('tells all problems at once', () => {
    const message = failure('nodeId: "?"\nsegmentBytes: 1\nlissten: a:1\n');
    expect(message).toMatch(/has 5 problems/);
    for (const part of [/nodeId is "\?"/, /dataDir is missing/, /members is missing/, /segmentBytes is 1/]) {
      expect(message).toMatch(part);
    }
    expect(message).toMatch(/unknown key lissten .*did you mean listen\?/);
  });

  it('takes a key without a value as missing', () => {
    expect(failure(GOOD.replace(/dataDir:.*/, 'dataDir:'))).toMatch(/dataDir is missing: must be a path \(line 4\)/);
    expect(failure(GOOD.replace('id: n2', 'id: '))).toMatch(/members\[1\]\.id is missing: .* \(line 7\)/);
  });

  it('checks the members', () => {
    expect(failure(GOOD.replace('nodeId: n1', 'nodeId: n9'))).toMatch(/nodeId is "n9": must be one of the members \(n1, n2, n3\)/);
    expect(failure(GOOD.replace('id: n3', 'id: n2'))).toMatch(/the id n2 more than once/);
    expect(failure(GOOD.replace(':9003', ':9002'))).toMatch(/the address 127.0.0.1:9002 more than once/);
    expect(failure(GOOD.replace('listen: 127.0.0.1:9001', 'listen: 0.0.0.0:7001'))).toMatch(
      /advertise is "0.0.0.0:7001" \(from listen\)/,
    );
  });

  it('says where YAML is broken, and that a file is missing', () => {
    expect(failure('nodeId: [n1\n')).toMatch(/not valid YAML: .* at line 2, column 1/);
    expect(failure('just text')).toMatch(/must hold keys with values/);
    expect(failure('nodeId: n1\nnodeId: n2\n')).toMatch(/not valid YAML/);
    expect(() => loadBrokerConfig(join(directory, 'none.yaml'), {})).toThrow(/none.yaml: there is no such file/);
  });

  it('warns of an even number of members, no router, and a preferred leader that is none of them', () => {
    expect(loadBrokerConfig(file(GOOD), {}).warnings).toEqual([]);
    const even = GOOD.replace(/ {2}- \{ id: n3.*\n/, '').replace(/routers.*/, 'preferredLeader: n3');
    expect(loadBrokerConfig(file(even), {}).warnings).toEqual([
      'members has 2, which survive no more failures than 1 and are slower: use an odd number (line 5)',
      'routers is empty: clients cannot find this group through a router',
      'preferredLeader is "n3", which is none of the members (line 8)',
    ]);
  });
});

describe('a file for all nodes', () => {
  const CLUSTER = GOOD.replace(/(nodeId|listen): .*\n/g, '').replace('127.0.0.1:9003', '[::1]:9003');

  it.each([
    ['n1', '0.0.0.0:9001', '127.0.0.1:9001'],
    ['n3', '[::]:9003', '[::1]:9003'],
  ])('tells node %s where to listen and what its address is', (nodeId, listen, advertise) => {
    const byFlag = loadBrokerConfig(file(CLUSTER), givenBeside({ nodeId }, {})).config;
    expect(byFlag).toMatchObject({ nodeId, listen, advertise });
    expect(loadBrokerConfig(file(CLUSTER), givenBeside({}, { LOGRAFT_NODE_ID: nodeId })).config).toEqual(byFlag);
  });

  it('takes what a node is given beside it', () => {
    const given = (flags: object) => loadBrokerConfig(file(CLUSTER), givenBeside({ nodeId: 'n1', ...flags }, {})).config;
    expect(given({ listen: '[::]:9001' })).toMatchObject({ listen: '[::]:9001', advertise: '127.0.0.1:9001' });
    expect(given({ listen: '0.0.0.0:7', advertise: '127.0.0.1:9001' })).toMatchObject({ listen: '0.0.0.0:7' });
  });

  it('says who it does not know, and that it must be told', () => {
    expect(failure(CLUSTER)).toMatch(/nodeId is missing: .*; a file for all nodes needs --node-id or LOGRAFT_NODE_ID/);
    expect(() => loadBrokerConfig(file(CLUSTER), givenBeside({}, { LOGRAFT_NODE_ID: '' }))).toThrow(/nodeId is missing/);
    expect(() => loadBrokerConfig(file(CLUSTER), givenBeside({ nodeId: 'n9' }, {}))).toThrow(
      /yaml: nodeId is "n9": must be one of the members \(n1, n2, n3\)\. Nothing/,
    );
  });

  it('is not run under two names', () => {
    const elsewhere = { LOGRAFT_NODE_ID: 'n2' };
    expect(() => loadBrokerConfig(file(GOOD), givenBeside({}, elsewhere))).toThrow(
      /nodeId is "n1" and LOGRAFT_NODE_ID is "n2": leave one of them out \(line 2\)/,
    );
    expect(loadBrokerConfig(file(CLUSTER), givenBeside({ nodeId: 'n1' }, elsewhere)).config.nodeId).toBe('n1');
    expect(loadBrokerConfig(file(GOOD), givenBeside({}, { LOGRAFT_NODE_ID: 'n1' })).config.nodeId).toBe('n1');
  });
});

describe('flags', () => {
  it('win over the file', () => {
    const flags = {
      nodeId: 'n2',
      listen: '0.0.0.0:7002',
      advertise: '127.0.0.1:7002',
      data: 'here',
      group: 'other',
      member: [{ id: 'n2', address: '127.0.0.1:7002' }],
      routers: ['r:1', 'r:2'],
    };
    expect(loadBrokerConfig(file(GOOD), givenBeside(flags, {})).config).toMatchObject({
      nodeId: 'n2',
      listen: '0.0.0.0:7002',
      advertise: '127.0.0.1:7002',
      dataDir: resolve('here'),
      group: 'other',
      members: [{ id: 'n2', address: '127.0.0.1:7002' }],
      routers: ['r:1', 'r:2'],
    });
  });

  it('are enough without a file, and are checked as it is', () => {
    const flags = { nodeId: 'n1', listen: 'h:1', data: '/d', member: [{ id: 'n1', address: 'h:1' }] };
    expect(loadBrokerConfig(undefined, givenBeside(flags, {})).config.members).toHaveLength(1);
    expect(() => loadBrokerConfig(undefined, givenBeside({ ...flags, listen: 'h:x' }, {}))).toThrow(
      /given by flags: listen is "h:x"/,
    );
  });
});

describe('a router configuration', () => {
  it('needs nothing', () => {
    expect(loadRouterConfig(undefined, {})).toEqual({ listen: '127.0.0.1:8080' });
    expect(loadRouterConfig(file('listen: 0.0.0.0:99\n'), {})).toEqual({ listen: '0.0.0.0:99' });
    expect(loadRouterConfig(file('listen: 0.0.0.0:99\n'), { flags: { listen: 'h:1' } })).toEqual({ listen: 'h:1' });
  });

  it('is as strict', () => {
    expect(() => loadRouterConfig(file('lsten: h:1\n'), {})).toThrow(/unknown key lsten .*did you mean listen\?/);
  });
});
