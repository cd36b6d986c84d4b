"""The published schema of a job's options says what the reader takes."""

from typing import Any

import jsonschema_rs
import pytest

from serval.batch.job.options import DEFAULTS, JobOptions
from serval.batch.job.options_schema import OPTIONS
from serval.errors import BatchRefused

GOOD: list[Any] = [
    {},
    DEFAULTS.to_json(),
    {"format": "csv", "compression": "gzip"},
    {"csv": {"delimiter": "\t", "header": False, "quoted_newlines": "never"}},
    {"csv": {"delimiter": "auto", "header": "auto"}},
    {"csv": {"ragged": "pad", "empty": "reject", "null_values": ["NA"], "decimal": ","}},
    {"csv": {"delimiter": ";", "quote": "'", "escape": "\\", "encoding": "windows-1252"}},
    {"columns": {"x": ["a", "b"], "y": "c"}},
    {"positional": True, "output": {"leave_out": ["id"], "tensors": ["y"]}},
    {"output": {"format": "parquet", "join": True, "partitioned": True, "prefix": "s3://out/"}},
    {"output": {"prefix": None}},
    {"max_rejected_percent": 0.5, "concurrency": 1000, "shard_bytes": 1},
    {"max_rejected_percent": 100, "tolerated_failed_shards_percent": 100},
]
BAD: list[Any] = [
    [],
    "csv",
    {"formt": "csv"},
    {"format": "xlsx"},
    {"format": None},
    {"compression": "lzma"},
    {"csv": {"delimiter": ""}},
    {"csv": {"delimiter": '"'}},
    {"csv": {"delimiter": "\n"}},
    {"csv": {"delimiter": "€"}},
    {"csv": {"delimiter": ",,"}},
    {"csv": {"header": "yes"}},
    {"csv": {"quoting": "'"}},
    {"csv": {"quote": "''"}},
    {"csv": {"encoding": "klingon"}},
    {"csv": {"ragged": True}},
    {"csv": {"null_values": "NA"}},
    {"csv": {"decimal": ";"}},
    {"positional": "yes"},
    {"columns": {"x": []}},
    {"columns": {"x": [1]}},
    {"columns": ["x"]},
    {"output": {"join": 1}},
    {"output": {"prefix": "/tmp/out"}},
    {"output": {"where": "s3://out/"}},
    {"max_rejected_percent": 101},
    {"max_rejected_percent": "1"},
    {"max_rejected_percent": True},
    {"concurrency": 0},
    {"concurrency": 1.5},
    {"concurrency": True},
    {"tolerated_failed_shards_percent": -1},
    {"shard_bytes": 2**31},
]


@pytest.mark.parametrize("value", GOOD)
def test_what_the_schema_allows_is_read(value: Any) -> None:
    assert jsonschema_rs.is_valid(OPTIONS, value)
    JobOptions.from_json(value)


@pytest.mark.parametrize("value", BAD)
def test_what_the_schema_refuses_is_refused(value: Any) -> None:
    assert not jsonschema_rs.is_valid(OPTIONS, value)
    with pytest.raises(BatchRefused):
        JobOptions.from_json(value)


def test_the_schema_has_every_option() -> None:
    whole = DEFAULTS.to_json()
    assert OPTIONS["properties"].keys() == whole.keys()
    for part in ("csv", "output"):
        assert OPTIONS["properties"][part]["properties"].keys() == whole[part].keys()
