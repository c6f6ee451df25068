"""Creates a topic (admin.proto). Try `python3 create_topic.py --help`."""
import asyncio

import grpc

from command import parser, run
from errors import LograftError, error_of, will_pass
from lograft.v1.admin_pb2 import CreateTopicRequest
from lograft.v1.admin_pb2_grpc import AdminStub
from lograft.v1.error_pb2 import Reason
from routes import PAUSE_SECONDS, Routes, open_channel

CALL_TIMEOUT_SECONDS = 10


async def create_topic(routes: Routes, name: str, queues: int) -> None:
    """Only the leader of the home group creates topics; who is not tells who is."""
    hint = ""
    while True:
        address = hint or (await routes.wait_for_leader(await routes.home_group())).leader_address
        try:
            async with open_channel(address) as channel:
                await AdminStub(channel).CreateTopic(CreateTopicRequest(name=name, queues=queues), timeout=CALL_TIMEOUT_SECONDS)
            return
        except grpc.aio.AioRpcError as failure:
            error = error_of(failure)
            # Also the answer to a second try when the first went through unheard.
            if error.reason == Reason.TOPIC_EXISTS:
                return
            if not will_pass(error):
                raise LograftError(error) from failure
            hint = error.leader_address
        await asyncio.sleep(PAUSE_SECONDS)


async def main() -> None:
    options = parser("Creates a topic, if there is none of that name.")
    options.add_argument("--queues", type=int, default=6)
    arguments = options.parse_args()
    async with Routes(arguments.routers) as routes:
        await create_topic(routes, arguments.topic, arguments.queues)


run(main())
