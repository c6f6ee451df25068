"""A producer: every record acknowledged is stored once, in order per key, whoever leads (log.proto, record.proto)."""
import asyncio
import collections
import dataclasses
import itertools
import time
import typing

import grpc

from crc32c import crc32c
from errors import LograftError, error_of, will_pass
from lograft.v1.error_pb2 import Error
from lograft.v1.log_pb2 import AppendRequest, AppendResponse, OpenProducerRequest
from lograft.v1.log_pb2_grpc import LogStub
from lograft.v1.record_pb2 import Record, RecordBatch, RecordSet
from lograft.v1.router_pb2 import RouteGroup, RouteTopic
from routes import PAUSE_SECONDS, Routes, open_channel

MAX_WAITING_RECORDS = 10_000
MAX_BATCH_RECORDS = 500
# Another record may come on top: brokers take 4 MiB.
FULL_BATCH_BYTES = 256 * 1024
# Unanswered batches of a group. A node recognises the last 32 of each queue.
MAX_UNANSWERED_BATCHES = 16
OPEN_TIMEOUT_SECONDS = 3


class Stored(typing.NamedTuple):
    queue: int
    offset: int


class Producer:
    """Use it with `async with`: it ends when everything sent has its answer."""

    def __init__(self, routes: Routes):
        self._routes = routes
        self._groups: typing.Dict[str, GroupProducer] = {}
        self._room = asyncio.Semaphore(MAX_WAITING_RECORDS)
        self._outcomes: typing.Set["asyncio.Future[Stored]"] = set()

    async def __aenter__(self) -> "Producer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*self._outcomes, return_exceptions=True)
        await asyncio.gather(*(group.close() for group in self._groups.values()))

    async def send(self, topic: RouteTopic, key: bytes, value: bytes) -> "asyncio.Future[Stored]":
        """Waits while too much is waiting. What it gives resolves when the record is durable on a majority."""
        await self._room.acquire()
        queue = crc32c(key) % len(topic.queue_groups)
        record = Record(key=key, value=value, timestamp_ms=int(time.time() * 1000))
        outcome = self._group(topic.queue_groups[queue]).add(topic.id, queue, record)
        self._outcomes.add(outcome)
        outcome.add_done_callback(self._done)
        return outcome

    def _group(self, name: str) -> "GroupProducer":
        if name not in self._groups:
            self._groups[name] = GroupProducer(name, self._routes)
        return self._groups[name]

    def _done(self, outcome: "asyncio.Future[Stored]") -> None:
        self._outcomes.discard(outcome)
        self._room.release()


@dataclasses.dataclass
class Queue:
    topic_id: int
    number: int
    next_sequence: int = 0
    # Not in a batch yet.
    waiting: typing.Deque[typing.Tuple[Record, "asyncio.Future[Stored]"]] = dataclasses.field(default_factory=collections.deque)


@dataclasses.dataclass
class Batch:
    queue: int
    # Made once: a repetition must be the same, byte for byte.
    encoded: bytes
    outcomes: typing.List["asyncio.Future[Stored]"]


