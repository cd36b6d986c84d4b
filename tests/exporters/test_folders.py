"""Folders of transformers and sentence-transformers: published, they answer in the same words."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exporters.asking import EXPORTED, ask_task, init, largest_difference, publish
from tests.local.conftest import LocalStage

NAMES = sorted(path.parent.name for path in EXPORTED.glob("*/calls.json"))


def test_every_library_has_left_its_folders() -> None:
    assert {name.split("-")[1] for name in NAMES} == {"transformers", "sentence"}


@pytest.mark.parametrize("name", NAMES)
def test_a_published_folder_answers_as_the_original(
    name: str, stage: LocalStage, tmp_path: Path, difference: Callable[[str, float], None]
) -> None:
    made = init(name, EXPORTED / name / "model", tmp_path / "bundle")
    assert made.returncode == 0, made.stderr
    model = publish(stage, tmp_path / "bundle")
    for call in json.loads((EXPORTED / name / "calls.json").read_text()):
        given = ask_task(stage, model, call["request"])
        difference(name, largest_difference(given, call["answer"]))
