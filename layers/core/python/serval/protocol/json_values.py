"""JSON in requests, as simdjson reads it: lazily, no member twice, tensors straight into buffers.

JSON has no NaN and no infinity. Serval writes and reads them as the strings "NaN", "Infinity" and
"-Infinity", the JSON mapping of protocol buffers
(https://protobuf.dev/programming-guides/json/), which numpy parses too.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import simdjson

from serval.errors import InvalidParameter, InvalidTensor, MalformedBody
from serval.foreign import repeated_member
from serval.models.tensor import DATATYPES, NON_FINITE, Array, Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.protocol.even_lists import UNSEEN, ListText, expect_even
from serval.protocol.lazy_json import parse_json
from serval.short_repr import short_repr

Fields = dict[str, Any]
"""Members of a JSON object; lists and objects inside are simdjson's lazy ones."""
MAX_MEMBERS = 1024
"""Members of an object that is read by name."""
PREVIEWED, PREVIEW_DEPTH = 7, 3
"""How much of a list or object a message shows; it is cut after 80 characters."""
TENSOR_MEMBERS = frozenset({"name", "datatype", "shape", "parameters", "data"})
PARAMETERS = frozenset(
    {
        "binary_data",
        "binary_data_output",
        "binary_data_size",
        "classification",
        "shared_memory_region",
    }
)
MAX_TENSORS = 1024
BINARY_ONLY = frozenset({"FP16", "BF16"})
WIDE, WIDE_TYPES = {"f": "d", "i": "q", "u": "Q"}, {"f": "f8", "i": "i8", "u": "u8"}
BUFFERS = {"f": "d", "i": "i", "u": "u"}
"""The widest type of a kind: as ``array`` names it, as numpy does, as simdjson does."""
JSON_KIND = {"f": "a number", "i": "an integer", "u": "an integer that is not negative"}


def json_object(text: str | bytes, expectation: str) -> simdjson.Object:
    """Parse an object, or raise ``MalformedBody``; what is inside stays lazy."""
    document = parse_json(text)
    if not isinstance(document, simdjson.Object):
        raise MalformedBody(f"the body is JSON, but not an object with {expectation}")
    return document


def pick_members(item: Any, names: frozenset[str]) -> Fields:
    """Return the known members of an object.

    Each look-up walks the object, however many members it has, and one that is missing costs an
    exception: so the names are gone through once, and only known ones are looked up.

    Raises
    ------
    MalformedBody
        If it has more members than any object of ours, or one of them twice.
    """
    given = distinct_names(item)
    return {name: item[name] for name in names & given}


def distinct_names(item: Any) -> set[str]:
    """Return the names of an object's members; raise as ``pick_members`` does."""
    count = len(item)
    if count > MAX_MEMBERS:
        raise MalformedBody(f"an object has {count} members, at most {MAX_MEMBERS} allowed")
    given = set(item)
    if len(given) != count:
        raise repeated_member(item)
    return given


def preview(value: Any, depth: int = PREVIEW_DEPTH) -> Any:
    """Convert a lazy value to Python, as far as a message shows it."""
    if isinstance(value, simdjson.Array):
        return [preview(one, depth - 1) for one in islice(value, PREVIEWED)] if depth else [...]
    if isinstance(value, simdjson.Object):
        members = islice(value.items(), PREVIEWED) if depth else ()
        return {name: preview(one, depth - 1) for name, one in members}
    return value


def quote(value: Any) -> str:
    """Write a lazy value as messages show it: short, whatever it is."""
    return short_repr(preview(value))


def read_members(document: Fields, name: str) -> list[Fields]:
    """Read a list of objects from the document."""
    items = document.get(name)
    if not isinstance(items, simdjson.Array):
        raise MalformedBody(f"{name!r} is missing or not a list of tensors")
    if len(items) > MAX_TENSORS:
        raise MalformedBody(f"{name!r} has {len(items)} tensors, at most {MAX_TENSORS} allowed")
    found = []
    for index, item in enumerate(items):
        fields = pick_members(item, TENSOR_MEMBERS) if isinstance(item, simdjson.Object) else {}
        if not isinstance(fields.get("name"), str):
            raise MalformedBody(f"{name}[{index}] is not an object with a 'name'")
        found.append(fields)
    return found


def read_parameters(item: Fields) -> Fields:
    """Read the known members of ``parameters``."""
    given = item.get("parameters")
    if given is None:
        return {}
    if not isinstance(given, simdjson.Object):
        raise InvalidParameter("parameters", preview(given), "an object")
    return pick_members(given, PARAMETERS)


