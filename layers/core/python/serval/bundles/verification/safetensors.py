"""Check files of safetensors by their headers: whole, and with all the files that an index names.

A file begins with eight bytes, the length of a JSON object, which names each tensor with its
datatype, shape and place behind it (https://huggingface.co/docs/safetensors). A server maps the
rest as it is, so nothing else is read.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import IO, Any

from serval.bundles.verification.readable import ReadableFolder, size_of_file
from serval.errors import BundleRefused
from serval.foreign import refusing

SUFFIX = ".safetensors"
INDEX = ".safetensors.index.json"
LENGTH_BYTES = 8
LIMIT_HEADER_BYTES = 100 * 2**20
"""The format's own limit."""
LIMIT_INDEX_BYTES = 64 * 2**20


def safetensors_reasons(folder: ReadableFolder, paths: Collection[str]) -> list[str]:
    """List what is wrong with a bundle's safetensors and their indexes."""
    reasons = []
    for path in sorted(paths):
        if path.endswith((SUFFIX, INDEX)):
            with (folder / path).open("rb") as file:
                found = _index_reasons(file, path, paths) if path.endswith(INDEX) else _check(file)
                reasons += [f"{path} {reason}" for reason in found]
    return reasons


def _check(file: IO[bytes]) -> Iterator[str]:
    size = size_of_file(file)
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if size < LENGTH_BYTES or not 2 <= length <= min(LIMIT_HEADER_BYTES, size - LENGTH_BYTES):
        yield (
            f"is not safetensors: a header of {length} bytes in a file of {size}; it is damaged, "
            "cut off or of another format: download or save it again"
        )
        return
    try:
        header = _read_object(file.read(length))
    except BundleRefused as refused:
        yield f"is not safetensors: its header {refused.reasons[0]}"
        return
    end = max(
        (_end_of(entry) for name, entry in header.items() if name != "__metadata__"), default=0
    )
    if end != size - LENGTH_BYTES - length:
        yield (
            f"is not whole: its header tells of {end} bytes of tensors, and "
            f"{size - LENGTH_BYTES - length} are there: download or save it again"
        )


def _end_of(entry: Any) -> int:
    """Return where a tensor ends; -1 if the entry does not say."""
    offsets = entry.get("data_offsets") if isinstance(entry, Mapping) else None
    if not isinstance(offsets, list) or len(offsets) != 2:
        return -1
    return offsets[1] if type(offsets[1]) is int else -1


def _index_reasons(file: IO[bytes], path: str, paths: Collection[str]) -> Iterable[str]:
    """List the files that an index names and the bundle does not have."""
    if (size := size_of_file(file)) > LIMIT_INDEX_BYTES:
        return [f"has {size} bytes, at most {LIMIT_INDEX_BYTES} allowed"]
    try:
        weights = _read_object(file.read()).get("weight_map")
    except BundleRefused as refused:
        return refused.reasons
    if not isinstance(weights, dict):
        return ["has no 'weight_map', which names the file of each tensor"]
    above = path.rpartition("/")[0]
    named = {f"{above}/{name}" if above else str(name) for name in map(str, weights.values())}
    return [
        f"names {missing}, which is not in the bundle: download or save it again"
        for missing in sorted(named - set(paths))
    ][:10]


def _read_object(text: bytes) -> dict[str, Any]:
    with refusing(lambda said: BundleRefused([f"is not JSON: {said}"])):
        value = json.loads(text)
    if not isinstance(value, dict):
        raise BundleRefused(["is not a JSON object"])
    return value
