"""``text-to-speech``: a text becomes a sound file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar

import numpy as np
import soundfile

from serval.errors import InvalidInputs
from serval.foreign import refusing
from serval.models.signature import TensorSpec
from serval.models.tensor import Array
from serval.short_repr import short_repr
from serval.tasks.audio.characters import CharacterTokenizer
from serval.tasks.audio.frames import READ, FrameSpeaker
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind, Media
from serval.tasks.text.tokenizer import TOKENIZER, TextTokenizer

FORMATS = ("wav", "flac")
LOUDEST = 32767
Prepare = Callable[[str, int], dict[str, Array]]
"""Makes a graph's inputs from a text and its index in the request."""
Speak = Callable[[str, int, int], Array]
"""Makes a waveform [n] from a text, its index in the request, and a voice."""


@dataclass(frozen=True, slots=True)
class TextToSpeech:
    """A model of speech.

    It is a graph from tokens, or from text itself, to a waveform [batch, n], or several that make
    it frame by frame. VITS is of the first kind: Kim et al., "Conditional Variational Autoencoder
    with Adversarial Learning for End-to-End Text-to-Speech" (2021).
    """

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = known_parameters("text-to-speech")
    answers_in_list: ClassVar[bool] = False

    speak: Speak
    rate_hz: int
    speakers: int

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "TextToSpeech":
        """Read the tokenizer and the sampling rate.

        The rate is ``sampling_rate`` of model.yaml's ``task:``, else of config.json or
        preprocessor_config.json.

        Raises
        ------
        TaskUnreadable
            If the bundle lacks them, or the graph has no waveform.
        """
        config = files.json("config.json")
        if READ in (*graph.inputs, *graph.outputs):
            frames = FrameSpeaker.from_files(files, graph)
            speakers = len(frames.voices)
            speak: Speak = frames.speak
        else:
            speak = _speaking(files, graph)
            with refusing(lambda said: TaskUnreadable(f"config.json: num_speakers: {said}")):
                speakers = int(config.get("num_speakers") or 1)
        told = {**files.json("preprocessor_config.json"), **config}
        return cls(speak, _rate(files.options.get("sampling_rate"), told), speakers)

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return a file for each text: ``audio/wav``, or ``audio/flac`` if ``format`` says so.

        Samples are 16-bit integers. ``speaker_id`` chooses one of a model's voices.
        """
        form = parameters.choice("format", "wav", FORMATS)
        speaker = parameters.integer("speaker_id", 0, most=self.speakers - 1)
        answers = []
        for index, text in enumerate(inputs):
            check_speakable(text, index)
            samples = self.speak(text, index, speaker)
            answers.append(write_speech(text, index, samples, self.rate_hz, form))
        return answers


def check_speakable(text: Any, index: int) -> None:
    """Refuse an input that is no text to speak, with ``InvalidInputs``."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidInputs(f"input {index}: {short_repr(text)} given, a text to speak expected")


def write_speech(text: str, index: int, samples: Array, rate_hz: int, form: str) -> Media:
    """Write what a text became, samples [n], as a file; raise ``InvalidInputs`` if it is none."""
    if not samples.size or not np.isfinite(samples).all():
        raise InvalidInputs(
            f"input {index}: {short_repr(text)} given, of which the model made no sound"
        )
    return write_sound(samples, rate_hz, form)


def write_sound(samples: Array, rate_hz: int, form: str) -> Media:
    """Write samples [n] from -1 to 1 as a file of 16-bit integers; louder ones are clipped."""
    whole = np.rint(np.clip(samples, -1.0, 1.0) * LOUDEST).astype(np.int16)
    file = BytesIO()
    soundfile.write(file, whole, rate_hz, format=form.upper(), subtype="PCM_16")
    return Media(file.getvalue(), f"audio/{form}")


def _speaking(files: TaskFiles, graph: TaskGraph) -> Speak:
    """Return what one graph says."""
    prepare, waveform = _preparation(files, graph), _waveform(graph)

    def speak(text: str, index: int, speaker: int) -> Array:
        arrays = prepare(text, index) | {"speaker_id": np.asarray([speaker], np.int64)}
        return graph.run(arrays, [waveform])[waveform].reshape(-1)

    return speak


def _preparation(files: TaskFiles, graph: TaskGraph) -> Prepare:
    spoken = next(iter(graph.inputs.values()))
    if spoken.datatype == "BYTES":
        return lambda text, _: {spoken.name: _as_strings(text, spoken)}
    ids = "input_ids" if "input_ids" in graph.inputs else spoken.name
    if not files.has(TOKENIZER):
        characters = CharacterTokenizer.from_files(files)
        return lambda text, index: _with_ids(characters.encode(text, index), ids)
    tokenizer = TextTokenizer.from_files(files)
    return lambda text, _: _with_ids(tokenizer.pad(tokenizer.encode([text])), ids)


def _as_strings(text: str, spec: TensorSpec) -> Array:
    return np.full((1,) * len(spec.shape), text.encode(), object)


def _with_ids(arrays: dict[str, Array], name: str) -> dict[str, Array]:
    return arrays | {name: arrays["input_ids"]}


def _waveform(graph: TaskGraph) -> str:
    sounds = [name for name, spec in graph.outputs.items() if spec.datatype.startswith("FP")]
    for name in ("waveform", *sounds):
        if name in sounds:
            return name
    found = ", ".join(f"{spec.name} {spec.datatype}" for spec in graph.outputs.values())
    raise TaskUnreadable(
        f"the graph has no waveform: floating-point output expected, {found} found"
    )


def _rate(option: Any, config: dict[str, Any]) -> int:
    rate = option or config.get("sampling_rate") or config.get("sample_rate")
    if type(rate) is not int or rate < 1:
        raise TaskUnreadable(
            "neither model.yaml's 'task: {sampling_rate: …}' nor config.json nor "
            "preprocessor_config.json says how many samples "
            f"a second of the waveform has: {short_repr(rate)} found, an integer expected"
        )
    return rate
