"""``text-classification``: labels of a text, one of many or several at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from serval.errors import InvalidInputs
from serval.short_repr import short_repr
from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.labels import read_labels
from serval.tasks.parameters import Parameters
from serval.tasks.scores import best_first, sigmoid, softmax
from serval.tasks.task import InputKind
from serval.tasks.text.runs import output_name, run_rows
from serval.tasks.text.tokenizer import Text, TextTokenizer

FUNCTIONS = ("softmax", "sigmoid", "none")


@dataclass(frozen=True, slots=True)
class TextClassification:
    """A sequence classifier: logits [batch, classes]."""

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = frozenset({"top_k", "function_to_apply"})
    answers_in_list: ClassVar[bool] = True

    graph: TaskGraph
    tokenizer: TextTokenizer
    labels: Sequence[str]
    function: str
    """What is applied to logits unless a request says otherwise."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "TextClassification":
        """Read tokenizer, labels and ``problem_type``."""
        classes = next(iter(graph.outputs.values())).shape[-1]
        labels = read_labels(files, classes)
        config = files.json("config.json")
        function = "softmax"
        if config.get("problem_type") == "regression":
            function = "none"
        elif config.get("problem_type") == "multi_label_classification" or len(labels) == 1:
            function = "sigmoid"
        return cls(
            graph,
            TextTokenizer.from_files(files, graph),
            labels,
            files.options.get("function_to_apply") or function,
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``[{"label", "score"}, …]`` for each text, best first."""
        count = parameters.integer("top_k", len(self.labels), least=1)
        function = parameters.choice("function_to_apply", self.function, FUNCTIONS)
        encodings = self.tokenizer.encode([as_text(one) for one in inputs])
        name = output_name(self.graph, "logits")
        rows = run_rows(self.graph, self.tokenizer, encodings, [name], of_tokens=False)
        logits = np.stack([row for (row,) in rows])
        scores = {"softmax": softmax, "sigmoid": sigmoid}.get(function, np.asarray)(logits)
        return [
            [
                {"label": self.labels[index], "score": float(row[index])}
                for index in best_first(row, count)
            ]
            for row in scores
        ]


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
