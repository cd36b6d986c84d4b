"""Parquet files: of every type of column, in row groups of any size, and damaged."""

import datetime as dt
import io
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import polars as pl

from tests.odd_files.files import OddFile, Record

Column = tuple[pl.Series, list[float | None]]
"""A column, and what each value is as FP64; None: no number without loss."""
EPOCH = dt.datetime(2024, 2, 3, 4, 5, 6, 789_000)


def parquet_file(random: Random) -> OddFile:
    """Make a file: half of them odd, a quarter of them damaged as well."""
    rows = random.choice([1, 2, 7, 60, 400])
    passed = {f"p{index}": _passed(random, rows) for index in range(random.randint(0, 3))}
    if random.random() < 0.3:
        columns, values = _lists(random, rows)
    else:
        inputs = {name: _input(random, rows) for name in ("x_0", "x_1")}
        columns = {name: column for name, (column, _) in inputs.items()}
        values = list(zip(*(found for _, found in inputs.values()), strict=True))
    frame = pl.DataFrame({**columns, **passed})
    frame = frame.select(random.sample(frame.columns, len(frame.columns)))
    body = _written(random, frame)
    if random.random() < 0.25:
        return OddFile("rows.parquet", _damaged(random, body), None, loose=True)
    records = [
        Record(number, row, None if None in found else [each or 0.0 for each in found])
        for number, (row, found) in enumerate(zip(frame.to_dicts(), values, strict=True))
    ]
    return OddFile("rows.parquet", body, records)


def _written(random: Random, frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_parquet(
        target,
        row_group_size=random.choice([1, 3, 50, 1_000]) if len(frame) < 100 else 50,
        compression=random.choice(["zstd", "snappy", "gzip", "lz4", "uncompressed", "brotli"]),
        statistics=random.random() < 0.5,
        data_page_size=random.choice([None, 64, 1_000]),
    )
    return target.getvalue()


def _damaged(random: Random, body: bytes) -> bytes:
    """Change bytes, mostly of the footer; or cut the file off."""
    found = bytearray(body)
    footer = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    for _ in range(random.randint(1, 3)):
        start = footer if random.random() < 0.7 else 0
        found[random.randrange(start, len(body))] = random.randrange(256)
    return bytes(found[: random.randint(0, len(found))] if random.random() < 0.1 else found)


def _input(random: Random, rows: int) -> Column:
    kind = random.choice(list(KINDS) + ["float", "small", "decimal"] * 5)
    good, odd = KINDS[kind], random.choice([0.0, 0.1])
    pairs = [
        (None, None) if random.random() < odd else good(random, number) for number in range(rows)
    ]
    dtype = TYPES.get(kind)
    column = pl.Series([value for value, _ in pairs], dtype=dtype, strict=False)
    return column, [found for _, found in pairs]


def _lists(random: Random, rows: int) -> tuple[dict[str, pl.Series], list[Sequence[float | None]]]:
    lists: list[Any] = []
    values: list[Sequence[float | None]] = []
    for number in range(rows):
        own: Any = [float(number), number / 2]
        if random.random() < 0.1:
            own = random.choice([None, [], [1.0], [1.0, None], [1.0, 2.0, 3.0]])
        lists.append(own)
        fits = own is not None and len(own) == 2
        values.append(own if fits else [None])
    return {"x": pl.Series(lists, dtype=pl.List(pl.Float64))}, values


def _text(random: Random, number: int) -> tuple[Any, float | None]:
    if random.random() < 0.1:
        return random.choice(["one", "1.5.2", "1e400", "x"]), None
    return f"{number}.25", number + 0.25


def _int(random: Random, number: int) -> tuple[Any, float | None]:
    value = random.choice([number, -number, number, 2**53, 2**53 + 1, 2**62 + 1])
    return value, float(value) if int(float(value)) == value else None


def _decimal(random: Random, number: int) -> tuple[Any, float | None]:
    value = Decimal(f"{number}.{random.randint(0, 99):02}")
    return value, float(value)


Kind = Callable[[Random, int], tuple[Any, float | None]]
KINDS: dict[str, Kind] = {
    "int": _int,
    "float": lambda random, number: (number / 4, number / 4),
    "small": lambda random, number: (number % 100, float(number % 100)),
    "decimal": _decimal,
    "text": _text,
    "category": lambda random, number: random.choice([("1", 1.0), ("b", None)]),
    "bool": lambda random, number: (number % 2 == 0, float(number % 2 == 0)),
    "bytes": lambda random, number: (b"\xff1", None),
    "date": lambda random, number: (EPOCH.date(), None),
    "moment": lambda random, number: (EPOCH, None),
    "time": lambda random, number: (EPOCH.time(), None),
    "took": lambda random, number: (dt.timedelta(seconds=number), None),
    "nothing": lambda random, number: (None, None),
}
TYPES: dict[str, Any] = {
    "int": pl.Int64,
    "float": pl.Float64,
    "small": pl.Int8,
    "decimal": pl.Decimal(20, 2),
    "text": pl.String,
    "category": pl.Categorical,
    "bool": pl.Boolean,
    "bytes": pl.Binary,
    "date": pl.Date,
    "moment": pl.Datetime("us"),
    "time": pl.Time,
    "took": pl.Duration("us"),
    "nothing": pl.Null,
}
PASSED: tuple[tuple[Any, Any], ...] = (
    (pl.Int64, 7),
    (pl.UInt8, 7),
    (pl.String, "é,\n"),
    (pl.Binary, b"\xff"),
    (pl.Date, EPOCH.date()),
    (pl.Datetime("ns"), EPOCH),
    (pl.Datetime("ms", "Asia/Kolkata"), EPOCH.replace(tzinfo=dt.UTC)),
    (pl.Duration("ns"), dt.timedelta(days=1)),
    (pl.Time, EPOCH.time()),
    (pl.Decimal(20, 2), Decimal("1.10")),
    (pl.List(pl.Int64), [1, None]),
    (pl.Struct({"a": pl.Int64}), {"a": 1}),
    (pl.Categorical, "a"),
    (pl.Boolean, True),
    (pl.Null, None),
)


def _passed(random: Random, rows: int) -> pl.Series:
    dtype, value = random.choice(PASSED)
    return pl.Series([random.choice([value, value, None]) for _ in range(rows)], dtype=dtype)
