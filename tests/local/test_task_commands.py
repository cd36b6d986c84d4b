"""``serval init --from`` a folder, ``push``, ``infer`` and ``try`` of a model with a task."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.local.conftest import ROOT, LocalStage
from tests.local.test_cli import failed, run, succeeded

pytestmark = pytest.mark.usefixtures("published_models")
RECORDED = ROOT / "tests/tasks/recorded"


def publish(stage: LocalStage, folder: Path, case: str, *words: str) -> str:
    """Make a bundle of a recorded export, publish it, and return its name."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    source = str(RECORDED / case / "bundle")
    succeeded(stage, "init", name, "--from", source, "--dir", str(folder / name), *words)
    pushed = succeeded(stage, "push", str(folder / name), "--wait")
    assert pushed["status"] == "promoted", pushed
    return name


def first(case: str) -> Any:
    return json.loads((RECORDED / case / "answers.json").read_text())[0]


def test_an_exported_folder_answers_in_words(stage: LocalStage, tmp_path: Path) -> None:
    name = publish(stage, tmp_path, "text-classification")
    wanted = first("text-classification")
    text = wanted["inputs"][0]
    expected = wanted["answers"][0]
    for command in ("infer", "try"):
        [given] = succeeded(stage, command, name, text)
        assert [one["label"] for one in given] == [one["label"] for one in expected]
        for one, other in zip(given, expected, strict=True):
            assert one["score"] == pytest.approx(other["score"], abs=1e-4)
    shown = run(stage, "try", name, text)
    assert "█" in shown.stdout
    assert "top_k" in failed(stage, "try", name, text, "-p", "temperature=1")
    assert "takes tensors" in failed(stage, "try", "iris", text)


def test_boxes_are_drawn_on_the_image(stage: LocalStage, tmp_path: Path) -> None:
    name = publish(stage, tmp_path, "image-detr")
    photo = tmp_path / "photo.png"
    Image.radial_gradient("L").convert("RGB").save(photo)
    shown = run(
        stage, "try", name, str(photo), "-p", "threshold=0.05", "--dir", str(tmp_path / "out")
    )
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "out" / "photo-boxes.png").is_file()
