/** The .proto files, loaded once: typed services, and codecs for messages that travel as bytes. */
import { fileURLToPath } from 'node:url';
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader';
import type { Command, CommandInput } from './generated/lograft/internal/v1/Command.ts';
import type { PeerDefinition } from './generated/lograft/internal/v1/Peer.ts';
import type { SnapshotRecord, SnapshotRecordInput } from './generated/lograft/internal/v1/SnapshotRecord.ts';
import type { AdminDefinition } from './generated/lograft/v1/Admin.ts';
import type { Error as ErrorMessage, ErrorInput as ErrorMessageInput } from './generated/lograft/v1/Error.ts';
import type { LogDefinition } from './generated/lograft/v1/Log.ts';
import type { RecordBatch, RecordBatchInput } from './generated/lograft/v1/RecordBatch.ts';
import type { RecordSet, RecordSetInput } from './generated/lograft/v1/RecordSet.ts';
import type { RouterDefinition } from './generated/lograft/v1/Router.ts';

const PROTO_DIRECTORY = fileURLToPath(new URL('../../proto/', import.meta.url));
const PUBLIC_FILES = ['record', 'error', 'log', 'admin', 'router'].map((name) => `lograft/v1/${name}.proto`);
const INTERNAL_FILES = ['peer', 'command', 'snapshot'].map((name) => `lograft/internal/v1/${name}.proto`);
// The options that the generated types were made with (package.json, script "generate").
const OPTIONS = { longs: Number, defaults: true, oneofs: true, includeDirs: [PROTO_DIRECTORY] };

const all: PackageDefinition = loadSync([...PUBLIC_FILES, ...INTERNAL_FILES], OPTIONS);
/** What server reflection shows. */
export const publicPackage: PackageDefinition = loadSync(PUBLIC_FILES, OPTIONS);

export interface Codec<Input, Output> {
  encode(message: Input): Buffer;
  /** Throws on malformed bytes. Its `bytes` fields are views of `bytes`. */
  decode(bytes: Uint8Array): Output;
}

function codec<Input, Output>(name: string): Codec<Input, Output> {
  const definition = all[name] as unknown as MessageTypeDefinition<Input, Output>;
  return {
    encode: definition.serialize,
    decode: (bytes) =>
      definition.deserialize(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
  };
}

export const RecordBatchCodec = codec<RecordBatchInput, RecordBatch>('lograft.v1.RecordBatch');
export const RecordSetCodec = codec<RecordSetInput, RecordSet>('lograft.v1.RecordSet');
export const ErrorCodec = codec<ErrorMessageInput, ErrorMessage>('lograft.v1.Error');
export const CommandCodec = codec<CommandInput, Command>('lograft.internal.v1.Command');
export const SnapshotRecordCodec = codec<SnapshotRecordInput, SnapshotRecord>('lograft.internal.v1.SnapshotRecord');

export const LogService = all['lograft.v1.Log'] as unknown as LogDefinition;
export const AdminService = all['lograft.v1.Admin'] as unknown as AdminDefinition;
export const RouterService = all['lograft.v1.Router'] as unknown as RouterDefinition;
export const PeerService = all['lograft.internal.v1.Peer'] as unknown as PeerDefinition;