def read_flag(given: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Read a parameter that is true or false."""
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise InvalidParameter(name, preview(value), "true or false")
    return value


def decode_json(
    name: str, datatype: str, shape: Sequence[int], data: Any, source: ListText = UNSEEN
) -> Array:
    """Read the ``data`` member of a tensor, a ``simdjson.Array``.

    Parameters
    ----------
    source
        What may prove that nested data follows the shape.

    Raises
    ------
    InvalidTensor
        If the elements do not fill the shape or do not fit the datatype.
    """
    if datatype in BINARY_ONLY:
        raise InvalidTensor(name, f"{datatype} travels only as a binary tensor, not as JSON")
    if not isinstance(data, simdjson.Array):
        raise InvalidTensor(name, f"data: an array expected, got {quote(data)}")
    if len(data) and isinstance(data[0], simdjson.Array):
        expect_even(name, shape, data, source)
    dtype = DATATYPES[datatype]
    if dtype.kind in "fiu":
        read = read_numbers(name, datatype, dtype, data)
    else:
        read = read_elements(name, datatype, data)
    if read.size != math.prod(shape):
        raise InvalidTensor(
            name, f"shape {list(shape)} holds {math.prod(shape)} values, got {read.size}"
        )
    return read.reshape(shape)


def read_numbers(name: str, datatype: str, dtype: np.dtype[Any], data: Any) -> Array:
    """Read numbers through one buffer of the widest type of their kind."""
    try:
        buffer = np.frombuffer(data.as_buffer(of_type=BUFFERS[dtype.kind]), WIDE_TYPES[dtype.kind])
    except (TypeError, ValueError):
        return read_numbers_singly(name, datatype, dtype, data)
    return narrow(name, datatype, dtype, buffer)


def narrow(name: str, datatype: str, dtype: np.dtype[Any], wide: Array) -> Array:
    """Convert to the tensor's own type, refusing what it cannot hold."""
    if wide.dtype == dtype or wide.size == 0:
        return wide.astype(dtype, copy=False)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            narrow = wide.astype(dtype)
        if np.count_nonzero(np.isfinite(narrow)) == narrow.size:
            return narrow
        overflown = wide[np.isinf(narrow) & np.isfinite(wide)]
        if overflown.size:
            raise InvalidTensor(name, f"{overflown[0]} does not fit {datatype}")
        return narrow
    limits = np.iinfo(dtype)
    smallest, largest = wide.min(), wide.max()
    if smallest < limits.min or largest > limits.max:
        worst = smallest if smallest < limits.min else largest
        raise InvalidTensor(name, f"{worst} does not fit {datatype}")
    return wide.astype(dtype)


def read_numbers_singly(name: str, datatype: str, dtype: np.dtype[Any], data: Any) -> Array:
    """Read numbers one by one, to accept non-finite ones and to name a wrong element."""
    values: Any = array(WIDE[dtype.kind])
    for index, value in enumerate(flatten(data)):
        if dtype.kind == "f" and isinstance(value, str) and value in NON_FINITE:
            value = NON_FINITE[value]
        wanted = (int, float) if dtype.kind == "f" else int
        negative = dtype.kind == "u" and isinstance(value, int) and value < 0
        if isinstance(value, bool) or not isinstance(value, wanted) or negative:
            raise wrong_element(name, datatype, index, value, JSON_KIND[dtype.kind])
        try:
            values.append(value)
        except OverflowError:
            raise InvalidTensor(name, f"a value does not fit {datatype}") from None
    return narrow(name, datatype, dtype, np.frombuffer(values, WIDE_TYPES[dtype.kind]))


def read_elements(name: str, datatype: str, data: Any) -> Array:
    """Read BOOL and BYTES elements."""
    wanted = bool if datatype == "BOOL" else str
    elements: list[Any] = []
    for index, value in enumerate(flatten(data)):
        if not isinstance(value, wanted):
            expected = "true or false" if datatype == "BOOL" else "a string"
            raise wrong_element(name, datatype, index, value, expected)
        elements.append(value.encode() if isinstance(value, str) else value)
    if datatype == "BOOL":
        return np.array(elements, np.bool_)
    return bytes_array(elements, (len(elements),))


def wrong_element(name: str, datatype: str, index: int, value: Any, expected: str) -> InvalidTensor:
    """Build the error for an element that does not fit the datatype."""
    found = quote(value)
    return InvalidTensor(name, f"element {index} is {found}, {expected} expected for {datatype}")


def flatten(values: Iterable[Any]) -> Iterator[Any]:
    """Walk nested lists in row-major order, at a constant cost for each element."""
    waiting = [iter(values)]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, simdjson.Array):
                waiting.append(iter(value))
                break
            yield value
        else:
            waiting.pop()


def encode_json(tensor: Tensor) -> Array | list[Any]:
    """Return the ``data`` member of a tensor, flat, as orjson writes it.

    Raises
    ------
    InvalidTensor
        If a BYTES element is not UTF-8 and so has no JSON form.
    """
    values, datatype = tensor.array.ravel(), tensor.datatype
    if datatype == "BYTES":
        try:
            return [element.decode() for element in values.tolist()]
        except UnicodeDecodeError:
            raise InvalidTensor(
                tensor.name, "a BYTES element is not UTF-8: request this output as binary_data"
            ) from None
    if datatype == "BF16":
        values = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return [spell_number(value) for value in values.tolist()]
    return np.ascontiguousarray(values)


def spell_number(value: float) -> float | str:
    """Spell a non-finite number as a string."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def spell_non_finite(value: Any) -> Any:
    """Spell the non-finite numbers within a JSON value."""
    if isinstance(value, float):
        return spell_number(value)
    if isinstance(value, dict):
        return {name: spell_non_finite(each) for name, each in value.items()}
    return [spell_non_finite(each) for each in value] if isinstance(value, list) else value
