"""camera: what was drawn is what is found, and what is told."""

from pathlib import Path

import onnx
import pytest

from serval_cli.bundle.task_golden import open_bundle_task
from serval_cli.failures import CommandFailed
from tests.fakes.batch import BatchStage
from tests.unit.example_models.example_api import called_by_the_hub
from tests.unit.example_models.task_examples import TaskExample


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> TaskExample:
    return TaskExample.built("camera", tmp_path_factory.mktemp("camera"))


def test_everything_that_was_drawn_is_found_to_the_pixel(camera: TaskExample) -> None:
    drawn = [camera.build.draw(seed) for seed in range(100, 108)]
    answers = camera.answer(*(picture for picture, _ in drawn))
    for answer, (_, truth) in zip(answers, drawn, strict=True):
        found = {tuple(one["box"].values()): one for one in answer}
        assert len(found) == len(truth)
        for one in truth:
            given = found[tuple(one["box"].values())]
            assert given["label"] == one["label"]
            assert given["score"] == pytest.approx(one["score"], abs=0.02)


def test_golden_requests_expect_what_was_drawn(camera: TaskExample) -> None:
    assert camera.said.startswith("camera: written by hand, ")
    assert camera.check_golden() == [1] * camera.build.PICTURES


def test_an_uploaded_photo_is_an_event_for_each_bright_person(camera: TaskExample) -> None:
    stage = BatchStage(task=camera.task, bundle=camera.bundle)
    job = stage.run(stage.upload("trap-7/0001.jpg", (camera.folder / "photo.jpg").read_bytes()))
    assert job.status == "succeeded"
    _, truth = camera.build.draw(camera.build.PICTURES)
    wanted = [one["box"] for one in truth if one["label"] == "person" and one["score"] > 0.8]
    assert [one["box"] for one in stage.detections] == wanted
    assert 0 < len(wanted) < len(truth)


def test_a_label_that_no_event_could_ever_have_is_refused(camera: TaskExample) -> None:
    section = {**camera.bundle["task"], "events": {"over": 0.8, "labels": ["person", "poacher"]}}
    with pytest.raises(CommandFailed, match="labels: 'poacher' is no label of the model, which"):
        open_bundle_task(camera.folder, "model.onnx", section)


def test_building_twice_gives_the_same_bytes(camera: TaskExample, tmp_path: Path) -> None:
    onnx.checker.check_model(onnx.load(camera.folder / "model.onnx"), full_check=True)
    assert (camera.folder / "photo.jpg").exists()
    camera.check_again(tmp_path)


def test_the_hubs_client_finds_what_was_drawn(camera: TaskExample, tmp_path: Path) -> None:
    picture, truth = camera.build.draw(100)
    with called_by_the_hub(camera, tmp_path) as client:
        found = client.object_detection(picture, threshold=0.5)
    drawn = {tuple(one["box"].values()): one["label"] for one in truth}
    boxes = [one.box for one in found]
    given = [(box.xmin, box.ymin, box.xmax, box.ymax) for box in boxes]
    assert {place: one.label for place, one in zip(given, found, strict=True)} == drawn
