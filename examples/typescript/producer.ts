/** Takes orders, and puts them on the log: those of a customer in order, no faster than the cluster stores them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LograftClient, LograftError } from 'lograft';
import { type Order, ROUTERS, TOPIC, untilSignal } from './orders.ts';

const count = Number(process.argv[2] ?? 10_000);
const stopping = untilSignal();
const client = new LograftClient({ routers: ROUTERS });
const producer = client.producer();
const underWay = new Set<Promise<void>>();
let retrying = 0;
let stored = 0;

for await (const order of incomingOrders()) {
  // Back-pressure: waits while 32 MiB are under way.
  await producer.ready();
  while (retrying > 0 && !stopping.aborted) await sleep(100);
  if (stopping.aborted) break;
  // Not awaited, so that many travel together.
  const placed = place(order)
    .catch(giveUp)
    .finally(() => underWay.delete(placed));
  underWay.add(placed);
}
await Promise.all(underWay);
await client.close();
console.log(`${stored} orders are stored`);

/** `send` has tried for 30 s before it rejects, so this is about long troubles only. */
async function place(order: Order): Promise<void> {
  for (;;) {
    try {
      await producer.send(TOPIC, { key: order.customer, value: JSON.stringify(order) });
      stored += 1;
      return;
    } catch (error) {
      if (!worthAnotherTry(error) || stopping.aborted) throw error;
      console.error(`order ${order.id} again: ${error.message}`);
    }
    retrying += 1;
    await sleep(1_000);
    retrying -= 1;
  }
}

/** `retry` says what a second `send` of the same record would mean. */
function worthAnotherTry(error: unknown): error is LograftError {
  if (!(error instanceof LograftError)) return false;
  switch (error.retry) {
    case 'safe': // It is not stored: the cluster has no leader, or no room.
      return true;
    case 'sameBatch': // It may be stored, and may be there twice then. Our reader knows a repetition by its id; else look for it first.
      return true;
    case 'never': // It would fail again: there is no such topic, or the order is too large.
      return false;
  }
}

function giveUp(error: unknown): void {
  console.error(String(error));
  process.exitCode = 1;
}

async function* incomingOrders(): AsyncGenerator<Order> {
  for (let number = 0; number < count; number += 1) {
    if (number % 100 === 0) await sleep(1);
    yield { id: `order-${number}`, customer: `customer-${number % 100}`, cents: 100 + (number % 900) };
  }
}
