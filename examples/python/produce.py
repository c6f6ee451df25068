"""Sends orders of a hundred customers. Try `python3 produce.py --help`."""
import asyncio
import signal

from command import parser, run
from producer import Producer, Stored
from routes import Routes

CUSTOMERS = 100


def report(key: str, value: str, outcome: "asyncio.Future[Stored]") -> None:
    if outcome.exception() is None:
        print(*outcome.result(), key, value, sep="\t")


async def main() -> None:
    options = parser("Sends numbered orders, and prints queue, offset, key and value of each that is stored.")
    options.add_argument("--count", type=int, default=1000)
    arguments = options.parse_args()

    stopping = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)

    async with Routes(arguments.routers) as routes, Producer(routes) as producer:
        topic = await routes.topic(arguments.topic)
        for number in range(arguments.count):
            if stopping.is_set():
                break
            key, value = f"customer-{number % CUSTOMERS}", f"order-{number}"
            outcome = await producer.send(topic, key.encode(), value.encode())
            outcome.add_done_callback(lambda done, key=key, value=value: report(key, value, done))


run(main())
