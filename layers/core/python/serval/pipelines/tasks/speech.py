"""A pipeline as a model of speech: its output is a waveform, its answer a sound file of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from serval.errors import InvalidInputs
from serval.models.signature import TensorSpec
from serval.models.task_signature import ANSWERS
from serval.models.tensor import Tensor
from serval.pipelines.tasks.pipeline_task import input_tensors
from serval.tasks.audio.speak import FORMATS, check_speakable, write_speech
from serval.tasks.parameter_rules import check_parameters, known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind, Media
from serval.tasks.tensors import read_call, write_answer_tensors

SPEECH = "text-to-speech"
FILES_ALONE = "several texts given, one expected: ask for the output 'answers', a file for each"


@dataclass(frozen=True, slots=True)
class PipelineSpeech:
    """Speech whose waveform is the output of a pipeline's run."""

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = known_parameters(SPEECH)
    answers_in_list: ClassVar[bool] = False

    rate_hz: int
    ask: Callable[[Sequence[Sequence[Tensor]]], list[Tensor]]
    """Runs the pipeline on the tensors of each text; returns the waveform of each."""

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return a file for each text."""
        return self._write(inputs, parameters, self._speak(inputs, parameters))

    def run(self, tensors: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Return the waveform of one text, the files of several, or whichever is wanted.

        Raises
        ------
        InvalidRequest
            If an input or a parameter is wrong, or the waveform of several texts is wanted.
        """
        texts, parameters = read_call(self, tensors)
        if len(texts) > 1 and any(spec.name != ANSWERS for spec in outputs):
            raise InvalidInputs(FILES_ALONE)
        return self.choose(texts, parameters, self._speak(texts, parameters), outputs)

    def choose(
        self,
        texts: Sequence[Any],
        parameters: Parameters,
        waves: Sequence[Tensor],
        outputs: Sequence[TensorSpec],
    ) -> list[Tensor]:
        """Return the wanted outputs for waveforms that a run has given."""
        return [
            waves[0]
            if spec.name != ANSWERS
            else write_answer_tensors(self._write(texts, parameters, waves))[0]
            for spec in outputs
        ]

    def _speak(self, texts: Sequence[Any], parameters: Parameters) -> list[Tensor]:
        check_parameters(SPEECH, parameters)
        for index, text in enumerate(texts):
            check_speakable(text, index)
        return self.ask(input_tensors(self.takes, texts, parameters))

    def _write(
        self, texts: Sequence[Any], parameters: Parameters, waves: Sequence[Tensor]
    ) -> list[Media]:
        form = parameters.choice("format", FORMATS[0], FORMATS)
        return [
            write_speech(text, index, wave.array.reshape(-1), self.rate_hz, form)
            for index, (text, wave) in enumerate(zip(texts, waves, strict=True))
        ]
