/** `lograft topic`: create, look at, enlarge and delete topics. */
import { Command, Option } from 'commander';
import { type ClientFlags, wholeBetween, withClientFlags, withExamples } from './flags.ts';
import { renderTable } from './table.ts';
import { isTerminal } from './terminal.ts';
import { timeoutOf, withClient } from './with-client.ts';

interface CreateFlags extends ClientFlags {
  readonly queues: number;
  readonly groups?: readonly string[];
}

interface ShowFlags extends ClientFlags {
  readonly json?: boolean;
}

const WAIT = 'how long to wait for an answer';

export function topicCommand(): Command {
  const topic = new Command('topic').description('create, change and look at topics');
  for (const command of [createCommand(), listCommand(), describeCommand(), addQueuesCommand(), deleteCommand()])
    topic.addCommand(command);
  return withExamples(topic, ['lograft topic create orders --queues 4', 'lograft topic list', 'lograft topic describe orders']);
}

function createCommand(): Command {
  const command = new Command('create')
    .description('create a topic')
    .argument('<name>', '1 to 127 characters of A-Z a-z 0-9 . _ -')
    .option('-q, --queues <count>', 'number of queues; order is kept within each', wholeBetween(1, 1_024), 1)
    .addOption(groupsOption())
    .action(create);
  return withExamples(withClientFlags(command, WAIT), [
    'lograft topic create orders',
    'lograft topic create orders --queues 8 --groups g1,g2',
  ]);
}

function groupsOption(): Option {
  return new Option('--groups <name,...>', 'that hold the queues, in turn (default: all)').argParser((text) => text.split(','));
}

async function create(name: string, flags: CreateFlags): Promise<void> {
  await withClient(flags, (client) => client.admin.createTopic(name, optionsOf(flags)));
  process.stdout.write(`created topic ${name} with ${flags.queues} ${flags.queues === 1 ? 'queue' : 'queues'}\n`);
}

function optionsOf({ queues, groups, ...flags }: CreateFlags) {
  return { queues, ...(groups === undefined ? {} : { groups }), ...timeoutOf(flags) };
}

function addQueuesCommand(): Command {
  const command = new Command('add-queues')
    .description('give a topic more queues; records with a key may go to another queue from then on')
    .argument('<name>')
    .requiredOption('-q, --queues <count>', 'number of queues that the topic shall have', wholeBetween(1, 1_024))
    .addOption(groupsOption())
    .action(addTopicQueues);
  return withExamples(withClientFlags(command, WAIT), ['lograft topic add-queues orders --queues 8']);
}

async function addTopicQueues(name: string, flags: CreateFlags): Promise<void> {
  const topic = await withClient(flags, (client) => client.admin.addQueues(name, flags.queues, optionsOf(flags)));
  print(`topic ${name} has ${topic.queueGroups.length} queues`);
}

function deleteCommand(): Command {
  const command = new Command('delete')
    .description('delete a topic with all its records, for ever')
    .argument('<name>')
    .action(deleteTopic);
  return withExamples(withClientFlags(command, WAIT), ['lograft topic delete orders']);
}

async function deleteTopic(name: string, flags: ClientFlags): Promise<void> {
  await withClient(flags, (client) => client.admin.deleteTopic(name, timeoutOf(flags)));
  print(`deleted topic ${name}`);
}

function listCommand(): Command {
  const command = new Command('list').description('list all topics').option('--json', 'as one line of JSON').action(list);
  return withExamples(withClientFlags(command, WAIT), ['lograft topic list', 'lograft topic list --json']);
}

async function list(flags: ShowFlags): Promise<void> {
  const topics = await withClient(flags, (client) => client.admin.listTopics(timeoutOf(flags)));
  if (flags.json) return printJson(topics);
  const rows = topics.map(({ name, id, queueGroups }) => [name, String(queueGroups.length), groupsOf(queueGroups), String(id)]);
  print(rows.length === 0 ? 'no topics yet' : renderTable(['TOPIC', 'QUEUES', 'GROUPS', 'ID'], rows, { framed: onTerminal() }));
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
  const rows = topic.queues.map((queue) => [
    String(queue.queue),
    topic.queueGroups[queue.queue] ?? '',
    ...[queue.firstOffset, queue.nextOffset, queue.nextOffset - queue.firstOffset].map(String),
  ]);
  print(`topic ${topic.name}  id ${topic.id}`);
  print(renderTable(['QUEUE', 'GROUP', 'FIRST OFFSET', 'NEXT OFFSET', 'RECORDS'], rows, { framed: onTerminal() }));
}

function groupsOf(queueGroups: readonly string[]): string {
  return [...new Set(queueGroups)].join(' ');
}

const onTerminal = (): boolean => isTerminal(process.stdout);

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function printJson(value: unknown): void {
  print(JSON.stringify(value));
}
