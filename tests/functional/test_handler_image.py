"""The image of a large handler, without Docker: what its Dockerfile copies, run as Lambda does."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from serval.handlers.model import HandlerCalls
from serval.handlers.row_bodies import RowAnswers, RowBodies
from stacks.stage.handler_code import HandlerPackages
from stacks.stage.handler_image import HandlerImage, image_folder
from tests.fakes.emulator import emulator
from tests.fakes.inference import handler_record, task_event
from tests.fakes.lambda_function import LAYERS, running
from tests.fakes.runtime_api import RuntimeApi

pytestmark = pytest.mark.slow

CODE = b"""
class EndpointHandler:
    def __init__(self, path=""):
        self.path = path

    def __call__(self, data):
        return [data["inputs"]]
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "handler.py").write_bytes(CODE)
    return tmp_path / "bundle"


@pytest.fixture
def image(bundle: Path, tmp_path: Path) -> HandlerImage:
    packages = HandlerPackages.install("shelf", bundle, "local", tmp_path / "built")
    layers = [LAYERS / name for name in ("core", "inference", "tasks")]
    folder = image_folder(("infer", "golden"), packages, layers, tmp_path / "built")
    return HandlerImage(folder, "infer")


@pytest.fixture
def task_root(image: HandlerImage, tmp_path: Path) -> Path:
    """Copy what the Dockerfile does to where it does."""
    root = tmp_path / "task"
    for line in (image.folder / "Dockerfile").read_text().splitlines():
        instruction, source, *target = line.split()
        if instruction == "COPY":
            place = target[0].replace("${LAMBDA_TASK_ROOT}", str(root))
            shutil.copytree(image.folder / source, place, dirs_exist_ok=True)
    return root


def test_a_call_is_answered_from_the_image_alone(
    image: HandlerImage, task_root: Path, bundle: Path
) -> None:
    with emulator() as aws, RuntimeApi() as api:
        aws.publish(handler_record("shelf", CODE), bundle)
        key, _ = aws.keys.create("test", ["shelf"])
        settings = {**aws.settings, "LAMBDA_TASK_ROOT": str(task_root), "STAGE": "local"}
        asked = task_event("shelf", '{"inputs": 1}', x_api_key=key, content_type="application/json")
        with running(
            Path(sys.executable), api, task_root, [task_root], settings, entry=image.command
        ):
            answer = api.invoke(asked)
            rows = api.invoke(
                RowBodies("shelf", "1", HandlerCalls([b'{"inputs": 2}', b"{"])).to_event()
            )
    assert answer.kind == "response", answer
    assert json.loads(answer.reply["body"]) == [1], answer.reply
    found = RowAnswers.from_json(rows.reply)
    assert [each.body for each in found.answers] == [b"[2]"], found
    assert found.outcome == "failed", found
