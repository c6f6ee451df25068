/**
 * The keys of a RocketMQ broker.conf in DLedger mode that mean something here. All values of the file are text. A key that `BECOMES` another one is
 * turned into a value of that key; the others only say what must hold: what RocketMQ would do otherwise, and Lograft does not, is refused
 * where the user relies on it.
 */
import { z } from 'zod';
import type { BrokerFile } from './broker-schema.ts';
import { group, isAddress, name, rangeInWords, type SettingFacts, settingFacts, type WholeNumberRange } from './setting.ts';

const HOUR_MS = 60 * 60 * 1_000;
const MIB = 1024 * 1024;
/** A message's properties (up to 32 KiB), its topic, and what surrounds a record in a batch: `maxMessageSize` counts the body alone. */
const ROOM_AROUND_BODY_BYTES = 64 * 1024;

export const rocketmqSchema = z.strictObject({
  enableDLegerCommitLog: oneOf(['true'], {
    meaning: 'DLedger mode, which is what Lograft does. Without it, the file says nothing of the other members.',
    allowed: 'true (for a broker alone, with a dLegerPeers that names it only)',
  }),
  dLegerGroup: name({ meaning: 'As it is.' }).optional(),
  dLegerSelfId: name({ meaning: 'As it is.' }).optional(),
  dLegerPeers: translated(toMembers, {
    meaning:
      'All members. The port serves members and clients alike: `listen` is this port on all interfaces, `advertise` this address.',
    allowed: 'id-host:port for each member, with ; between them',
  }).optional(),
  preferredLeaderId: name({ meaning: 'As it is. One member: a second choice cannot be given.' }).optional(),
  namesrvAddr: translated(toAddresses, {
    meaning: 'Addresses of routers: run `lograft router --listen HOST:PORT` where a NameServer was.',
    allowed: 'host:port, several with ; between them',
  }).optional(),
  storePathRootDir: z
    .string()
    .min(1)
    .register(settingFacts, {
      meaning: "As it is. Lograft neither reads nor touches RocketMQ's files there; its topics begin empty.",
      allowed: 'a path',
    })
    .optional(),
  fileReservedTime: number(
    { minimum: 1, maximum: 87_600 },
    (hours) => hours * HOUR_MS,
    'Hours. What is older goes all the time, not at `deleteWhen`.',
  ),
  mappedFileSizeCommitLog: fileSize('As it is.'),
  mapedFileSizeCommitLog: fileSize('The same, as RocketMQ 4 spells it.'),
  maxMessageSize: number(
    { minimum: 1024, maximum: 32 * MIB - ROOM_AROUND_BODY_BYTES },
    (bytes) => bytes + ROOM_AROUND_BODY_BYTES,
    `Largest message body, in bytes; ${group(ROOM_AROUND_BODY_BYTES)} are added for key, headers and batch.`,
  ),
  flushDiskType: oneOf(['ASYNC_FLUSH', 'SYNC_FLUSH'], {
    meaning:
      'A record is acknowledged when a quorum has it on disk, fsynced: SYNC_FLUSH. ASYNC_FLUSH starts with a warning: Lograft is stricter.',
  }).optional(),
  brokerRole: oneOf(['ASYNC_MASTER', 'SYNC_MASTER'], {
    meaning:
      'The members elect one of them. Acknowledged is what a quorum has: SYNC_MASTER. ASYNC_MASTER starts with a warning: Lograft is stricter.',
    allowed:
      'ASYNC_MASTER or SYNC_MASTER (each member votes and may lead; a copy that does neither is added by `lograft group add-member NODE --learner`)',
  }).optional(),
  listenPort: number(
    { minimum: 1, maximum: 65_535 },
    (port) => port,
    'Not opened: clients connect to the port in `dLegerPeers`. Another one is told in a warning.',
  ),
  brokerIP1: z
    .string()
    .register(settingFacts, {
      meaning: 'Not told to clients: they connect to the host in `dLegerPeers`. Another one is told in a warning.',
      allowed: 'a host',
    })
    .optional(),
  bindAddress: oneOf(['0.0.0.0'], {
    meaning: 'All interfaces. One alone is given with `--listen HOST:PORT`.',
    allowed: '0.0.0.0, or left out with `--listen HOST:PORT` in its place',
  }).optional(),
  enableControllerMode: oneOf(['false'], {
    meaning: 'The members elect their leader; there is no controller that could.',
    allowed: 'false: the members of dLegerPeers elect their leader themselves',
  }).optional(),
  brokerPermission: oneOf(['6'], {
    meaning: 'A broker that only reads or only writes would take what it was told to refuse.',
    allowed: '6 (read and write): Lograft cannot refuse one of them',
  }).optional(),
  aclEnable: accessControl(),
  authenticationEnabled: accessControl(),
  authorizationEnabled: accessControl(),
  useTLS: oneOf(['false'], {
    meaning: 'There is no TLS: what shall be secret would be sent in the clear.',
    allowed: 'false: Lograft has no TLS',
  }).optional(),
  messageStorePlugIn: oneOf([''], {
    meaning: 'There are no plug-ins: what one keeps elsewhere (tiered storage) would be deleted with `fileReservedTime`.',
    allowed: 'empty: Lograft has no plug-ins',
  }).optional(),
});

