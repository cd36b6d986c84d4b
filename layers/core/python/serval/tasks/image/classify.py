"""``image-classification``: the best labels of an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.image.prepare import ImagePreparation
from serval.tasks.labels import read_labels
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.scores import best_first, sigmoid, softmax
from serval.tasks.task import InputKind

FUNCTIONS = ("softmax", "sigmoid", "none")
TOP = 5
"""Labels in an answer, unless a request asks for another number."""


@dataclass(frozen=True, slots=True)
class ImageClassification:
    """A classifier of images: logits [batch, classes].

    ``function_to_apply: none`` under ``task:`` is for graphs that end in a softmax of their own,
    as Keras' applications do.
    """

    takes: ClassVar[InputKind] = "image"
    accepts: ClassVar[frozenset[str]] = known_parameters("image-classification")
    answers_in_list: ClassVar[bool] = False

    graph: TaskGraph
    preparation: ImagePreparation
    output: str
    labels: Sequence[str]
    function: str
    """What is applied to logits unless a request says otherwise."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "ImageClassification":
        """Read preprocessor, labels and ``problem_type``."""
        output = graph.outputs.get("logits") or next(iter(graph.outputs.values()))
        labels = read_labels(files, output.shape[-1])
        problem = files.json("config.json").get("problem_type")
        function = "softmax"
        if problem == "regression":
            function = "none"
        elif problem == "multi_label_classification" or len(labels) == 1:
            function = "sigmoid"
        return cls(
            graph,
            ImagePreparation.from_files(files, graph),
            output.name,
            labels,
            files.options.get("function_to_apply") or function,
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``[{"label", "score"}, …]`` for each image, best first."""
        count = parameters.integer("top_k", TOP, least=1)
        function = parameters.choice("function_to_apply", self.function, FUNCTIONS)
        score = {"softmax": softmax, "sigmoid": sigmoid}.get(function, np.asarray)
        answers = []
        for _, outputs in self.preparation.run(self.graph, inputs, outputs=[self.output]):
            row = score(outputs[self.output].astype(np.float32))
            best = best_first(row, count)
            answers.append(
                [{"label": self.labels[index], "score": float(row[index])} for index in best]
            )
        return answers
