"""``automatic-speech-recognition`` by a graph that labels each frame of a sound with a letter."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from serval.models.tensor import Array
from serval.tasks.audio.chunks import ChunkPlan, SoundChunk
from serval.tasks.audio.ctc import CtcVocabulary, Spoken
from serval.tasks.audio.features import SoundFeatures, read_features
from serval.tasks.audio.runs import logits_name, run_alike
from serval.tasks.audio.sound import SoundReader
from serval.tasks.audio.whisper import WhisperRecognition
from serval.tasks.files import TaskFiles
from serval.tasks.generation.encoder_decoder import DECODER, HIDDEN, MERGED
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind

SPANS = ("char", "word")
DECODER_INPUTS = {"decoder_input_ids", HIDDEN}


@dataclass(frozen=True, slots=True)
class SpeechRecognition:
    """A recogniser of letters: logits [batch, frames, letters], one letter being the blank.

    Baevski et al., "wav2vec 2.0" (2020), section 3.2.
    """

    takes: ClassVar[InputKind] = "audio"
    accepts: ClassVar[frozenset[str]] = frozenset(
        {"return_timestamps", "chunk_length_s", "stride_length_s"}
    )
    answers_in_list: ClassVar[bool] = False

    files: TaskFiles
    graph: TaskGraph
    reader: SoundReader
    features: SoundFeatures
    vocabulary: CtcVocabulary
    samples_per_frame: int

    @classmethod
    def from_files(
        cls, files: TaskFiles, graph: TaskGraph
    ) -> "SpeechRecognition | WhisperRecognition":
        """Read preprocessor_config.json, vocab.json and config.json.

        A model with a decoder, which writes its text token by token, is a ``WhisperRecognition``.
        """
        if graph.inputs.keys() & DECODER_INPUTS or any(map(files.has, (DECODER, MERGED))):
            return WhisperRecognition.from_files(files, graph)
        features, vocabulary = read_features(files), CtcVocabulary.from_files(files)
        return cls(
            files,
            graph,
            SoundReader.from_files(files, features),
            features,
            vocabulary,
            prod(files.json("config.json").get("conv_stride") or [1]),
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``{"text"}`` for each sound.

        With ``return_timestamps`` of ``char`` or ``word`` there are ``chunks`` of
        ``{"text", "timestamp": [from, to]}`` in seconds too. A sound longer than
        ``chunk_length_s`` is heard in overlapping chunks.
        """
        spans = None
        if parameters.get("return_timestamps"):
            spans = parameters.choice("return_timestamps", "word", SPANS)
        plan = ChunkPlan.from_request(
            parameters, self.files, self.reader.rate_hz, self.samples_per_frame
        )
        cut = []
        for index, body in enumerate(inputs):
            samples = self.reader.read(body, index)
            cut.append(list(plan.cut(samples)) if plan else [SoundChunk(samples, 0, 0)])
        labels = iter(self._label([chunk for chunks in cut for chunk in chunks], plan))
        return [
            self._write([label for _ in chunks for label in next(labels)], spans) for chunks in cut
        ]

    def _label(self, chunks: Sequence[SoundChunk], plan: ChunkPlan | None) -> list[list[int]]:
        prepared = [self.features.extract([chunk.samples]) for chunk in chunks]
        rows = run_alike(self.graph, prepared, logits_name(self.graph))
        found: list[Array] = [row.argmax(axis=-1) for row in rows]
        if plan:
            found = [
                labels[chunk.kept_frames(1 / self.samples_per_frame)]
                for chunk, labels in zip(chunks, found, strict=True)
            ]
        return [labels.tolist() for labels in found]

    def _write(self, labels: Sequence[int], spans: str | None) -> dict[str, Any]:
        letters = self.vocabulary.spell(labels)
        answer: dict[str, Any] = {"text": self.vocabulary.text(letters)}
        if spans:
            spoken = letters if spans == "char" else self.vocabulary.words(letters)
            answer["chunks"] = [
                {"text": one.text, "timestamp": self._seconds(one)} for one in spoken
            ]
        return answer

    def _seconds(self, spoken: Spoken) -> list[float]:
        frame = self.samples_per_frame
        return [end * frame / self.reader.rate_hz for end in (spoken.start, spoken.end)]
