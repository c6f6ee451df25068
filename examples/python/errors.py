"""What a failed call means (error.proto)."""
import grpc

from lograft.v1.error_pb2 import Error, Reason

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE.value[0]
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


class LograftError(Exception):
    """What Lograft answered: it will not change its mind."""

    def __init__(self, error: Error):
        name = Reason.Name(error.reason) if error.reason in Reason.values() else f"reason {error.reason}"
        super().__init__(f"{name}: {error.message}")
        self.error = error


def error_of(failure: grpc.aio.AioRpcError) -> Error:
    """The details that a node puts in the trailing metadata; without them it was no node that spoke, but gRPC."""
    for name, value in failure.trailing_metadata() or ():
        if name == "lograft-error-bin":
            return Error.FromString(value)
    return Error(status=failure.code().value[0], message=failure.details() or "")


def will_pass(error: Error) -> bool:
    """Worth another try: of reads, of batches with a session, and of whatever says that nothing was done."""
    if error.status == RESOURCE_EXHAUSTED:
        # Said by gRPC itself it means that a message is too large.
        return error.reason != Reason.REASON_UNSPECIFIED
    return error.status == UNAVAILABLE
