"""Options of a batch job: what is not understood is refused, by name."""

import pytest

from serval.batch.job.options import CsvOptions, JobOptions, OutputOptions
from serval.errors import BatchRefused


def test_nothing_chosen_gives_the_defaults() -> None:
    assert JobOptions.from_json({}) == JobOptions()
    assert (JobOptions().shard_bytes, JobOptions().concurrency) == (64 * 2**20, 10)


def test_options_survive_their_json() -> None:
    options = JobOptions(
        format="csv",
        compression="gzip",
        csv=CsvOptions(";", False, "never", "pad", null_values=("NA",), escape="\\"),
        columns={"x": ("a", "b")},
        output=OutputOptions("parquet", True, True, "s3://b/o/"),
        max_rejected_percent=0.5,
        concurrency=3,
        tolerated_failed_shards_percent=5,
        shard_bytes=1000,
    )
    assert JobOptions.from_json(options.to_json()) == options


def test_one_column_may_stand_for_a_list() -> None:
    assert JobOptions.from_json({"columns": {"x": "a"}}).columns == {"x": ("a",)}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], r"options: \[\] given, an object expected"),
        ({"formt": "csv"}, "options: 'formt' is not known; there is format, compression, csv,"),
        ({"format": "xml"}, "format: 'xml' given, one of auto, csv, jsonl, parquet, objects"),
        ({"compression": "zip"}, "compression: 'zip' given, one of auto, none, gzip, zstd"),
        ({"csv": 1}, "csv: 1 given, an object expected"),
        ({"csv": {"sep": ";"}}, "csv: 'sep' is not known; there is delimiter, header, quoted_new"),
        ({"csv": {"delimiter": ";;"}}, "csv.delimiter: ';;' given, 'auto' or one ASCII character"),
        ({"csv": {"delimiter": '"'}}, "csv.delimiter: '\"' given"),
        ({"csv": {"header": "yes"}}, "csv.header: 'yes' given, true or false expected"),
        ({"csv": {"quoted_newlines": "always"}}, "csv.quoted_newlines: 'always' given, one of"),
        ({"columns": ["a"]}, r"columns: \['a'\] given, inputs with their columns expected"),
        ({"columns": {"x": []}}, r"columns.x: \[\] given, a column or a list of columns expected"),
        ({"output": {"format": "xlsx"}}, "output.format: 'xlsx' given, one of auto, csv, jsonl"),
        ({"output": {"join": 1}}, "output.join: 1 given, true or false expected"),
        ({"output": {"prefix": "/tmp"}}, "output.prefix: '/tmp' given, 's3://bucket/prefix/'"),
        ({"max_rejected_percent": 101}, "max_rejected_percent: 101 given, a percentage from 0"),
        ({"max_rejected_percent": float("nan")}, "max_rejected_percent: nan given"),
        ({"max_rejected_percent": True}, "max_rejected_percent: true given"),
        ({"concurrency": 0}, "concurrency: 0 given, 1 to 1000 expected"),
        ({"concurrency": True}, "concurrency: true given, 1 to 1000 expected"),
        ({"tolerated_failed_shards_percent": 1.5}, "tolerated_failed_shards_percent: 1.5 given"),
        ({"shard_bytes": 2**40}, "shard_bytes: 1099511627776 given, 1 to 1073741824 expected"),
    ],
)
def test_what_is_not_understood_is_refused(value: object, reason: str) -> None:
    with pytest.raises(BatchRefused, match=reason):
        JobOptions.from_json(value)
