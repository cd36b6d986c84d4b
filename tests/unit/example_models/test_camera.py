"""camera: what was drawn is what is found, and what is told."""

from pathlib import Path

import onnx
import pytest

from models.camera import build
from serval.bundles.bundle import read_bundle
from serval.rollouts.golden.requests import read_golden
from serval.rollouts.golden.task_answers import compare_answers
from serval.tasks.parameters import Parameters
from serval.tasks.payload import read_payload
from serval.tasks.task import Task
from serval_cli.bundle.task_golden import open_bundle_task
from serval_cli.failures import CommandFailed
from tests.fakes.batch import BatchStage

BUNDLE = read_bundle((Path(build.__file__).parent / "model.yaml").read_bytes()).model_dump(
    mode="json", exclude_none=True
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("camera")
    said = build.build(built)
    assert said.startswith("camera: written by hand, ")
    return built


@pytest.fixture(scope="module")
def task(folder: Path) -> Task:
    return open_bundle_task(folder, "model.onnx", BUNDLE["task"])


def test_everything_that_was_drawn_is_found_to_the_pixel(task: Task) -> None:
    drawn = [build.draw(seed) for seed in range(100, 108)]
    answers = task.answer([picture for picture, _ in drawn], Parameters())
    for answer, (_, truth) in zip(answers, drawn, strict=True):
        found = {tuple(one["box"].values()): one for one in answer}
        assert len(found) == len(truth)
        for one in truth:
            given = found[tuple(one["box"].values())]
            assert given["label"] == one["label"]
            assert given["score"] == pytest.approx(one["score"], abs=0.02)


def test_golden_requests_expect_what_was_drawn(folder: Path, task: Task) -> None:
    for line in read_golden("golden.jsonl", (folder / "golden.jsonl").read_bytes()):
        [given] = task.answer(
            read_payload(line.body, "application/json", task).inputs, Parameters()
        )
        assert line.answer
        assert compare_answers(line.answer, given, 1e-4).reasons == ()


def test_an_uploaded_photo_is_an_event_for_each_bright_person(folder: Path, task: Task) -> None:
    stage = BatchStage(task=task, bundle=BUNDLE)
    job = stage.run(stage.upload("trap-7/0001.jpg", (folder / "photo.jpg").read_bytes()))
    assert job.status == "succeeded"
    _, truth = build.draw(build.PICTURES)
    wanted = [one["box"] for one in truth if one["label"] == "person" and one["score"] > 0.8]
    assert [one["box"] for one in stage.detections] == wanted
    assert 0 < len(wanted) < len(truth)


def test_a_label_that_no_event_could_ever_have_is_refused(folder: Path) -> None:
    section = {**BUNDLE["task"], "events": {"over": 0.8, "labels": ["person", "poacher"]}}
    with pytest.raises(CommandFailed, match="labels: 'poacher' is no label of the model, which"):
        open_bundle_task(folder, "model.onnx", section)


def test_building_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    build.build(tmp_path)
    onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"), full_check=True)
    for name in ("model.onnx", "golden.jsonl", "photo.jpg"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
