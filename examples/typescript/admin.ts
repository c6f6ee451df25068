/** Creates the topic if it is not there, and shows it. */
import { LograftClient, LograftError } from 'lograft';
import { ROUTERS, TOPIC } from './orders.ts';

await using client = await LograftClient.connect({ routers: ROUTERS });

try {
  await client.admin.createTopic(TOPIC, { queues: 6 });
} catch (error) {
  if (!(error instanceof LograftError && error.reason === 'TOPIC_EXISTS')) throw error;
}

const { queueGroups, queues } = await client.admin.describeTopic(TOPIC);
for (const { queue, firstOffset, nextOffset } of queues) {
  console.log(`queue ${queue} in group ${queueGroups[queue]}: ${nextOffset - firstOffset} records`);
}
