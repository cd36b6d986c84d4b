"""What ``serval push`` finds of a task before it uploads anything."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from serval.errors import BundleRefused
from serval_cli.bundle import task_check
from serval_cli.bundle.folder import read_folder

RECORDED = Path(__file__).parents[3] / "tasks/recorded/text-classification"
YAML = "name: mood\n\ntask: {}\ngolden: golden.jsonl\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle that classifies texts, with two golden requests."""
    shutil.copytree(RECORDED / "bundle", tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.yaml").write_text(YAML.format("text-classification"))
    call = json.loads((RECORDED / "answers.json").read_text())[0]
    request = {"inputs": call["inputs"][0], "parameters": call["parameters"]}
    line = json.dumps({"request": request, "answer": call["answers"][:1]}) + "\n"
    (tmp_path / "golden.jsonl").write_text(line * 2)
    return tmp_path


def test_a_task_that_answers_as_expected_is_taken(folder: Path) -> None:
    assert "golden.jsonl" in read_folder(folder).sizes


def edit(path: str, change: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda folder: (folder / path).write_text(change((folder / path).read_text()))


def second_line(text: str, old: str, new: str) -> str:
    first, second = text.splitlines()
    return f"{first}\n{second.replace(old, new, 1)}\n"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            lambda folder: (folder / "tokenizer.json").unlink(),
            r"model\.yaml line 3: task text-classification: .*has no tokenizer\.json",
        ),
        (
            edit("model.yaml", lambda _: YAML.format("{name: text-classification, labels: [a]}")),
            r"model\.yaml line 3: .*task: labels: 1 labels, but the graph has \d+ classes",
        ),
        (
            edit("model.yaml", lambda _: '"name": mood\n"task": object-detection\n'),
            r"model\.yaml line 2: task object-detection: ",
        ),
        (
            edit("model.yaml", lambda _: YAML.format("object-detection")),
            r"model\.yaml line 3: task object-detection: the graph has 0 inputs of images",
        ),
        (
            edit("golden.jsonl", lambda text: second_line(text, "positive", "dull")),
            r"golden\.jsonl line 2: answer\[0\]\[0\]\.label: 'positive' given, 'dull' expected",
        ),
        (
            edit(
                "golden.jsonl",
                lambda text: second_line(text, '"parameters": {', '"top": 1, "parameters": {'),
            ),
            r"golden\.jsonl line 2: .*top",
        ),
    ],
)
def test_what_a_stage_would_refuse_is_refused_at_once_with_file_and_line(
    folder: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    spoil(folder)
    with pytest.raises(BundleRefused, match=reason):
        read_folder(folder)


def test_what_takes_long_is_left_to_the_stage(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("golden.jsonl", lambda text: second_line(text, "positive", "dull"))(folder)
    monkeypatch.setattr(task_check, "MOST_SECONDS", -1.0)
    read_folder(folder)
    assert "1 of 2 golden requests were asked here" in capsys.readouterr().err
    monkeypatch.setattr(task_check, "MOST_BYTES", 1)
    (folder / "tokenizer.json").write_text("{}")
    read_folder(folder)
    assert "the stage alone opens its task" in capsys.readouterr().err
