"""JSONL files: as programs and people write them, and damaged."""

import json
import math
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.odd_files.files import OddFile, Record

BAD_VALUES = (
    '"one"', "null", "true", "[1]", "[1,2,3]", "[]", "{}", '["a",1]', "[null,1]", "[true,1]",
    "[1,false]", "[[1,2]]", "[1e400,1]", '"1,2"', "7",
)  # fmt: skip
ODD_VALUES = ('["NaN",1]', '["Infinity","-Infinity"]', "[-0.0,0]", "[1E5,1e-7]")
ODD_LINES = (
    "", " ", "\t", "1", "null", '"x"', "[1,2", '{"x":[1,2]', '{"x":[1,2]} 3', "{'x':[1,2]}",
    '{"x":[1,2],}', "[NaN,1]", '{"x":[1,2],"x":[3,4]}', '{"y":[1,2]}', "[1,2]", "[01,2]", "Total",
    '{"inputs":[{"name":"x","datatype":"FP64","shape":[1,2],"data":[5,6]}]}',
    '{"inputs":[{"name":"x","datatype":"FP64","shape":[2,2],"data":[5,6,7,8]}]}',
    '{"inputs":[]}', "\ufeff[1,2]", '{"x":[1,2]}{"x":[3,4]}', "#c", "[1,2]]", "[1,2],",
)  # fmt: skip
NOTES = ("", "a", "é", '"', "\\", "\n", "🙂", "\u2028", "NaN", "given")
DAMAGE = (b'"', b"\n", b",", b"{", b"}", b"[", b"]", b"\0", b"\xff", b"\\", b"\r", b" ", b"1", b"")


def jsonl_file(random: Random) -> OddFile:
    """Make a file: half of them odd, half of them damaged as well."""
    odd = random.choice([0.0, 0.0, 0.05, 0.5])
    form = random.choice(["object", "object", "array", "mixed"])
    lines = [_line(random, number, form, odd) for number in range(random.choice([1, 5, 60, 400]))]
    newline = random.choice(["\n", "\n", "\r\n"])
    body = (newline.join(lines) + random.choice(["", newline, newline * 2])).encode()
    if random.random() < 0.5:
        body = _damaged(random, body)
    options = {"format": "jsonl", "output": {"format": "jsonl", "join": random.random() < 0.5}}
    return OddFile("rows.jsonl", body, records_of(body), options)


def array_file(random: Random) -> OddFile:
    """Make a file that is one JSON array; what is no JSON at all would make it none."""
    odd = random.choice([0.0, 0.0, 0.05, 0.5])
    count = random.choice([1, 5, 60, 400])
    elements = list(filter(_is_json, (_line(random, n, "object", odd) for n in range(count))))
    if not elements or elements[0][0] != "{":
        elements.insert(0, '{"x":[1,2]}')
    between = random.choice([",", ", ", ",\n", ",\r\n\t", "\n,"])
    begin, end = random.choice([("[", "]"), ("[\n", "\n]\n"), (" [ ", " ]\r\n")])
    body = (begin + between.join(elements) + end).encode()
    records = [_record(number, element.encode()) for number, element in enumerate(elements)]
    options = {"output": {"format": "jsonl", "join": random.random() < 0.5}}
    return OddFile("rows.json", body, records, options)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refused)
    except (NoRecord, ValueError):
        return False
    return True


def _line(random: Random, number: int, form: str, odd: float) -> str:
    if random.random() < odd / 2:
        return random.choice(ODD_LINES)
    value = f"[{number},{random.choice(['0.5', '-3', '1e3', '12345678901'])}]"
    if random.random() < odd:
        value = random.choice(BAD_VALUES + ODD_VALUES)
    if form == "array" or (form == "mixed" and random.random() < 0.5):
        return value
    note = json.dumps(random.choice(NOTES), ensure_ascii=random.random() < 0.5)
    members = [f'"x":{value}', f'"id":{number}', f'"note":{note}']
    random.shuffle(members)
    return "{" + random.choice([",", ", "]).join(members) + "}"


def _damaged(random: Random, body: bytes) -> bytes:
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(body))
        body = body[:at] + random.choice(DAMAGE) + body[at + random.choice([0, 0, 1, 1, 30]) :]
    return body[: random.randint(0, len(body))] if random.random() < 0.2 else body


class NoRecord(Exception):
    """A line is none that the model takes."""


def records_of(body: bytes) -> Sequence[Record]:
    """Read lines independently, as Python's own reader does with all that JSON lacks refused."""
    lines = body.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [
        _record(number, line) for number, line in enumerate(lines) if line.strip(b" \t\r\n\v\f")
    ]


def _record(number: int, line: bytes) -> Record:
    try:
        text = line.decode().strip(" \t\r\n\v\f")
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
        values = [float(each) for each in _values(found)]
    except (NoRecord, ValueError, OverflowError, TypeError):
        return Record(number, {}, None)
    except RecursionError:
        return Record(number, {}, [0.0, 0.0], sure=False)
    passed = found if isinstance(found, dict) else {"row": found}
    # Half a character has no form in UTF-8: readers differ in what they do about it.
    sure = not any(0xD800 <= ord(each) < 0xE000 for each in json.dumps(found, ensure_ascii=False))
    return Record(number, passed, values, sure=sure and text == line.decode().strip())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if names.count("x") > 1 or names.count("inputs") > 1:
        raise NoRecord
    return dict(pairs)


def _refused(name: str) -> Any:
    raise NoRecord(name)


def _values(found: Any) -> Sequence[Any]:
    if isinstance(found, dict) and isinstance(found.get("inputs"), list):
        found = _of_request(found["inputs"])
    value = found["x"] if isinstance(found, dict) and "x" in found else found
    if not isinstance(value, list) or len(value) != 2:
        raise NoRecord
    return [_number(each) for each in value]


def _of_request(tensors: Sequence[Any]) -> Any:
    named = [each for each in tensors if isinstance(each, dict) and each.get("name") == "x"]
    if len(named) != 1 or len(tensors) != 1 or named[0].get("shape") != [1, 2]:
        raise NoRecord
    return named[0].get("data")


def _number(value: Any) -> float:
    spelled = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
    if isinstance(value, str) and value in spelled:
        return float(spelled[value])
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isinf(value):
        raise NoRecord
    return float(value)
