"""``serval golden add`` of a model with a task or a handler: golden requests in its words."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.camera import build as camera
from serval.client import Client
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.rollouts.golden.requests import read_golden
from serval_cli.bundle.folder import read_folder
from serval_cli.commands.publish import golden
from serval_cli.failures import CommandFailed
from serval_cli.steering import golden_answers
from tests.fakes.task_api import TaskStage
from tests.fakes.task_models import sentiment_graph


class HandlerStage(TaskStage):
    """A stage whose only model is a handler, which answers with what it was sent."""

    def reply(self, request: httpx.Request) -> httpx.Response:
        """Answer as the API does."""
        if request.method == "GET":
            return httpx.Response(200, json={"name": "m", **HANDLER_SIGNATURE.to_json()})
        self.requests.append(request)
        return httpx.Response(200, json={"sent": json.loads(request.content)})


def add(
    stage: TaskStage, folder: Path, given: str, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> dict[str, Any]:
    """Add a golden request to the bundle ``m`` in a folder, and return it."""
    if not (folder / "model.yaml").exists():
        (folder / "model.yaml").write_text("name: m\n")
    server = httpx.MockTransport(stage.reply)
    client = Client(stage.api_url, "srv_key", transport=server)
    monkeypatch.setattr(golden, "find_stage", lambda *_: stage)
    monkeypatch.setattr(golden, "open_client", lambda *_: client)
    golden.add("m", given, folder, as_json=True, **options)
    content = (folder / "golden.jsonl").read_bytes()
    assert read_golden("golden.jsonl", content)
    line: dict[str, Any] = json.loads(content.splitlines()[-1])
    return line


def test_a_text_is_asked_with_its_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = TaskStage("text-classification", [[{"label": "good", "score": 0.9}]])
    line = add(stage, tmp_path, "I love this", monkeypatch, parameter=["top_k=1"])
    request = {"inputs": "I love this", "parameters": {"top_k": 1}}
    assert line == {"request": request, "answer": stage.answer}
    assert stage.body == request


def test_a_file_stands_in_base64_and_masks_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = TaskStage("image-segmentation", [{"label": "sky", "score": 0.9, "mask": "iVBOR"}])
    (tmp_path / "sky.png").write_bytes(b"\x89PNG")
    line = add(stage, tmp_path, str(tmp_path / "sky.png"), monkeypatch)
    assert line["request"] == {"inputs": "iVBORw=="}
    assert line["answer"] == [{"label": "sky", "score": 0.9}]


def test_of_an_answer_that_is_a_file_its_type_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = add(TaskStage("text-to-speech", b"RIFF"), tmp_path, "meow", monkeypatch)
    assert line["answer"] == {"content_type": "audio/wav"}


@pytest.mark.parametrize(
    ("given", "body"),
    [
        ('{"inputs": "mobby dik", "top": 2}', {"inputs": "mobby dik", "top": 2}),
        ("mobby dik", {"inputs": "mobby dik"}),
        ("photo.jpg", {"inputs": "/9j/"}),
    ],
)
def test_a_handler_is_sent_json_as_it_is_and_all_else_as_inputs(
    given: str, body: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    monkeypatch.chdir(tmp_path)
    line = add(HandlerStage(None, None), tmp_path, given, monkeypatch)
    assert line == {"body": body, "answer": {"sent": body}}


def test_what_a_task_does_not_take_adds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = TaskStage("object-detection", [])
    with pytest.raises(CommandFailed, match=r"'zebra' is not a file: object-detection takes"):
        add(stage, tmp_path, "zebra", monkeypatch)
    assert not (tmp_path / "golden.jsonl").exists()
    with pytest.raises(CommandFailed, match=r"--parameter is for models with a task"):
        add(TaskStage(None, []), tmp_path, "x.npy", monkeypatch, parameter=["top_k=1"])


def test_the_graph_of_the_bundle_answers_without_a_stage_and_push_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    camera.build(tmp_path)
    (tmp_path / "golden.jsonl").unlink()
    yaml = (Path(camera.__file__).parent / "model.yaml").read_text()
    (tmp_path / "model.yaml").write_text(yaml.replace("name: camera", "name: m"))
    stage = TaskStage("object-detection", [])
    line = add(stage, tmp_path, str(tmp_path / "photo.jpg"), monkeypatch, local=True)
    assert [one["label"] for one in line["answer"]] == ["person"] * 3
    assert json.loads(capsys.readouterr().out)["version"] is None
    assert stage.requests == []
    assert "golden.jsonl" in read_folder(tmp_path).sizes


def test_what_cannot_be_asked_here_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = TaskStage(None, [])
    with pytest.raises(CommandFailed, match=r"model\.onnx is no graph .*: leave out --local"):
        add(stage, tmp_path, "ids.json", monkeypatch, local=True)
    (tmp_path / "model.onnx").write_bytes(sentiment_graph())
    monkeypatch.setattr(golden_answers, "find_spec", lambda _: None)
    with pytest.raises(CommandFailed, match=r"--local needs onnxruntime.*`pip install"):
        add(stage, tmp_path, "ids.json", monkeypatch, local=True)


def test_a_graph_of_tensors_answers_without_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_bytes(sentiment_graph())
    (tmp_path / "ids.json").write_text("[[3, 2, 3]]")
    stage = TaskStage(None, [])
    line = add(stage, tmp_path, str(tmp_path / "ids.json"), monkeypatch, local=True)
    assert line["response"]["outputs"][0]["data"] == [2.0, 1.0]
