"""Bodies for a handler on Lambda: none may be longer than what its function is sent."""

import math
from collections.abc import Callable, Sequence

from serval.errors import PayloadTooLarge
from serval.inference.run import read_fitting
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.json_values import read_members
from serval.protocol.limits import HANDLER_BODY_BYTES
from serval.protocol.request import binary_size, parse_head, read_shape
from serval.requests.ports import StoredPayload

LENGTH_BYTES = 4
"""Before each element of a binary tensor of ``BYTES``."""


def check_bodies(record: ModelVersion, inputs: Sequence[Tensor]) -> None:
    """Refuse bodies that no event for the handler's function has room for."""
    for tensor in inputs:
        if tensor.datatype == "BYTES":
            longest = max(map(len, tensor.array.ravel().tolist()), default=0)
            expect_room(record, "a body", longest)


def check_uploaded_bodies(
    record: ModelVersion,
    stored: StoredPayload,
    header_length: int | None,
    beginning: Callable[[str, int], bytes],
) -> None:
    """Refuse an upload that has such a body for certain.

    It may have many bodies, so its size alone tells nothing: its JSON part says how many share it,
    and is all that is read. A long one among short ones is refused when it runs.
    """
    if stored.size_bytes <= HANDLER_BODY_BYTES:
        return
    if header_length is None:
        text = beginning(stored.key, stored.size_bytes)
        check_bodies(record, read_fitting(text, None, record).inputs)
    elif header_length == 0:
        expect_room(record, "a body", stored.size_bytes)
    else:
        head = parse_head(beginning(stored.key, header_length))
        for item in read_members(head, "inputs"):
            name = item["name"]
            size, count = binary_size(name, item), math.prod(read_shape(name, item))
            if size and count and item.get("datatype") == "BYTES":
                what = "a body" if count == 1 else f"the mean of {count} bodies"
                expect_room(record, what, size // count - LENGTH_BYTES)


def expect_room(record: ModelVersion, what: str, size_bytes: int) -> None:
    """Refuse what is longer than a body may be."""
    if size_bytes > HANDLER_BODY_BYTES:
        raise PayloadTooLarge(
            f"{what} for the handler of model {record.model!r}, which runs on Lambda",
            size_bytes,
            HANDLER_BODY_BYTES,
            "run it on a fleet, where a request may be an upload of 1 GB: POST "
            f"/async/models/{record.model}/uploads",
        )
