/** `lograft topic`: create, list, describe. */
import { Command } from 'commander';
import type { TopicDescription } from '../rpc/generated/lograft/v1/TopicDescription.ts';
import { type ClientFlags, wholeBetween, withClientFlags, withExamples } from './flags.ts';
import { renderTable } from './table.ts';
import { isTerminal } from './terminal.ts';
import { timeoutOf, withClient } from './with-client.ts';

interface CreateFlags extends ClientFlags {
  readonly queues: number;
}

interface ShowFlags extends ClientFlags {
  readonly json?: boolean;
}

const WAIT = 'how long to wait for an answer';

export function topicCommand(): Command {
  const topic = new Command('topic').description('create and look at topics');
  topic.addCommand(createCommand()).addCommand(listCommand()).addCommand(describeCommand());
  return withExamples(topic, ['lograft topic create orders --queues 4', 'lograft topic list', 'lograft topic describe orders']);
}

function createCommand(): Command {
  const command = new Command('create')
    .description('create a topic')
    .argument('<name>', '1 to 127 characters of A-Z a-z 0-9 . _ -')
    .option('-q, --queues <count>', 'number of queues; order is kept within each', wholeBetween(1, 1_024), 1)
    .action(create);
  return withExamples(withClientFlags(command, WAIT), ['lograft topic create orders', 'lograft topic create orders --queues 8']);
}

async function create(name: string, flags: CreateFlags): Promise<void> {
  await withClient(flags, (client) => client.admin.createTopic(name, { queues: flags.queues, ...timeoutOf(flags) }));
  process.stdout.write(`created topic ${name} with ${flags.queues} ${flags.queues === 1 ? 'queue' : 'queues'}\n`);
}

function listCommand(): Command {
  const command = new Command('list').description('list all topics').option('--json', 'as one line of JSON').action(list);
  return withExamples(withClientFlags(command, WAIT), ['lograft topic list', 'lograft topic list --json']);
}

async function list(flags: ShowFlags): Promise<void> {
  const topics = await withClient(flags, (client) => client.admin.listTopics(timeoutOf(flags)));
  if (flags.json) return printJson(topics);
  const rows = topics.map(({ name, queues, group }) => [name, String(queues.length), String(recordsIn(queues)), group]);
  print(rows.length === 0 ? 'no topics yet' : renderTable(['TOPIC', 'QUEUES', 'RECORDS', 'GROUP'], rows, { framed: onTerminal() }));
}

function describeCommand(): Command {
  const command = new Command('describe')
    .description("show a topic's queues and their offsets")
    .argument('<name>')
    .option('--json', 'as one line of JSON')
    .action(describe);
  return withExamples(withClientFlags(command, WAIT), ['lograft topic describe orders']);
}

async function describe(name: string, flags: ShowFlags): Promise<void> {
  const topic = await withClient(flags, (client) => client.admin.describeTopic(name, timeoutOf(flags)));
  if (flags.json) return printJson(topic);
  const rows = topic.queues.map((queue) => [queue.queue, queue.firstOffset, queue.nextOffset, recordsIn([queue])].map(String));
  print(`topic ${topic.name}  group ${topic.group}  id ${topic.id}`);
  print(renderTable(['QUEUE', 'FIRST OFFSET', 'NEXT OFFSET', 'RECORDS'], rows, { framed: onTerminal() }));
}

function recordsIn(queues: TopicDescription['queues']): number {
  return queues.reduce((sum, { firstOffset, nextOffset }) => sum + nextOffset - firstOffset, 0);
}

const onTerminal = (): boolean => isTerminal(process.stdout);

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function printJson(value: unknown): void {
  print(JSON.stringify(value));
}
