/** What any gRPC tool expects of a server: health and reflection, on every process. */
import { createRequire } from 'node:module';
import { Client, credentials, type MethodDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { service as healthService } from 'grpc-health-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from './cluster.ts';

describe('every process', { timeout: 60_000 }, () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start();
  }, 60_000);
  afterAll(() => cluster.stop(), 60_000);

  const addresses = (): string[] => [cluster.router, ...cluster.nodes.map(({ address }) => address)];

  it('says that it is serving', async () => {
    for (const address of addresses()) {
      const client = new Client(address, credentials.createInsecure());
      const check = healthService.Check as unknown as MethodDefinition<{ service: string }, { status: unknown }>;
      const answer = await new Promise<{ status: unknown } | undefined>((resolve, reject) =>
        client.makeUnaryRequest(
          check.path,
          check.requestSerialize,
          check.responseDeserialize,
          { service: '' },
          (error, response) => (error ? reject(error) : resolve(response)),
        ),
      );
      client.close();
      expect(answer?.status, address).toBe('SERVING');
    }
  });

  it('tells its services', async () => {
    const file = createRequire(import.meta.url).resolve('@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto');
    const definition = loadSync(file)['grpc.reflection.v1.ServerReflection'] as unknown as Record<
      string,
      MethodDefinition<object, { listServicesResponse?: { service: { name: string }[] } }>
    >;
    const info = definition.ServerReflectionInfo as MethodDefinition<
      object,
      { listServicesResponse?: { service: { name: string }[] } }
    >;
    for (const address of addresses()) {
      const client = new Client(address, credentials.createInsecure());
      const call = client.makeBidiStreamRequest(info.path, info.requestSerialize, info.responseDeserialize);
      const names = await new Promise<string[]>((resolve, reject) => {
        call.on('data', (answer) => resolve(answer.listServicesResponse.service.map(({ name }: { name: string }) => name)));
        call.on('error', reject);
        call.write({ listServices: '' });
      });
      call.end();
      client.close();
      expect(names, address).toEqual(expect.arrayContaining(['lograft.v1.Log', 'lograft.v1.Admin', 'lograft.v1.Router']));
    }
  });
});
