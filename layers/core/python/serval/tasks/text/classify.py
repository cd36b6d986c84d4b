"""``text-classification``: labels of a text, one of many or several at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from serval.errors import InvalidInputs
from serval.models.signature import TensorSpec
from serval.models.tensor import Array
from serval.short_repr import short_repr
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.labels import read_labels
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.scores import best_first, sigmoid, softmax
from serval.tasks.task import InputKind
from serval.tasks.text.raw_text import fill_text_input, find_text_input
from serval.tasks.text.runs import run_texts
from serval.tasks.text.tokenizer import Text, TextTokenizer

FUNCTIONS = ("softmax", "sigmoid", "none")
LOGITS = "logits"
FLOATS = ("FP16", "FP32", "FP64")


@dataclass(frozen=True, slots=True)
class TextClassification:
    """A classifier of texts: logits or probabilities [batch, classes]."""

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = known_parameters("text-classification")
    answers_in_list: ClassVar[bool] = True

    graph: TaskGraph
    reader: TextTokenizer | TensorSpec
    """What makes tokens of texts; or the input of a graph that takes texts as they are."""
    scores: str
    """The output of the graph that is read."""
    labels: Sequence[str]
    function: str
    """What is applied to the scores unless a request says otherwise."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "TextClassification":
        """Read tokenizer, labels and ``problem_type``.

        A graph that takes texts as they are needs no tokenizer, and its scores count as they are
        unless they are called logits.

        Raises
        ------
        TaskUnreadable
            If the graph has no scores, or there is no tokenizer for it.
        """
        scores = _find_scores(graph)
        labels = read_labels(files, scores.shape[-1])
        config = files.json("config.json")
        reader = find_text_input(graph) or TextTokenizer.from_files(files, graph)
        as_they_are = isinstance(reader, TensorSpec) and scores.name != LOGITS
        function = "softmax"
        if as_they_are or config.get("problem_type") == "regression":
            function = "none"
        elif config.get("problem_type") == "multi_label_classification" or len(labels) == 1:
            function = "sigmoid"
        return cls(
            graph,
            reader,
            scores.name,
            labels,
            files.options.get("function_to_apply") or function,
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``[{"label", "score"}, …]`` for each text, best first."""
        count = parameters.integer("top_k", len(self.labels), least=1)
        function = parameters.choice("function_to_apply", self.function, FUNCTIONS)
        applied = {"softmax": softmax, "sigmoid": sigmoid}.get(function, np.asarray)
        return [
            [
                {"label": self.labels[index], "score": float(row[index])}
                for index in best_first(row, count)
            ]
            for row in applied(self._run([as_text(one) for one in inputs]))
        ]

    def _run(self, texts: Sequence[Text]) -> Array:
        if isinstance(self.reader, TensorSpec):
            found = self.graph.run(fill_text_input(self.reader, texts), [self.scores])
            return found[self.scores].astype(np.float32)
        encodings = self.reader.encode(texts)
        return run_texts(self.graph, self.reader, encodings, self.scores)


def _find_scores(graph: TaskGraph) -> TensorSpec:
    if LOGITS in graph.outputs:
        return graph.outputs[LOGITS]
    for spec in graph.outputs.values():
        if spec.datatype in FLOATS:
            return spec
    raise TaskUnreadable(
        f"the graph has no scores of classes, FP32 [batch, classes], but {', '.join(graph.outputs)}"
    )


def as_text(value: Any) -> Text:
    """Check one input: a string, or ``{"text", "text_pair"}``.

    Raises
    ------
    InvalidInputs
        If it is neither.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        pair = value.get("text_pair")
        if pair is None:
            return str(value["text"])
        if isinstance(pair, str):
            return value["text"], pair
    raise InvalidInputs(f"{short_repr(value)} given, a text expected")
