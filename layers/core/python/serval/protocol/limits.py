"""Limits of requests, by the memory that is kept for them."""

from dataclasses import dataclass

MOST_JSON_BYTES = 32 * 2**20
"""The most JSON in one request, wherever it is read; more takes binary tensors."""
INFLATED_LIMIT_BYTES = 32 * 2**20
"""What a compressed body may inflate to, wherever it is read."""
MEMORY_PER_JSON_BYTE = 24
"""The most that a byte of JSON takes: its copies, the parser's tape, and an array of numbers."""
MEMORY_PER_BINARY_BYTE = 10
"""The most that a byte of binary tensors takes: BYTES elements, each an object of its own."""
HANDLER_BODY_BYTES = 4 * 2**20
"""Of the bodies of an event for a handler, and of their answers: Lambda takes 6 MB, and base64 adds
a third."""
ENVIRONMENT_MIB = 200
"""What a function that runs models takes before it has loaded one."""
REQUESTS_MIB = 192
"""Kept free for requests beside the models; less where models would have less themselves."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The sizes of a request that one function reads."""

    json_bytes: int = MOST_JSON_BYTES
    inflated_bytes: int = INFLATED_LIMIT_BYTES

    @classmethod
    def of_memory(cls, memory_bytes: int) -> "RequestLimits":
        """Derive the limits from the memory that is free for a request."""
        return cls(
            min(MOST_JSON_BYTES, memory_bytes // MEMORY_PER_JSON_BYTE),
            min(INFLATED_LIMIT_BYTES, memory_bytes // MEMORY_PER_BINARY_BYTE),
        )

    def inflated_limit(self, header_length: str | None) -> int:
        """Limit what a body may inflate to, by its ``Inference-Header-Content-Length``."""
        return self.json_bytes if header_length is None else self.inflated_bytes


MOST = RequestLimits()
"""The limits where memory does not matter."""


def requests_mib(memory_mib: int) -> int:
    """Return how much memory a function that runs models keeps free for requests, in MiB."""
    return max(0, min(REQUESTS_MIB, (memory_mib - ENVIRONMENT_MIB) // 2))
