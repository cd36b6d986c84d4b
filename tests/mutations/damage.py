"""Damage: what bodies, texts and JSON values become on the way from somebody who means harm."""

import gzip
import json
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

ODD_NUMBERS = (0, -1, 1, 2, 7, 1e39, -1e308, 5e-324, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 1.5)
ODD_TEXTS = (
    "", "x", "NaN", "Infinity", "é", "\0", "\n", "\r\nx: y", "\N{SNOWMAN}", "\x7f", "../..",
    "\N{REPLACEMENT CHARACTER}", "%00", "{model}", "true", "null", "1e3", "٣", "9" * 400, "[]",
    "a" * 5000, "s3://b/k", "http://127.0.0.1/", "https://example.com/hook", "{}", "\N{SNOWMAN}",
)  # fmt: skip
DEEPEST = 1100
MANY = 3000


def odd_text(random: Random) -> str:
    """Make up a text."""
    if random.random() < 0.7:
        return random.choice(ODD_TEXTS)
    return "".join(chr(random.choice((random.randrange(1, 128), random.randrange(128, 0xD800))))
                   for _ in range(random.randrange(12)))  # fmt: skip


def odd_value(random: Random, depth: int = 2) -> Any:
    """Make up a JSON value."""
    kind = random.randrange(9 if depth else 5)
    if kind == 0:
        return random.choice((None, True, False))
    if kind in (1, 2):
        return random.choice(ODD_NUMBERS)
    if kind in (3, 4):
        return odd_text(random)
    if kind in (5, 6):
        return [odd_value(random, depth - 1) for _ in range(random.randrange(5))]
    if kind == 7:
        return {odd_text(random): odd_value(random, depth - 1) for _ in range(random.randrange(4))}
    return [random.choice(([], {}, 1, "ab", None, [1]))] * random.randrange(MANY)


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the paths of everything inside a JSON value, but not inside its long lists."""
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list) and len(value) < 20:
        inside = list(enumerate(value))
    else:
        return []
    return [place for key, one in inside for place in ((*above, key), *places(one, (*above, key)))]


def damaged_document(random: Random, document: Any) -> Any:
    """Change, drop or add something in a JSON value."""
    value = json.loads(json.dumps(document))
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        found = places(value)
        if not found:
            return value
        *way, last = random.choice(found)
        there = value
        for step in way:
            there = there[step]
        action = random.randrange(5)
        if action == 0:
            del there[last]
        elif action == 1 and isinstance(there, list):
            there.append(there[last])
        elif action == 2 and isinstance(there, dict):
            there[odd_text(random)] = odd_value(random)
        else:
            there[last] = odd_value(random)
    return value


def twice(random: Random, text: str) -> str:
    """Write a member of the outermost object once more."""
    member = json.dumps({random.choice(("inputs", "model", "input", "x")): odd_value(random, 1)})
    return text.replace("{", member[:-1] + ", ", 1)


def nested(random: Random, text: str) -> str:
    """Nest a value as deep as parsers go, or deeper."""
    depth = random.randrange(DEEPEST)
    return text.replace("[", "[" * depth + "1" + "]" * depth + ",[", 1)


def written(random: Random, document: Any) -> bytes:
    """Write a JSON value, perhaps with what no writer writes."""
    text = json.dumps(document, ensure_ascii=random.random() < 0.5)
    change = random.randrange(12)
    if change == 0:
        text = twice(random, text)
    elif change == 1:
        text = nested(random, text)
    elif change == 2:
        text = text.replace(": ", ":" + " " * random.randrange(2000), 1)
    return text.encode("utf-8", "surrogatepass")


def damaged_bytes(random: Random, body: bytes) -> bytes:
    """Cut, repeat, replace or add bytes."""
    action, at = random.randrange(6), random.randrange(len(body) + 1)
    if action == 0:
        return body[:at]
    if action == 1:
        return body[:at] + random.randbytes(random.randrange(1, 9)) + body[at:]
    if action == 2:
        return body[:at] + random.randbytes(4) + body[at + 4 :]
    if action == 3:
        return body[at:] + body[:at]
    return body


def lists_without_end(random: Random) -> bytes:
    """Write JSON of which a little takes much memory, if it is let."""
    unit = random.choice(("[],", "{},", "1,", "[1],", '"ab",', '"NaN",', "[[1]],", "0.1,", "null,"))
    count = random.randrange(1, 2_000_000 // len(unit))
    tensor = {"name": "x", "datatype": random.choice(("FP32", "BYTES", "UINT8"))}
    whole = json.dumps({"inputs": [tensor | {"shape": [count, 2], "data": []}]})
    return whole.replace('"data": []', f'"data": [{(unit * count)[:-1]}]').encode()


def zeros(random: Random) -> bytes:
    """Give what compresses best."""
    return b" " * random.randrange(2**22, 2**26)


Compression = tuple[str, Callable[[bytes], bytes]]
COMPRESSIONS: tuple[Compression, ...] = (
    ("gzip", lambda body: gzip.compress(body, 1)),
    ("deflate", lambda body: zlib.compress(body, 1)),
)
