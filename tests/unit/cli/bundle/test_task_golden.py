"""serval_cli/bundle/task_golden.py: golden requests in a task's words, made by ``serval init``."""

import json
from pathlib import Path
from typing import Any

import pytest

from serval.bundles.bundle import read_bundle
from serval.rollouts.golden.requests import read_golden
from serval_cli.bundle.golden_sample import NoSample
from serval_cli.bundle.task_golden import draw_sound, made_up, task_lines
from serval_cli.failures import CommandFailed
from tests.fakes.init_command import golden, make

RECORDED = Path(__file__).parents[3] / "tasks/recorded"
CASES = {
    "text-classification": "text-classification",
    "token-classification-bpe": "token-classification",
    "question-answering-wordpiece": "question-answering",
    "fill-mask-wordpiece": "fill-mask",
    "sentence-similarity-mean": "sentence-similarity",
    "image-detr": "object-detection",
    "image-clip": "zero-shot-image-classification",
    "audio-waveform": "audio-classification",
    "t5-translation": "translation",
    "speak": "text-to-speech",
}


@pytest.mark.parametrize(("case", "name"), CASES.items())
def test_the_first_golden_request_is_in_the_tasks_words(case: str, name: str) -> None:
    folder = RECORDED / case / "bundle"
    artifact = "model.onnx" if (folder / "model.onnx").is_file() else "encoder_model.onnx"
    section = json.loads((folder / "task.json").read_text())
    assert section["name"] == name
    line = task_lines(folder, artifact, section, ())
    [read] = read_golden("golden.jsonl", line.encode())
    assert read.for_task
    assert read.answer


def test_init_writes_the_task_with_its_first_request(tmp_path: Path) -> None:
    folder = make(tmp_path, RECORDED / "text-classification" / "bundle")
    bundle = read_bundle((folder / "model.yaml").read_text())
    assert bundle.task is not None
    assert bundle.task.name == "text-classification"
    written: Any = golden(folder)
    assert written["request"] == {"inputs": "The film was long, but I loved every minute of it."}
    assert {"label", "score"} == set(written["answer"][0][0])


def test_samples_become_golden_requests(tmp_path: Path) -> None:
    sample = tmp_path / "review.txt"
    sample.write_text("dull")
    folder = make(tmp_path, RECORDED / "text-classification" / "bundle", "tiny", sample)
    written: Any = golden(folder)
    assert written["request"] == {"inputs": "dull"}
    assert "what this model itself answers" in (folder / "model.yaml").read_text()


def test_a_sample_of_media_stands_in_base64(tmp_path: Path) -> None:
    sound = tmp_path / "siren.wav"
    sound.write_bytes(draw_sound())
    bundle = RECORDED / "audio-waveform" / "bundle"
    line = task_lines(bundle, "model.onnx", {"name": "audio-classification"}, [sound])
    assert json.loads(line)["request"]["inputs"].startswith("UklGR")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "x.png is not a file: an input for image-classification expected"),
        (b"no image", r"x.png: the model does not answer it: .*"),
    ],
)
def test_a_sample_that_the_task_does_not_take_makes_nothing(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    bundle = RECORDED / "image-vit" / "bundle"
    with pytest.raises(CommandFailed, match=said):
        task_lines(bundle, "model.onnx", {"name": "image-classification"}, [path])


def test_labels_that_do_not_fit_the_graph_are_refused(tmp_path: Path) -> None:
    bundle = RECORDED / "text-classification" / "bundle"
    section = {"name": "text-classification", "labels": ["only one"]}
    with pytest.raises(CommandFailed, match=r"task text-classification: model.yaml: task: labels"):
        task_lines(bundle, "model.onnx", section, ())


def test_rows_are_not_made_up(tmp_path: Path) -> None:
    with pytest.raises(NoSample, match=r"--sample FILE.csv has real ones"):
        made_up(tmp_path, "tabular-regression")
