"""docs/worker.md has every variable that the worker reads, and no other."""

import re
from dataclasses import fields
from pathlib import Path

from serval.worker.program.settings import ServerSettings, WorkerSettings

DOCUMENT = (Path(__file__).parents[3] / "docs" / "worker.md").read_text()
READ_BY_THE_SDK = {"AWS_ENDPOINT_URL"}


def test_every_variable_is_documented() -> None:
    section = DOCUMENT.partition("## Environment")[2].partition("\n## ")[0]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", section, re.M)
        for name in re.findall(r"`([A-Z_]+)`", row)
    }
    read = {f.name.upper() for f in (*fields(ServerSettings), *fields(WorkerSettings))}
    assert named == read | READ_BY_THE_SDK
