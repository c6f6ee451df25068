/** A RocketMQ broker.conf in DLedger mode as the configuration of a broker. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { BROKER_DEFAULTS } from '../../../src/broker/broker-config.ts';
import { givenBeside } from '../../../src/cli/broker-flags.ts';
import { loadBrokerConfig } from '../../../src/cli/config/load.ts';
import { KEYS_WITHOUT_MEANING } from '../../../src/cli/config/rocketmq-keys.ts';
import { rocketmqSchema } from '../../../src/cli/config/rocketmq-schema.ts';

const directory = mkdtempSync(join(tmpdir(), 'lograft-rocketmq-'));
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
function file(content: string): string {
  files += 1;
  const path = join(directory, `broker-${files}.conf`);
  writeFileSync(path, content);
  return path;
}

/** What RocketMQ ships as conf/dledger/broker-n0.conf. */
const SHIPPED = `
brokerClusterName = RaftCluster
brokerName=RaftNode00
listenPort=30911
namesrvAddr=127.0.0.1:9876
storePathRootDir=/tmp/rmqstore/node00
storePathCommitLog=/tmp/rmqstore/node00/commitlog
enableDLegerCommitLog=true
dLegerGroup=RaftNode00
dLegerPeers=n0-127.0.0.1:40911;n1-127.0.0.1:40912;n2-127.0.0.1:40913
## must be unique
dLegerSelfId=n0
sendMessageThreadPoolNums=16
`;
/** The least that starts, without a warning. */
const QUIET = `enableDLegerCommitLog=true
dLegerGroup=g1
dLegerSelfId=n0
dLegerPeers=n0-h0:1;n1-h1:1;n2-h2:1
namesrvAddr=r:1
storePathRootDir=${directory}/store
`;

const load = (content: string) => loadBrokerConfig(file(content), {});

