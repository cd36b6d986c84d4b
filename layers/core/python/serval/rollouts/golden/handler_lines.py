"""Golden lines of a handler: ``{"body": …, "answer": …}``, compared as JSON values."""

import json
import math
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from serval.errors import InvalidRequest
from serval.handlers.signature import ANSWER, BODY
from serval.models.tensor import Tensor
from serval.short_repr import short_repr

JSON = "JSON"
"""Stands for the datatype of an expected answer: BYTES that are compared as JSON values."""
TOLERANCE = 1e-4
EXPECTATION = '{"body": <what is posted>, "answer": <what the handler answers>}'


def read_handler_line(document: Mapping[str, Any]) -> tuple[bytes, Tensor]:
    """Read a line; return the V2 request that posts its body, and the answer expected."""
    if unknown := sorted(document.keys() - {BODY, ANSWER}):
        raise InvalidRequest(f"{unknown[0]!r:.80} is no member of a line: {EXPECTATION} expected")
    if ANSWER not in document:
        raise InvalidRequest(f"{ANSWER!r} is missing: {EXPECTATION} expected")
    body = json.dumps(document[BODY], ensure_ascii=False)
    tensor = {"name": BODY, "datatype": "BYTES", "shape": [1], "data": [body]}
    expected = np.array([json.dumps(document[ANSWER]).encode()], object)
    return json.dumps({"inputs": [tensor]}).encode(), Tensor(ANSWER, JSON, expected)


def compare_documents(
    expected: bytes, given: bytes, tolerance: float | None
) -> tuple[float, list[str]]:
    """Compare two JSON documents; return the largest difference of two numbers, and the reasons.

    Numbers are compared as floats of tensors are, within a tolerance that is absolute for small
    values and relative for large ones.
    """
    try:
        found = json.loads(given)
    except (ValueError, RecursionError):
        start = b64encode(given[:30]).decode()
        return 0.0, [f"the answer is not JSON: {len(given)} bytes, in base64 {start}… given"]
    compared = list(
        _compare("", json.loads(expected), found, TOLERANCE if tolerance is None else tolerance)
    )
    largest = max((difference for difference, _ in compared), default=0.0)
    return largest, [reason for _, reason in compared if reason]


def _compare(
    place: str, expected: Any, given: Any, tolerance: float
) -> Iterator[tuple[float, str]]:
    where = f"answer{place}"
    if isinstance(expected, dict) and isinstance(given, dict):
        if expected.keys() != given.keys():
            names = f"members {sorted(given)} given, {sorted(expected)} expected"
            yield 0.0, f"{where}: {names:.300}"
            return
        for name, value in expected.items():
            yield from _compare(f"{place}[{name!r:.40}]", value, given[name], tolerance)
    elif isinstance(expected, list) and isinstance(given, list):
        if len(expected) != len(given):
            yield 0.0, f"{where}: {len(given)} elements given, {len(expected)} expected"
            return
        for index, value in enumerate(expected):
            yield from _compare(f"{place}[{index}]", value, given[index], tolerance)
    else:
        yield _compare_values(where, expected, given, tolerance)


def _compare_values(where: str, expected: Any, given: Any, tolerance: float) -> tuple[float, str]:
    if _is_number(expected) and _is_number(given):
        difference = abs(expected - given)
        wrong = not difference <= tolerance * (1 + abs(expected))
        reason = f"{where}: {given!r:.40} given, {expected!r:.40} expected" if wrong else ""
        return float(difference) if math.isfinite(difference) else 0.0, reason
    if expected != given or isinstance(expected, bool) != isinstance(given, bool):
        return 0.0, f"{where}: {short_repr(given)} given, {short_repr(expected)} expected"
    return 0.0, ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
