"""Text to speech: what is spoken, and what is refused."""

import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from serval.errors import InvalidInputs, InvalidParameter
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.tasks.audio.speak import TextToSpeech
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from tests.tasks.harness import RECORDED, open_case, open_folder

LONG = "The film was long, but I loved every minute of it."
WAVE = TensorSpec("wave", "FP32", (1, -1))
STRINGS = TensorSpec("text", "BYTES", (1,))
IDS = TensorSpec("tokens", "INT64", (1, -1))


def speaker(
    folder: Path, spec: TensorSpec = STRINGS, wave: object = (0.5, -2.0), **options: Any
) -> tuple[TextToSpeech, list[Any]]:
    """Make a task whose graph always says the same, and the list of what it was given."""
    given: list[Any] = []

    def run(tensors: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        given.append(tensors[0].array.tolist())
        return [Tensor(WAVE.name, "FP32", np.asarray([wave], np.float32))]

    graph = TaskGraph({spec.name: spec}, {WAVE.name: WAVE}, run)
    files = TaskFiles(folder, lambda _: graph, options)
    return TextToSpeech.from_files(files, graph), given


def characters(folder: Path, **settings: Any) -> None:
    (folder / "vocab.json").write_text(json.dumps({"_": 0, "a": 1, "b": 2, " ": 3}))
    config = {"phonemize": False, "pad_token": "_"} | settings
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def test_a_graph_of_strings_speaks_them(tmp_path: Path) -> None:
    task, given = speaker(tmp_path, sampling_rate=22_050)
    (said,) = task.answer(["hello"], Parameters())
    assert given == [[b"hello"]]
    assert said.content_type == "audio/wav"
    samples, rate_hz = soundfile.read(io.BytesIO(said.body), dtype="int16")
    assert (samples.tolist(), rate_hz) == ([16384, -32767], 22_050)
    assert soundfile.info(io.BytesIO(said.body)).subtype == "PCM_16"


def test_flac_is_made_where_it_is_wanted(tmp_path: Path) -> None:
    task, _ = speaker(tmp_path, sampling_rate=8_000)
    (said,) = task.answer(["hello"], Parameters({"format": "flac"}))
    assert said.content_type == "audio/flac"
    assert soundfile.info(io.BytesIO(said.body)).format == "FLAC"


def test_a_model_without_a_sampling_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskUnreadable, match=r"neither model.yaml's 'task: {sampling_rate: …}'"):
        speaker(tmp_path)


def test_a_graph_without_a_waveform_is_refused(tmp_path: Path) -> None:
    graph = TaskGraph({"text": STRINGS}, {"tokens": IDS}, lambda tensors, _: list(tensors))
    with pytest.raises(TaskUnreadable, match=r"no waveform: .* tokens INT64 found"):
        TextToSpeech.from_files(TaskFiles(tmp_path, lambda _: graph), graph)


@pytest.mark.parametrize("text", ["", "  ", 7, None, {"text": "a"}])
def test_what_is_no_text_is_refused(tmp_path: Path, text: object) -> None:
    task, _ = speaker(tmp_path, sampling_rate=8_000)
    with pytest.raises(InvalidInputs, match=r"input 1: .* given, a text to speak expected"):
        task.answer(["a", text], Parameters())


@pytest.mark.parametrize("wave", [[], [0.0, float("nan")]])
def test_a_waveform_that_is_none_is_an_error(tmp_path: Path, wave: object) -> None:
    task, _ = speaker(tmp_path, wave=wave, sampling_rate=8_000)
    with pytest.raises(InvalidInputs, match="input 0: 'a' given, of which the model made no sound"):
        task.answer(["a"], Parameters())


@pytest.mark.parametrize("bad", [{"format": "mp3"}, {"speaker_id": 1}])
def test_other_formats_and_voices_are_refused(tmp_path: Path, bad: dict[str, Any]) -> None:
    task, _ = speaker(tmp_path, sampling_rate=8_000)
    with pytest.raises(InvalidParameter):
        task.answer(["a"], Parameters(bad))


