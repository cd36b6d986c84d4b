"""``automatic-speech-recognition`` by an encoder that hears and a decoder that writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from serval.errors import InvalidParameter
from serval.models.tensor import Array
from serval.tasks.audio.features import SoundFeatures, read_features
from serval.tasks.audio.log_mel import LogMelFeatures
from serval.tasks.audio.sound import SoundReader
from serval.tasks.audio.spoken_prompt import SpokenPrompt
from serval.tasks.audio.timestamps import TimeTokens
from serval.tasks.files import TaskFiles
from serval.tasks.generation.encoder_decoder import EncoderDecoder
from serval.tasks.generation.settings import SETTINGS, GenerationSettings
from serval.tasks.generation.wording import Wording
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind
from serval.tasks.text.tokenizer import TextTokenizer

BEAMS = 5
"""How many texts are followed at once unless the bundle says otherwise, as in the paper."""
NEW_TOKENS = 256
SAID = ("language", "return_timestamps")
FRAMES_A_STEP = 2
"""Frames of features for one state of the encoder."""
NESTED = ("generation_parameters", "generate_kwargs")


@dataclass(frozen=True, slots=True)
class WhisperRecognition:
    """Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022).

    Other encoder-decoders over sound are those without languages, tasks and times.
    """

    takes: ClassVar[InputKind] = "audio"
    accepts: ClassVar[frozenset[str]] = SETTINGS | {
        "return_timestamps",
        "language",
        "task",
        *NESTED,
    }
    answers_in_list: ClassVar[bool] = False

    model: EncoderDecoder
    reader: SoundReader
    features: SoundFeatures
    wording: Wording
    prompt: SpokenPrompt
    times: TimeTokens | None
    options: Parameters
    """``language`` and ``return_timestamps`` of model.yaml or the bundle."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "WhisperRecognition":
        """Open encoder and decoder, and read preprocessor_config.json and the tokenizer."""
        features = read_features(files)
        model = EncoderDecoder.from_files(files, graph)
        values = dict(model.defaults.values)
        if "max_length" in values:
            # Of Whisper's texts alone, without the prompt.
            values.setdefault("max_new_tokens", values.pop("max_length"))
        values = {"num_beams": BEAMS, "max_new_tokens": NEW_TOKENS} | values
        said: dict[str, Any] = {name: values[name] for name in SAID if name in values}
        forced = values.get("forced_decoder_ids")
        values["forced_decoder_ids"] = forced or files.json("config.json").get("forced_decoder_ids")
        tokenizer = TextTokenizer.from_files(files).tokenizer
        return cls(
            replace(model, defaults=replace(model.defaults, values=values)),
            SoundReader.from_files(files, features),
            features,
            Wording.from_files(files, tokenizer),
            SpokenPrompt.from_config(values, model.start()),
            _times(values, features, files),
            Parameters({**said, **files.options}),
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``{"text"}`` for each sound, and ``chunks`` if ``return_timestamps`` is true.

        A chunk is ``{"text", "timestamp": [from, to]}`` in seconds. A sound of more than 30
        seconds is heard in parts, each from where the last time of the one before was written.
        ``language`` is found out unless it is given; ``task`` is ``transcribe`` or ``translate``,
        which is to English.
        """
        parameters = _flat(parameters)
        settings = self.model.defaults.settings(parameters)
        times = parameters.flag(
            "return_timestamps", default=self.options.flag("return_timestamps", default=False)
        )
        if times and self.times is None:
            raise InvalidParameter("return_timestamps", True, "false: the model writes no times")
        answers = []
        for index, body in enumerate(inputs):
            written = self._hear(self.reader.read(body, index), parameters, settings, times=times)
            answers.append(self._write(written, times=times))
        return answers

    def _hear(
        self, samples: Array, parameters: Parameters, settings: GenerationSettings, *, times: bool
    ) -> list[int]:
        """Return the tokens of a sound of any length."""
        if not isinstance(self.features, LogMelFeatures):
            prepared = self.features.extract([samples])
            return self._listen(prepared, self.model.encode(prepared), settings, None, times=False)
        heard, length = self.features.hear(samples), self.features.chunk_frames
        # Where a part ends is known by its times alone.
        times = (times or heard.shape[2] > length) and self.times is not None
        found: list[int] = []
        seek, prompt = 0, None
        while seek < heard.shape[2]:
            part = heard[:, :, seek : seek + length]
            frames = part.shape[2]
            prepared = {"input_features": np.pad(part, ((0, 0), (0, 0), (0, length - frames)))}
            encoded = self.model.encode(prepared)
            if prompt is None:
                prompt = self._begin(parameters, encoded, times=times)
            written = self._listen(prepared, encoded, settings, prompt, times=times)
            if self.times:
                written, frames = self.times.cut(written, frames, FRAMES_A_STEP)
            found += written
            seek += max(frames, FRAMES_A_STEP)
        return found

    def _begin(
        self, parameters: Parameters, encoded: Mapping[str, Array], *, times: bool
    ) -> list[int]:
        language = parameters.text("language", self.options.text("language", ""))
        task = parameters.text("task", "")
        tokens = self.prompt.begin(language or None, task or None, times=times)
        if None in tokens:
            start = np.array([[self.prompt.start]], np.int64)
            logits = self.model.decoder.begin(np.ones_like(start), encoded).run(start)
            heard = self.prompt.hear_language(logits[0, -1])
            return [heard if token is None else token for token in tokens]
        return [token for token in tokens if token is not None]

    def _listen(
        self,
        prepared: Mapping[str, Array],
        encoded: Mapping[str, Array],
        settings: GenerationSettings,
        prompt: Sequence[int] | None,
        *,
        times: bool,
    ) -> list[int]:
        rules = (self.times.rule,) if times and self.times else ()
        begun = None if prompt is None else np.array([prompt], np.int64)
        (text,) = self.model.generate(
            prepared, settings, encoded=encoded, prompt=begun, more_rules=rules
        )
        ids = text.ids
        return ids[:-1] if ids and ids[-1] in settings.eos else ids

    def _write(self, written: Sequence[int], *, times: bool) -> dict[str, Any]:
        words = [token for token in written if token not in self.wording.special]
        if self.times is None:
            return {"text": self._decode(words)}
        chunks = list(self.times.chunks(words, self._decode))
        answer: dict[str, Any] = {"text": "".join(chunk["text"] for chunk in chunks)}
        return answer | {"chunks": chunks} if times else answer

    def _decode(self, tokens: Sequence[int]) -> str:
        return self.wording.text(tokens, Parameters())


def _flat(parameters: Parameters) -> Parameters:
    """Put nested parameters of generation beside the others."""
    values = dict(parameters.values)
    for name in NESTED:
        values.pop(name, None)
        values |= parameters.members(name, WhisperRecognition.accepts - set(NESTED))
    if values.get("max_length") is not None:
        values.setdefault("max_new_tokens", values.pop("max_length"))
    return Parameters(values)


def _times(
    values: Mapping[str, Any], features: SoundFeatures, files: TaskFiles
) -> TimeTokens | None:
    none, positions = values.get("no_timestamps_token_id"), files.json("config.json")
    states = positions.get("max_source_positions")
    if not isinstance(features, LogMelFeatures) or type(none) is not int or not states:
        return None
    eos = values.get("eos_token_id")
    return TimeTokens(
        none + 1,
        features.chunk_seconds / states,
        eos if isinstance(eos, int) else none,
        values.get("max_initial_timestamp_index"),
    )
