"""Steps of pipelines as parts of a function's trace in X-Ray.

Specification: "X-Ray segment documents" and "Sending segment documents to the X-Ray daemon", AWS
X-Ray Developer Guide.
"""

import json
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # models of tensors have no steps
    from serval.pipelines.step_times import StepSpan

HEAD = b'{"format": "json", "version": 1}\n'
"""Before each document."""
MOST_STEPS = 50
"""Of one call: as many as a pipeline may have."""


@dataclass(frozen=True, slots=True)
class StepTracer:
    """Sends a subsegment for each step to the daemon that Lambda runs."""

    socket: socket.socket
    """Of datagrams, connected to the daemon."""
    header: Callable[[], str]
    """Returns the trace header of the invocation; empty: it has none."""

    @classmethod
    def to(cls, address: str, header: Callable[[], str]) -> "StepTracer":
        """Send to an address, ``host:port``."""
        host, _, port = address.rpartition(":")
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.setblocking(False)
        datagrams.connect((host, int(port)))
        return cls(datagrams, header)

    def __call__(self, spans: "Sequence[StepSpan]") -> None:
        """Record steps, if the invocation is traced."""
        fields = dict(part.split("=", 1) for part in self.header().split(";") if "=" in part)
        trace, parent = fields.get("Root"), fields.get("Parent")
        if fields.get("Sampled") != "1" or not trace or not parent:
            return
        about = {"type": "subsegment", "trace_id": trace, "parent_id": parent}
        for span in spans[:MOST_STEPS]:
            times = {"start_time": span.ended - span.taken_ms / 1e3, "end_time": span.ended}
            document = {"name": span.step, "id": os.urandom(8).hex(), **times, **about}
            # A part of a trace that is lost fails no call.
            with suppress(OSError):
                self.socket.send(HEAD + json.dumps(document).encode())
