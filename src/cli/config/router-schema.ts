/** The keys of a router's configuration file. */
import { z } from 'zod';
import { address } from './setting.ts';

export const routerSchema = z.strictObject({
  listen: address(0, { meaning: 'Where clients and brokers connect.' }).default('127.0.0.1:8080'),
});

export type RouterConfig = z.infer<typeof routerSchema>;