@pytest.mark.parametrize("shape", [(2, 5), (0, 6), (1, 2, 6)])
def test_voices_that_do_not_fit_the_decoder_are_refused(tmp_path: Path, shape: Any) -> None:
    folder = shutil.copytree(RECORDED / "speak-frames" / "bundle", tmp_path / "bundle")
    np.save(folder / "speaker.npy", np.zeros(shape, np.float32))
    with pytest.raises(TaskUnreadable, match=r"speaker.npy: shape .*, \[voices, 6\] expected"):
        open_folder(folder)
    (folder / "speaker.npy").unlink()
    with pytest.raises(TaskUnreadable, match=r"no speaker.npy, with the voices, floats"):
        open_folder(folder)


@pytest.mark.parametrize(
    ("save", "why"),
    [
        (np.savez, "the magic string is not correct"),
        (lambda path, _: np.save(path, ["deep"]), "Cannot cast array data from .*U4"),
    ],
)
def test_a_file_that_holds_no_voices_is_refused(tmp_path: Path, save: Any, why: str) -> None:
    folder = shutil.copytree(RECORDED / "speak-frames" / "bundle", tmp_path / "bundle")
    with (folder / "speaker.npy").open("wb") as file:
        save(file, np.zeros((2, 6), np.float32))
    with pytest.raises(TaskUnreadable, match=f"speaker.npy: {why}"):
        open_folder(folder)


@pytest.mark.parametrize(
    ("case", "name"), [("speak-frames", "reduction_factor"), ("speak-voices", "num_speakers")]
)
def test_a_count_that_is_none_is_refused(tmp_path: Path, case: str, name: str) -> None:
    folder = shutil.copytree(RECORDED / case / "bundle", tmp_path / "bundle")
    config = json.loads((folder / "config.json").read_text()) | {name: "many"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(TaskUnreadable, match=r"config.json: .*'many'"):
        open_folder(folder)


def test_speech_ends_where_the_decoder_has_no_more_positions() -> None:
    (said,) = open_case("speak-frames").answer([LONG], Parameters())
    frames = 2 * 100
    assert soundfile.info(io.BytesIO(said.body)).frames == frames * 16


def test_characters_have_blanks_around_them(tmp_path: Path) -> None:
    characters(tmp_path)
    task, given = speaker(tmp_path, IDS, sampling_rate=8_000)
    task.answer(["A b?"], Parameters())
    assert given == [[[0, 1, 0, 3, 0, 2, 0]]]


def test_a_text_of_unknown_characters_is_refused(tmp_path: Path) -> None:
    characters(tmp_path)
    task, _ = speaker(tmp_path, IDS, sampling_rate=8_000)
    with pytest.raises(InvalidInputs, match=r"input 0: '\?!' given, which has none of the char"):
        task.answer(["?!"], Parameters())


def test_a_model_of_romanised_text_refuses_other_scripts(tmp_path: Path) -> None:
    characters(tmp_path, is_uroman=True)
    task, _ = speaker(tmp_path, IDS, sampling_rate=8_000)
    with pytest.raises(InvalidInputs, match="a text in Latin letters expected"):
        task.answer(["привет"], Parameters())


def test_a_model_of_phonemes_is_refused(tmp_path: Path) -> None:
    characters(tmp_path, phonemize=True)
    with pytest.raises(TaskUnreadable, match="takes phonemes, which Serval does not make"):
        speaker(tmp_path, IDS, sampling_rate=8_000)


def test_a_table_without_numbers_is_refused(tmp_path: Path) -> None:
    characters(tmp_path)
    (tmp_path / "vocab.json").write_text('{"a": "1"}')
    with pytest.raises(TaskUnreadable, match=r"vocab.json: a number for each character expected"):
        speaker(tmp_path, IDS, sampling_rate=8_000)
