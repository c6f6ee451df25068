"""Prints a topic. Try `python3 consume.py --help`."""
from command import parser, run
from reader import read_queue
from routes import Routes


async def main() -> None:
    arguments = parser("Prints queue, offset, key and value of every record, queue by queue.").parse_args()
    async with Routes(arguments.routers) as routes:
        topic = await routes.topic(arguments.topic)
        for queue in range(len(topic.queue_groups)):
            async for offset, record in read_queue(routes, topic, queue):
                print(queue, offset, record.key.decode(), record.value.decode(), sep="\t")


run(main())
