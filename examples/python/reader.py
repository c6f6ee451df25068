"""Reads queues, going on at the next offset over breaks and changes of leader (log.proto)."""
import asyncio
import typing

import grpc

from crc32c import crc32c
from errors import LograftError, error_of, will_pass
from lograft.v1.error_pb2 import Reason
from lograft.v1.log_pb2 import EARLIEST, LINEARIZABLE, ReadRequest, StoredBatch
from lograft.v1.log_pb2_grpc import LogStub
from lograft.v1.record_pb2 import Record, RecordBatch, RecordSet
from lograft.v1.router_pb2 import RouteTopic
from routes import PAUSE_SECONDS, Routes, open_channel


async def read_queue(routes: Routes, topic: RouteTopic, queue: int) -> typing.AsyncIterator[typing.Tuple[int, Record]]:
    """Offset and record of all that was acknowledged before the call, from the first that is still held."""
    group = topic.queue_groups[queue]
    request = ReadRequest(topic=topic.name, queue=queue, from_position=EARLIEST, consistency=LINEARIZABLE)
    hint = ""
    while True:
        address = hint or (await routes.wait_for_leader(group)).leader_address
        try:
            async with open_channel(address) as channel:
                async for response in LogStub(channel).Read(request):
                    # The end as of the first answer, so that a second call does not read on and on.
                    if not request.HasField("until_offset"):
                        request.until_offset = response.next_offset
                    for batch in response.batches:
                        for offset, record in records_of(batch):
                            # A batch comes whole: its first records may be known, its last be after the end.
                            if request.from_offset <= offset < request.until_offset:
                                yield offset, record
                                request.from_offset = offset + 1
            return
        except grpc.aio.AioRpcError as failure:
            error = error_of(failure)
            # We have read further than this node has got.
            behind = error.reason == Reason.OFFSET_OUT_OF_RANGE and request.WhichOneof("from") == "from_offset"
            if not behind and not will_pass(error):
                raise LograftError(error) from failure
            hint = error.leader_address
        await asyncio.sleep(PAUSE_SECONDS)


def records_of(stored: StoredBatch) -> typing.Iterator[typing.Tuple[int, Record]]:
    batch = RecordBatch.FromString(stored.batch)
    if crc32c(batch.records) != batch.records_crc32c:
        raise ValueError(f"the batch at offset {stored.base_offset} came damaged")
    return enumerate(RecordSet.FromString(batch.records).records, stored.base_offset)
