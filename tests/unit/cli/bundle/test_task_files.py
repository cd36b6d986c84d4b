"""serval_cli/bundle/task_files.py: every recorded bundle is found, copied and pushed as a whole."""

import json
from pathlib import Path

import pytest

from serval_cli.bundle.exported.reader import read_exported
from serval_cli.bundle.folder import read_folder
from serval_cli.bundle.sources import SourceChoices
from serval_cli.bundle.task_files import task_paths
from tests.fakes.init_command import make

RECORDED = Path(__file__).parents[3] / "tasks/recorded"
OURS = {"task.json", "model.yaml", "README.md", "golden.jsonl"}
CASES = sorted(path.parent for path in RECORDED.glob("*/bundle"))


def files_of(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found} - OURS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_recorded_bundle_is_taken_whole(case: Path, tmp_path: Path) -> None:
    bundle = case / "bundle"
    task = json.loads((bundle / "task.json").read_text())["name"]
    source = read_exported(bundle, SourceChoices(tmp_path, task=task))
    graphs = {source.artifact, *source.graph.external}
    assert {*source.files, *graphs} == files_of(bundle)
    assert {*task_paths(bundle), *graphs} == files_of(bundle)


@pytest.mark.parametrize("name", ["text-classification", "image-detr", "t5-translation"])
def test_init_makes_a_bundle_that_push_takes_whole(name: str, tmp_path: Path) -> None:
    folder = make(tmp_path, RECORDED / name / "bundle")
    sizes = read_folder(folder).sizes
    assert set(sizes) - OURS == files_of(RECORDED / name / "bundle")
