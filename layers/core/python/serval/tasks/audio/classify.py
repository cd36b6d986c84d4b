"""``audio-classification``: labels of a sound."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from serval.tasks.audio.features import SoundFeatures, read_features
from serval.tasks.audio.runs import logits_name, run_alike
from serval.tasks.audio.sound import SoundReader
from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.labels import read_labels
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.scores import best_first, sigmoid, softmax
from serval.tasks.task import InputKind

FUNCTIONS = ("softmax", "sigmoid", "none")
TOP_K = 5


@dataclass(frozen=True, slots=True)
class AudioClassification:
    """A classifier of sounds: logits [batch, classes]."""

    takes: ClassVar[InputKind] = "audio"
    accepts: ClassVar[frozenset[str]] = known_parameters("audio-classification")
    answers_in_list: ClassVar[bool] = False

    graph: TaskGraph
    reader: SoundReader
    features: SoundFeatures
    labels: Sequence[str]
    function: str
    """What is applied to logits unless a request says otherwise."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "AudioClassification":
        """Read preprocessor_config.json, labels and ``problem_type``."""
        features = read_features(files)
        problem = files.json("config.json").get("problem_type")
        function = {"regression": "none", "multi_label_classification": "sigmoid"}
        return cls(
            graph,
            SoundReader.from_files(files, features),
            features,
            read_labels(files, graph.outputs[logits_name(graph)].shape[-1]),
            files.options.get("function_to_apply") or function.get(str(problem), "softmax"),
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``[{"label", "score"}, …]`` for each sound, best first, five unless told."""
        count = parameters.integer("top_k", TOP_K, least=1)
        function = parameters.choice("function_to_apply", self.function, FUNCTIONS)
        sounds = [self.reader.read(body, index) for index, body in enumerate(inputs)]
        prepared = [self.features.extract([sound]) for sound in sounds]
        answers = []
        for logits in run_alike(self.graph, prepared, logits_name(self.graph)):
            scores = {"softmax": softmax, "sigmoid": sigmoid}.get(function, np.asarray)(
                logits.astype(np.float32)
            )
            answers.append(
                [
                    {"label": self.labels[best], "score": float(scores[best])}
                    for best in best_first(scores, count)
                ]
            )
        return answers
