"""Batching: requests that share a run, joined along axis 0 and divided again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from serval.models.signature import Signature
from serval.models.tensor import Tensor

ShapeKey = tuple[tuple[str, str, tuple[int, ...]], ...]
"""Name, datatype and extents behind axis 0 of each input: equal ones can be joined."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How a model's requests are gathered: the ``batching`` section of its bundle."""

    rows: int = 32
    """On axis 0 of one run; a request with more runs by itself."""
    wait_seconds: float = 0.02
    """How long a request may wait for company."""
    weight: int = 1

    @classmethod
    def of_bundle(cls, bundle: Mapping[str, Any]) -> "BatchLimits":
        """Read them; a bundle that was published before there were any gets the defaults."""
        section = bundle.get("batching", {})
        plain = cls()
        return cls(
            rows=section.get("max_batch_size", plain.rows),
            wait_seconds=section.get("max_wait_ms", plain.wait_seconds * 1e3) / 1e3,
            weight=section.get("weight", plain.weight),
        )


def shareable(signature: Signature) -> bool:
    """Tell whether axis 0 of every tensor may have any extent: the axis that requests share."""
    specs = (*signature.inputs, *signature.outputs)
    return not signature.rows_interact and all(spec.shape[:1] == (-1,) for spec in specs)


def complemented(inputs: Sequence[Tensor], signature: Signature) -> bool:
    """Tell whether a request has inputs that it might leave out: those are for it alone."""
    return len(inputs) > len(signature.inputs)


def rows_in(inputs: Sequence[Tensor]) -> int | None:
    """Count a request's rows; None if its inputs differ in them, or have none: it runs alone."""
    extents = {tensor.array.shape[:1] for tensor in inputs}
    shared = extents.pop() if len(extents) == 1 else ()
    return shared[0] or None if shared else None


def shape_key(inputs: Sequence[Tensor]) -> ShapeKey:
    """Give what requests must have in common to be joined, in whatever order they name inputs."""
    return tuple(
        sorted((tensor.name, tensor.datatype, tensor.array.shape[1:]) for tensor in inputs)
    )


def joined(requests: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Join the inputs of requests of one shape key along axis 0, in the order of the requests."""
    by_name = [{tensor.name: tensor.array for tensor in inputs} for inputs in requests]
    return [
        Tensor(first.name, first.datatype, np.concatenate([own[first.name] for own in by_name]))
        for first in requests[0]
    ]


def divided(outputs: Sequence[Tensor], rows: Sequence[int]) -> list[list[Tensor]] | None:
    """Divide the outputs of a run again, by the rows of each request; nothing is copied.

    Returns
    -------
    list[list[Tensor]] or None
        The outputs of each request; None if they do not have a row for each row of the inputs, so
        that axis 0 is not what the requests shared.
    """
    if any(tensor.array.shape[:1] != (sum(rows),) for tensor in outputs):
        return None
    ends = list(accumulate(rows))
    return [
        [Tensor(o.name, o.datatype, o.array[end - own : end]) for o in outputs]
        for end, own in zip(ends, rows, strict=True)
    ]
