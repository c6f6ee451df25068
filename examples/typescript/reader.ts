/** Keeps a book of all orders, and goes on where it was after a restart. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { LograftClient, LograftError, type ReaderRecord } from 'lograft';
import { type Order, ROUTERS, TOPIC, untilSignal } from './orders.ts';

/** The position lies beside what came of the records, and both change in one step: each order counts once, after a crash too. */
interface Book {
  /** Of each queue, the offset to go on at. */
  readonly positions: Record<string, number>;
  /** Amount by id: a repeated order changes nothing. */
  readonly orders: Record<string, number>;
}

const path = process.argv[2] ?? 'book.json';
const untilEnd = process.argv.includes('--until-end');
const stopping = untilSignal();
const book: Book = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { positions: {}, orders: {} };

await using client = await LograftClient.connect({ routers: ROUTERS });
const { queueGroups } = await client.admin.describeTopic(TOPIC);
const saving = setInterval(save, 1_000);
await Promise.all(queueGroups.map((_, queue) => readQueue(queue)));
clearInterval(saving);
save();
const amounts = Object.values(book.orders);
console.log(`${amounts.length} orders, ${amounts.reduce((sum, cents) => sum + cents, 0)} cents`);

/** An offset counts within its queue, so each is read for itself. Breaks and changes of leader are bridged inside. */
async function readQueue(queue: number): Promise<void> {
  const from = book.positions[queue] ?? 'earliest';
  try {
    for await (const record of client.reader({ topic: TOPIC, queue, from, untilEnd, signal: stopping })) enter(record);
  } catch (error) {
    if (stopping.aborted) return;
    if (error instanceof LograftError && error.reason === 'OFFSET_NOT_RETAINED')
      console.error(`queue ${queue}: the topic's retention dropped orders before this reader came to them`);
    throw error;
  }
}

function enter({ queue, offset, value }: ReaderRecord): void {
  const { id, cents } = JSON.parse(value.toString()) as Order;
  book.orders[id] = cents;
  book.positions[queue] = offset + 1;
}

/** Whole or not at all. With a database: one transaction. */
function save(): void {
  writeFileSync(`${path}.new`, JSON.stringify(book), { flush: true });
  renameSync(`${path}.new`, path);
}
