"""What docs/batch.md says: every option with its default, every file under the prefix."""

from dataclasses import fields
from pathlib import Path

from serval.batch.input.find import EXTENSIONS
from serval.batch.job.keys import JobKeys
from serval.batch.job.options import CSV, DEFAULTS, OPTIONS, OUTPUT

TEXT = (Path(__file__).parents[3] / "docs" / "batch.md").read_text()


def test_every_option_is_described() -> None:
    names = [name for name in OPTIONS if name not in ("csv", "output")]
    names += [f"csv.{name}" for name in CSV] + [f"output.{name}" for name in OUTPUT]
    assert [name for name in names if f"`{name}`" not in TEXT] == []
    assert {field.name for field in fields(DEFAULTS)} == set(OPTIONS)


def test_defaults_are_those_of_the_code() -> None:
    for name in ("max_rejected_percent", "concurrency", "shard_bytes"):
        assert f"| `{name}` | {getattr(DEFAULTS, name)} |" in TEXT


def test_everything_that_is_written_is_described() -> None:
    keys = JobKeys("")
    for key in (
        keys.part(12, "csv"),
        keys.errors_of(12),
        keys.errors,
        keys.summary,
        keys.output("csv"),
    ):
        assert f"`{key}`" in TEXT, key
    assert f"`{Path(keys.counts(12)).name}`" in TEXT


def test_every_format_is_described() -> None:
    for found, extensions in EXTENSIONS.items():
        assert any(f".{extension}" in TEXT for extension in extensions), found
