"""voice: a text becomes a WAV whose tones can be heard out of it again."""

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile

from models.voice import build
from serval.errors import InvalidInputs
from serval.inference.runtimes.onnx import OnnxModel
from serval.models.signature import Signature
from serval.protocol.request import read_request
from serval.rollouts.golden.differences import compare
from serval.rollouts.golden.requests import read_golden
from serval.tasks.task import Media
from tests.unit.example_models.example_api import called_by_the_hub
from tests.unit.example_models.task_examples import TaskExample


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> TaskExample:
    return TaskExample.built("voice", tmp_path_factory.mktemp("voice"))


def spoken(voice: TaskExample, text: str) -> np.ndarray:
    [media] = voice.answer(text)
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


def test_a_text_can_be_heard_out_of_its_sound(voice: TaskExample) -> None:
    assert "".join(map(heard, spoken(voice, "Fly, 2 owls?"))) == "fly, 2 owls?"


def test_what_has_no_tone_is_left_out_or_refused(voice: TaskExample) -> None:
    assert "".join(map(heard, spoken(voice, "a€b"))) == "ab"
    with pytest.raises(InvalidInputs, match="none of the characters"):
        voice.answer("€")


def test_golden_requests_hold_the_type_of_files_and_a_waveform(voice: TaskExample) -> None:
    assert voice.said.startswith("voice: a tone for each of 42 characters, ")
    assert voice.check_golden() == [1, 1, 1]
    model = OnnxModel(voice.folder / "model.onnx", 1769)
    signature = Signature(tuple(model.inputs), tuple(model.outputs))
    *_, line = read_golden("golden.jsonl", (voice.folder / "golden.jsonl").read_bytes())
    assert not line.for_task
    asked = read_request(line.body, line.header_length, signature)
    given = model.run(asked.inputs, signature.outputs)
    assert compare(line.expected, given, None).reasons == ()


def test_building_twice_gives_the_same_bytes(voice: TaskExample, tmp_path: Path) -> None:
    onnx.checker.check_model(onnx.load(voice.folder / "model.onnx"), full_check=True)
    voice.check_again(tmp_path)


def test_the_hubs_client_gets_the_sound(voice: TaskExample, tmp_path: Path) -> None:
    with called_by_the_hub(voice, tmp_path) as client:
        sound = client.text_to_speech("Fly, 2 owls?")
    [media] = voice.answer("Fly, 2 owls?")
    assert sound == media.body
