import { GrpcChannel } from './grpc-channel.ts';
import { GrpcServer } from './grpc-server.ts';
import type { Transport } from './transport.ts';

export const grpcTransport: Transport = {
  dial: (address) => new GrpcChannel(address),
  listen: (address, services) => GrpcServer.listen(address, services),
};
