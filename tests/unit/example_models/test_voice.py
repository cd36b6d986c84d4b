"""voice: a text becomes a WAV whose tones can be heard out of it again."""

import io
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile

from models.voice import build
from serval.bundles.bundle import read_bundle
from serval.errors import InvalidInputs
from serval.inference.runtimes.onnx import OnnxModel
from serval.models.signature import Signature
from serval.protocol.request import read_request
from serval.rollouts.golden.differences import compare
from serval.rollouts.golden.requests import read_golden
from serval.tasks.parameters import Parameters
from serval.tasks.payload import read_payload
from serval.tasks.task import Media, Task
from serval_cli.bundle.task_golden import open_bundle_task

SOURCE = Path(build.__file__).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("voice")
    said = build.build(built)
    assert said.startswith("voice: a tone for each of 42 characters, ")
    for name in ("vocab.json", "tokenizer_config.json"):
        shutil.copy(SOURCE / name, built)
    return built


@pytest.fixture(scope="module")
def task(folder: Path) -> Task:
    bundle = read_bundle((SOURCE / "model.yaml").read_bytes())
    section = bundle.model_dump(mode="json", exclude_none=True)["task"]
    return open_bundle_task(folder, "model.onnx", section)


def spoken(task: Task, text: str) -> np.ndarray:
    [media] = task.answer([text], Parameters())
    assert isinstance(media, Media)
    assert media.content_type == "audio/wav"
    samples, rate = soundfile.read(io.BytesIO(media.body))
    assert rate == build.RATE_HZ
    return samples.reshape(-1, build.SAMPLES)


def heard(samples: np.ndarray) -> str:
    """Find the character of each tone by its loudest frequency."""
    if np.abs(samples).max() < 0.01:
        return " "
    found = np.abs(np.fft.rfft(samples, 64 * build.SAMPLES)).argmax() / 64 / build.SAMPLES
    nearest = int(np.abs(build.tones() - found * build.RATE_HZ).argmin())
    return list(build.VOCABULARY)[nearest]


def test_a_text_can_be_heard_out_of_its_sound(task: Task) -> None:
    assert "".join(map(heard, spoken(task, "Fly, 2 owls?"))) == "fly, 2 owls?"


def test_what_has_no_tone_is_left_out_or_refused(task: Task) -> None:
    assert "".join(map(heard, spoken(task, "a€b"))) == "ab"
    with pytest.raises(InvalidInputs, match="none of the characters"):
        task.answer(["€"], Parameters())


def test_golden_requests_hold_the_type_of_files_and_a_waveform(folder: Path, task: Task) -> None:
    model = OnnxModel(folder / "model.onnx", 1769)
    signature = Signature(tuple(model.inputs), tuple(model.outputs))
    lines = read_golden("golden.jsonl", (folder / "golden.jsonl").read_bytes())
    assert [line.for_task for line in lines] == [True, True, True, False]
    for line in lines[:3]:
        [media] = task.answer(
            read_payload(line.body, "application/json", task).inputs, Parameters()
        )
        assert {"content_type": media.content_type} == line.answer
    asked = read_request(lines[3].body, lines[3].header_length, signature)
    given = model.run(asked.inputs, signature.outputs)
    assert compare(lines[3].expected, given, None).reasons == ()


def test_building_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    build.build(tmp_path)
    onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"), full_check=True)
    for name in ("model.onnx", "golden.jsonl"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
