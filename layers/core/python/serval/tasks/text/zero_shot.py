"""``zero-shot-classification``: labels that the request brings, by a model of inference.

Yin et al., "Benchmarking Zero-shot Text Classification" (2019): a text entails the hypothesis
that it is about a label, or it does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from serval.errors import InvalidInputs, InvalidParameter
from serval.models.tensor import Array
from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.labels import read_labels
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.scores import best_first, softmax
from serval.tasks.task import InputKind
from serval.tasks.text.inputs import check_text
from serval.tasks.text.runs import output_name, run_texts
from serval.tasks.text.tokenizer import TextTokenizer

TEMPLATE = "This example is {}."
HOLE = "{}"


@dataclass(frozen=True, slots=True)
class ZeroShotClassification:
    """A classifier of pairs, premise and hypothesis: logits [batch, classes]."""

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = known_parameters("zero-shot-classification")
    answers_in_list: ClassVar[bool] = False

    graph: TaskGraph
    tokenizer: TextTokenizer
    entailment: int
    """The class of pairs whose hypothesis follows; the last, where no label says so."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "ZeroShotClassification":
        """Read tokenizer and labels, of which one begins with ``entail``."""
        labels = read_labels(files, graph.outputs[output_name(graph, "logits")].shape[-1])
        found = (n for n, label in enumerate(labels) if label.lower().startswith("entail"))
        return cls(graph, TextTokenizer.from_files(files, graph), next(found, len(labels) - 1))

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``[{"label", "score"}, …]`` for each text, best first.

        Scores of a text's labels sum to 1, unless ``multi_label`` has each judged by itself.
        """
        labels = read_candidates(parameters)
        template = parameters.text("hypothesis_template", TEMPLATE)
        if HOLE not in template:
            raise InvalidParameter("hypothesis_template", template, "a text with {} for the label")
        hypotheses = [template.replace(HOLE, label) for label in labels]
        pairs = [
            (_premise(index, one), hypothesis)
            for index, one in enumerate(inputs)
            for hypothesis in hypotheses
        ]
        names = [f"input {number // len(labels)}" for number in range(len(pairs))]
        logits = self._logits(pairs, names).reshape(len(inputs), len(labels), -1)
        if parameters.flag("multi_label", default=False) or len(labels) == 1:
            contradiction = -1 if self.entailment == 0 else 0
            scores = softmax(logits[..., [contradiction, self.entailment]])[..., 1]
        else:
            scores = softmax(logits[..., self.entailment])
        return [
            [
                {"label": labels[index], "score": float(row[index])}
                for index in best_first(row, len(labels))
            ]
            for row in scores
        ]

    def _logits(self, pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> Array:
        encodings = self.tokenizer.encode(pairs, shorten="only_first", names=names)
        name = output_name(self.graph, "logits")
        return run_texts(self.graph, self.tokenizer, encodings, name)


def read_candidates(parameters: Parameters) -> list[str]:
    """Return ``candidate_labels``: a list, or a string with commas between them.

    Raises
    ------
    InvalidParameter
        If there are none.
    """
    given = parameters.get("candidate_labels")
    labels = given.split(",") if isinstance(given, str) else parameters.texts("candidate_labels")
    if isinstance(given, str):
        labels = [label.strip() for label in labels if label.strip()]
    if not labels:
        raise InvalidParameter("candidate_labels", given, "a list of at least one label")
    return labels


def _premise(index: int, value: Any) -> str:
    text = check_text(index, value)
    if not text:
        raise InvalidInputs(f"input {index}: the text is empty")
    return text