export type RocketmqKey = keyof typeof rocketmqSchema.shape;

/** The key of docs/configuration.md that each one gives its value to. */
export const BECOMES: { readonly [Key in RocketmqKey]?: keyof BrokerFile } = {
  dLegerGroup: 'group',
  dLegerSelfId: 'nodeId',
  dLegerPeers: 'members',
  preferredLeaderId: 'preferredLeader',
  namesrvAddr: 'routers',
  storePathRootDir: 'dataDir',
  fileReservedTime: 'retentionMs',
  mappedFileSizeCommitLog: 'segmentBytes',
  mapedFileSizeCommitLog: 'segmentBytes',
  maxMessageSize: 'maxBatchBytes',
};

function accessControl() {
  return oneOf(['false'], {
    meaning: 'There is no access control: whoever reaches the port may read and write.',
    allowed: 'false: Lograft has no access control, let the network keep others out',
  }).optional();
}

/** Java reads booleans and enumerations in any case; `allowed` is in the words of RocketMQ's documentation. */
function oneOf(words: readonly string[], facts: { readonly meaning: string; readonly allowed?: string }) {
  return z
    .string()
    .refine((text) => words.some((word) => word.toLowerCase() === text.toLowerCase()))
    .register(settingFacts, { allowed: words.join(' or '), ...facts });
}

function number(range: WholeNumberRange, convert: (value: number) => number, meaning: string) {
  const { minimum, maximum = Number.MAX_SAFE_INTEGER, multipleOf = 1 } = range;
  const inRange = (value: number): boolean => value >= minimum && value <= maximum && value % multipleOf === 0;
  return translated((text) => (/^\d{1,15}$/.test(text) && inRange(Number(text)) ? convert(Number(text)) : undefined), {
    meaning,
    allowed: rangeInWords(range),
  }).optional();
}

function fileSize(meaning: string) {
  return number({ minimum: MIB, maximum: 1024 * MIB, multipleOf: 64 }, (bytes) => bytes, meaning);
}

/** Text that `convert` makes a value of, or undefined when it cannot. */
function translated<Value>(convert: (text: string) => Value | undefined, facts: SettingFacts) {
  return z
    .string()
    .transform((text, context): Value => {
      const value = convert(text);
      if (value !== undefined) return value;
      context.addIssue({ code: 'custom' });
      return z.NEVER;
    })
    .register(settingFacts, facts);
}

/** As DLedger cuts it: the id ends at the first hyphen, a host may have more of them. */
function toMembers(text: string): { id: string; address: string }[] | undefined {
  const members = listOf(text).map((peer) => ({
    id: peer.slice(0, Math.max(peer.indexOf('-'), 0)),
    address: peer.slice(peer.indexOf('-') + 1),
  }));
  return members.length > 0 && members.every(({ id, address }) => id !== '' && isAddress(address, 1)) ? members : undefined;
}

function toAddresses(text: string): string[] | undefined {
  const addresses = listOf(text);
  return addresses.every((address) => isAddress(address, 1)) ? addresses : undefined;
}

/** Java's `split` leaves out what is empty at the end. */
function listOf(text: string): string[] {
  return text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