class GroupProducer:
    """One session with one group, which outlives its leaders: sessions are replicated like records."""

    def __init__(self, group: str, routes: Routes):
        self._group = group
        self._routes = routes
        self._session = 0
        self._queues: typing.Dict[typing.Tuple[int, int], Queue] = {}
        self._request_ids = itertools.count(1)
        # In the order of their first sending.
        self._unanswered: typing.Dict[int, Batch] = {}
        self._something_to_do = asyncio.Event()
        self._failed: typing.Optional[LograftError] = None
        self._task = asyncio.create_task(self._run())

    def add(self, topic_id: int, number: int, record: Record) -> "asyncio.Future[Stored]":
        if self._failed is not None:
            raise self._failed
        outcome: "asyncio.Future[Stored]" = asyncio.get_running_loop().create_future()
        queue = self._queues.setdefault((topic_id, number), Queue(topic_id, number))
        queue.waiting.append((record, outcome))
        self._something_to_do.set()
        return outcome

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        """To one leader after the other, until an error that will not pass."""
        hint = ""
        while True:
            leader = await self._routes.wait_for_leader(self._group)
            error = await self._serve(leader, hint or leader.leader_address)
            if not will_pass(error):
                return self._fail(LograftError(error))
            hint = error.leader_address
            await asyncio.sleep(PAUSE_SECONDS)

    async def _serve(self, leader: RouteGroup, address: str) -> Error:
        """Talks to one node until it fails, or the routers name a newer leader: a node that is cut off may be silent for ever."""
        async with open_channel(address) as channel:
            talking = asyncio.create_task(self._talk(LogStub(channel)))
            deposed = asyncio.create_task(self._routes.wait_for_newer_leader(self._group, leader.term))
            try:
                await asyncio.wait([talking, deposed], return_when=asyncio.FIRST_COMPLETED)
                return await talking if talking.done() else Error(status=grpc.StatusCode.UNAVAILABLE.value[0])
            except grpc.aio.AioRpcError as failure:
                return error_of(failure)
            finally:
                await cancel(talking, deposed)

    async def _talk(self, log: LogStub) -> Error:
        if self._session == 0:
            opened = await log.OpenProducer(OpenProducerRequest(group=self._group), timeout=OPEN_TIMEOUT_SECONDS)
            self._session = opened.producer_id
        stream = log.Append()
        sending = asyncio.create_task(self._send(stream))
        try:
            async for answer in stream:
                # Whatever was refused, those behind it do not follow any more: all that is unanswered is sent again, in order.
                if answer.HasField("error"):
                    return answer.error
                self._acknowledge(answer)
            return Error(status=grpc.StatusCode.UNAVAILABLE.value[0])
        finally:
            await cancel(sending)

    async def _send(self, stream: grpc.aio.StreamStreamCall) -> None:
        """First what was sent before and never answered: what is in the log already is recognised by its sequence."""
        for request_id, batch in list(self._unanswered.items()):
            await stream.write(AppendRequest(request_id=request_id, batch=batch.encoded))
        while True:
            self._something_to_do.clear()
            for queue in self._queues.values():
                if queue.waiting and len(self._unanswered) < MAX_UNANSWERED_BATCHES:
                    request_id, batch = next(self._request_ids), self._make_batch(queue)
                    self._unanswered[request_id] = batch
                    await stream.write(AppendRequest(request_id=request_id, batch=batch.encoded))
                    self._something_to_do.set()
            await self._something_to_do.wait()

    def _make_batch(self, queue: Queue) -> Batch:
        taken: typing.List[typing.Tuple[Record, "asyncio.Future[Stored]"]] = []
        size = 0
        while queue.waiting and len(taken) < MAX_BATCH_RECORDS and size < FULL_BATCH_BYTES:
            taken.append(queue.waiting.popleft())
            size += taken[-1][0].ByteSize()
        records = RecordSet(records=[record for record, _ in taken]).SerializeToString()
        batch = RecordBatch(
            topic_id=queue.topic_id,
            queue=queue.number,
            producer_id=self._session,
            first_sequence=queue.next_sequence,
            count=len(taken),
            records_crc32c=crc32c(records),
            records=records,
        )
        queue.next_sequence += len(taken)
        return Batch(queue.number, batch.SerializeToString(), [outcome for _, outcome in taken])

    def _acknowledge(self, answer: AppendResponse) -> None:
        batch = self._unanswered.pop(answer.request_id)
        for at, outcome in enumerate(batch.outcomes):
            settle(outcome, Stored(batch.queue, answer.base_offset + at))
        self._something_to_do.set()

    def _fail(self, error: LograftError) -> None:
        """Simpler than it could be: nobody gets an answer any more. What was sent and not answered is stored or not."""
        self._failed = error
        outcomes = [outcome for batch in self._unanswered.values() for outcome in batch.outcomes]
        outcomes += [outcome for queue in self._queues.values() for _, outcome in queue.waiting]
        for outcome in outcomes:
            settle(outcome, error)


def settle(outcome: "asyncio.Future[Stored]", result: typing.Union[Stored, LograftError]) -> None:
    """Who waited may have given up."""
    if outcome.done():
        return
    if isinstance(result, LograftError):
        outcome.set_exception(result)
    else:
        outcome.set_result(result)


async def cancel(*tasks: "asyncio.Task[typing.Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