describe('a broker.conf', () => {
  it('of RocketMQ starts a node as it is', () => {
    const { config, warnings } = load(SHIPPED);
    expect(config).toEqual({
      ...BROKER_DEFAULTS,
      nodeId: 'n0',
      group: 'RaftNode00',
      listen: '0.0.0.0:40911',
      advertise: '127.0.0.1:40911',
      dataDir: '/tmp/rmqstore/node00',
      members: [0, 1, 2].map((at) => ({ id: `n${at}`, address: `127.0.0.1:4091${at + 1}` })),
      routers: ['127.0.0.1:9876'],
    });
    expect(warnings).toEqual([
      'listenPort is 30911: it is not opened, clients connect to 127.0.0.1:40911, as members do (dLegerPeers) (line 4)',
      'left out, as Lograft has nothing of the kind: brokerClusterName (line 2), brokerName (line 3), storePathCommitLog (line 7), sendMessageThreadPoolNums (line 13). Why: docs/configuration.md',
    ]);
  });

  it.each([
    ['preferredLeaderId=n1', { preferredLeader: 'n1' }],
    ['fileReservedTime=48', { retentionMs: 48 * 3_600_000 }],
    ['mapedFileSizeCommitLog=1073741824', { segmentBytes: 1_073_741_824 }],
    ['mappedFileSizeCommitLog = 134217728', { segmentBytes: 134_217_728 }],
    ['maxMessageSize=4194304', { maxBatchBytes: 4_194_304 + 65_536 }],
    ['flushDiskType=SYNC_FLUSH\nbrokerRole=SYNC_MASTER', {}],
    ['listenPort=1\nbrokerIP1=h0\nbindAddress=0.0.0.0', {}],
    ['enableControllerMode=FALSE\naclEnable=False\nuseTLS=false\nbrokerPermission=6\nmessageStorePlugIn=', {}],
  ])('keeps what %s means', (lines, expected) => {
    const { config, warnings } = load(`${QUIET}${lines}\n`);
    expect(config).toMatchObject(expected);
    expect(warnings).toEqual([]);
  });

  it('is read as Java does', () => {
    const { config } = load(
      `! comment\r\n${QUIET}`
        .replace('h0:1;n1-h1:1;', 'h-0.svc:1; \\\n    n1-h1:1;')
        .replace('r:1', 'a:1;b:2;')
        .replace('dLegerSelfId=n0', 'dLegerSelfId : \\u006e0  '),
    );
    expect(config).toMatchObject({ nodeId: 'n0', advertise: 'h-0.svc:1', routers: ['a:1', 'b:2'] });
    expect(config.members).toHaveLength(3);
  });

  it.each([
    ['enableDLegerCommitLog=true', '', /enableDLegerCommitLog is missing: must be true/],
    ['Log=true', 'Log=false', /enableDLegerCommitLog is "false": must be true .*\(line 1\)/],
    ['n1-h1:1', 'h1:1', /dLegerPeers is "n0-h0:1;h1:1;n2-h2:1": must be id-host:port for each member.*\(line 4\)/],
    ['n1-h1:1', 'n1-h0:1', /members has the address h0:1 more than once \(dLegerPeers, line 4\)/],
    [/dLegerPeers.*/, '', /dLegerPeers is missing: must be id-host:port for each member/],
    ['SelfId=n0', 'SelfId=n7', /nodeId is "n7": must be one of the members \(n0, n1, n2\) \(dLegerSelfId, line 3\)/],
    [/storePath.*/, '', /storePathRootDir is missing: must be a path\. Nothing/],
    [/storePath.*/, 'storePathRootDir=', /storePathRootDir is "": must be a path \(line 6\)/],
    ['r:1', 'r', /namesrvAddr is "r": must be host:port, several with ; between them/],
    [/$/, 'fileReservedTime=0\n', /fileReservedTime is "0": must be a whole number, 1 to 87 600 \(line 7\)/],
    [/$/, 'fileReservedTime=2d\n', /fileReservedTime is "2d": must be/],
    [/$/, 'mappedFileSizeCommitLog=1000\n', /mappedFileSizeCommitLog is "1000": must be a multiple of 64/],
    [/$/, 'maxMessageSize=33554432\n', /maxMessageSize is "33554432": must be a whole number, 1 024 to 33 488 896/],
    [/$/, 'brokerRole=SLAVE\n', /brokerRole is "SLAVE": must be ASYNC_MASTER or SYNC_MASTER .*add-member NODE --learner/],
    [/$/, 'enableControllerMode=true\n', /enableControllerMode is "true": must be false/],
    [/$/, 'aclEnable=true\n', /aclEnable is "true": must be false: Lograft has no access control/],
    [/$/, 'authenticationEnabled=true\n', /authenticationEnabled is "true": must be false/],
    [/$/, 'useTLS=true\n', /useTLS is "true": must be false/],
    [/$/, 'brokerPermission=4\n', /brokerPermission is "4": must be 6/],
    [/$/, 'messageStorePlugIn=x.TieredMessageStore\n', /messageStorePlugIn is "x.TieredMessageStore": must be empty/],
    [/$/, 'bindAddress=10.0.0.1\n', /bindAddress is "10.0.0.1": must be 0\.0\.0\.0/],
    [/$/, 'flushDiskTyp=SYNC_FLUSH\n', /unknown key flushDiskTyp .*did you mean flushDiskType\? \(line 7\)/],
    [/$/, 'brokerNam=x\n', /unknown key brokerNam .*did you mean brokerName\? \(line 7\)/],
    [/$/, 'dLegerGroup=g2\n', /dLegerGroup is given again after line 2: must be given once \(line 7\)/],
    [
      /$/,
      'mapedFileSizeCommitLog=1048576\nmappedFileSizeCommitLog=1048576\n',
      /mappedFileSizeCommitLog \(the same as mapedFileSizeCommitLog\) is given again after line 7/,
    ],
  ])('refuses %s as %s', (part, instead, message) => {
    expect(() => load(QUIET.replace(part, instead))).toThrow(message);
  });

  it('tells all problems at once', () => {
    const content = QUIET.replace('r:1', 'r')
      .replace('n0-h0:1;', 'h0;')
      .replace(/storePath.*/, 'segmentBytes=1');
    expect(() => load(content)).toThrow(
      /has 4 problems: \(1\) dLegerPeers is "h0;.* \(2\) namesrvAddr is "r".* \(3\) unknown key segmentBytes .* \(4\) storePathRootDir is missing/,
    );
  });

  it('warns where Lograft does more, or something else, than it was asked', () => {
    mkdirSync(join(directory, 'store', 'dledger-n0'), { recursive: true });
    const lines = 'flushDiskType=ASYNC_FLUSH\nbrokerRole=ASYNC_MASTER\nbrokerIP1=10.0.0.7\nhaHousekeepingInterval=20000\n';
    const { warnings } = load(`${QUIET}${lines}`);
    expect(warnings).toEqual([
      'flushDiskType is ASYNC_FLUSH and brokerRole is ASYNC_MASTER: Lograft is stricter, it acknowledges a record when a quorum has it on disk, fsynced (line 7)',
      'brokerIP1 is 10.0.0.7: it is not told to clients, clients connect to h0:1, as members do (dLegerPeers) (line 9)',
      `storePathRootDir is ${directory}/store, where RocketMQ has data: Lograft neither reads nor touches it, its topics begin empty (line 6)`,
      'left out, as Lograft has nothing of the kind: haHousekeepingInterval (line 10). Why: docs/configuration.md',
    ]);
    const elsewhere = loadBrokerConfig(file(QUIET), givenBeside({ data: '/elsewhere' }, {}));
    expect(elsewhere).toMatchObject({ config: { dataDir: '/elsewhere' }, warnings: [] });
    const port = `${QUIET.replace(`${directory}/store`, '/d')}listenPort=9\n`;
    expect(load(port).warnings).toEqual([expect.stringMatching(/^listenPort is 9: .* connect to h0:1/)]);
    expect(loadBrokerConfig(file(port), givenBeside({ nodeId: 'n1' }, {})).warnings).toEqual([]);
  });

  it('gives way to flags', () => {
    const given = givenBeside({ nodeId: 'n1', routers: ['other:1'] }, {});
    expect(loadBrokerConfig(file(QUIET), given).config).toMatchObject({ nodeId: 'n1', listen: '0.0.0.0:1', routers: ['other:1'] });
  });
});

describe('the keys of RocketMQ', () => {
  it('either mean something or do not', () => {
    expect(KEYS_WITHOUT_MEANING.filter((key) => key in rocketmqSchema.shape)).toEqual([]);
    expect(KEYS_WITHOUT_MEANING.filter((key) => !/^[a-z]\w+$/.test(key))).toEqual([]);
  });
});
