"""Build V2 inference requests from bare data: numbers, lists and arrays by the input's name."""

from collections.abc import Mapping, Sequence
from typing import Any

from serval.client.failures import InvalidInput


def is_request(value: Any) -> bool:
    """Return whether a value is already a V2 inference request."""
    inputs = value.get("inputs") if isinstance(value, Mapping) else None
    return isinstance(inputs, list) and all(
        isinstance(tensor, dict) and "name" in tensor for tensor in inputs
    )


def build_request(
    value: Any, inputs: Sequence[Mapping[str, Any]], optional: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Build a request from data by input name, or from the data of the only input.

    Parameters
    ----------
    inputs
        Required inputs from the model's metadata, each with ``name``, ``datatype`` and ``shape``.
    optional
        Inputs that may be left out.

    Raises
    ------
    InvalidInput
        If an input is missing or unknown, or its data has another shape.
    """
    names = [spec["name"] for spec in inputs]
    if not isinstance(value, Mapping):
        if len(names) != 1:
            raise InvalidInput(
                f"the model has inputs {', '.join(names)}: expected an object of name → data"
            )
        value = {names[0]: value}
    given = [spec for spec in (*inputs, *optional) if spec["name"] in value]
    if not value.keys() >= set(names) or len(given) != len(value):
        raise InvalidInput(
            f"data for {', '.join(value) or 'no input'} given; the model has inputs "
            f'{", ".join(names)}: expected all of them, or a V2 request {{"inputs": […]}}'
        )
    return {"inputs": [build_tensor(spec, value[spec["name"]]) for spec in given]}


def build_tensor(spec: Mapping[str, Any], data: Any) -> dict[str, Any]:
    """Build a tensor, reading text as its bytes where the datatype is UINT8.

    The axis of rows may be missing for a single row, as may the axis of a single column. ``data``
    of the tensor is the array that was given, or a flat list.
    """
    name, expected = spec["name"], spec["shape"]
    data = encode_texts(data) if spec["datatype"] == "UINT8" else data
    given = shape_of(name, data)
    shapes = [given]
    if expected and expected[0] in (-1, 1):
        shapes.append([1, *given])
    if expected[1:] == [1]:
        shapes += [[*given, 1], [1, 1, *given]]
    shape = next((shape for shape in shapes if fits(shape, expected)), None)
    if shape is None:
        raise InvalidInput(f"input {name!r}: the data has shape {given}, {expected} expected")
    held = data if is_array(data) else flatten(data)
    return {"name": name, "datatype": spec["datatype"], "shape": shape, "data": held}


def is_array(data: Any) -> bool:
    """Return whether data is a numpy array, or its like, without importing numpy."""
    return hasattr(data, "dtype") and hasattr(data, "tolist")


def encode_texts(data: Any) -> Any:
    """Replace texts by lists of their UTF-8 bytes."""
    if isinstance(data, str):
        return list(data.encode())
    return [encode_texts(item) for item in data] if isinstance(data, list | tuple) else data


def fits(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Return whether a shape matches the shape in a signature."""
    return len(shape) == len(expected) and all(
        wanted in (-1, extent) for extent, wanted in zip(shape, expected, strict=True)
    )


def shape_of(name: str, data: Any) -> list[int]:
    """Return the shape of an array or of nested lists.

    Raises
    ------
    InvalidInput
        If the lists are ragged.
    """
    if is_array(data):
        return [int(extent) for extent in data.shape]
    if not isinstance(data, list | tuple):
        return []
    shapes = [shape_of(name, item) for item in data]
    for number, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise InvalidInput(
                f"input {name!r}: item {number} has shape {shape} and item 0 has {shapes[0]}: "
                "lists of equal shape expected"
            )
    return [len(data), *(shapes[0] if shapes else [])]


def flatten(data: Any) -> list[Any]:
    """Flatten nested lists in row-major order."""
    if is_array(data):
        return list(data.ravel().tolist())
    if not isinstance(data, list | tuple):
        return [data]
    return [element for item in data for element in flatten(item)]


def has_bytes(data: Any) -> bool:
    """Return whether data has elements that are bytes, which JSON lacks."""
    if is_array(data) and data.dtype.kind not in "OS":
        return False
    return any(isinstance(one, bytes) for one in flatten(data))


def nest(elements: Sequence[Any], shape: Sequence[int]) -> Any:
    """Nest a flat list as a shape says; the one element of a scalar stands alone."""
    if not shape:
        return elements[0]
    if len(shape) == 1:
        return list(elements)
    step = len(elements) // shape[0] if shape[0] else 0
    return [nest(elements[at * step : (at + 1) * step], shape[1:]) for at in range(shape[0])]
