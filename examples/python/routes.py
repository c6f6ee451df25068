"""Who leads which group, and which topics there are: what the routers say, merged (router.proto)."""
import asyncio
import typing

import grpc

from lograft.v1.router_pb2 import Catalogue, GetRouteRequest, RouteGroup, RouteTopic
from lograft.v1.router_pb2_grpc import RouterStub

PAUSE_SECONDS = 0.05
FIRST_WORD_SECONDS = 10
TOPIC_PATIENCE_SECONDS = 5

CHANNEL_OPTIONS = [
    # A batch may have 4 MiB, which is all that gRPC takes unless it is told.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # Else the back-off of an earlier, broken connection to the same address counts for the next one.
    ("grpc.use_local_subchannel_pool", 1),
]


def open_channel(address: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(address, CHANNEL_OPTIONS)


class Routes:
    """Use it with `async with`; all routers are watched for as long as it is open."""

    def __init__(self, routers: typing.Sequence[str]):
        self._routers = routers
        self._groups: typing.Dict[str, typing.List[RouteGroup]] = {}
        self._catalogue = Catalogue()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> "Routes":
        self._watchers = [asyncio.create_task(self._watch(router)) for router in self._routers]
        try:
            await asyncio.wait_for(self._changed.wait(), FIRST_WORD_SECONDS)
        except asyncio.TimeoutError:
            await self.__aexit__()
            raise ConnectionError(f"no router answers at {', '.join(self._routers)}") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)

    def leader(self, group: str) -> typing.Optional[RouteGroup]:
        """The router that knows of the highest term is right; one that was cut off may name an old leader."""
        known = [one for groups in self._groups.values() for one in groups if one.group == group and one.leader]
        return max(known, key=lambda one: one.term, default=None)

    async def wait_for_leader(self, group: str) -> RouteGroup:
        while (leader := self.leader(group)) is None:
            await self._changed.wait()
        return leader

    async def wait_for_newer_leader(self, group: str, term: int) -> None:
        while (leader := self.leader(group)) is None or leader.term <= term:
            await self._changed.wait()

    async def home_group(self) -> str:
        """The group whose leader creates topics."""
        while not self._catalogue.home_group:
            await self._changed.wait()
        return self._catalogue.home_group

    async def topic(self, name: str) -> RouteTopic:
        """Waits a little: a topic that was just created may not have got around to the routers."""
        try:
            return await asyncio.wait_for(self._topic(name), TOPIC_PATIENCE_SECONDS)
        except asyncio.TimeoutError:
            raise LookupError(f"no topic {name}: create it first") from None

    async def _topic(self, name: str) -> RouteTopic:
        while True:
            for topic in self._catalogue.topics:
                if topic.name == name:
                    return topic
            await self._changed.wait()

    async def _watch(self, router: str) -> None:
        while True:
            try:
                async with open_channel(router) as channel:
                    async for route in RouterStub(channel).WatchRoutes(GetRouteRequest()):
                        self._groups[router] = list(route.groups)
                        # Left out when it has not changed.
                        if route.HasField("catalogue") and route.catalogue.revision >= self._catalogue.revision:
                            self._catalogue = route.catalogue
                        self._changed.set()
                        self._changed = asyncio.Event()
            except grpc.aio.AioRpcError:
                pass  # What it said last is still the best we know; brokers correct us.
            await asyncio.sleep(PAUSE_SECONDS)
