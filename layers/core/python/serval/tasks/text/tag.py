"""``token-classification``: what parts of a text are, such as names of people and places."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import tokenizers

from serval.errors import InvalidParameter
from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.labels import read_labels
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.scores import softmax
from serval.tasks.task import InputKind
from serval.tasks.text.entities import STRATEGIES, Entity, EntityReader, drop_overlaps
from serval.tasks.text.inputs import check_text
from serval.tasks.text.runs import output_name, run_rows
from serval.tasks.text.tokenizer import TextTokenizer

OUTSIDE = ("O",)
"""The label of what is nothing, which answers leave out."""


@dataclass(frozen=True, slots=True)
class TokenClassification:
    """A token classifier: logits [batch, tokens, classes]."""

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = known_parameters("token-classification")
    answers_in_list: ClassVar[bool] = False

    graph: TaskGraph
    tokenizer: TextTokenizer
    reader: EntityReader
    strategy: str
    """How tokens become entities unless a request says otherwise."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "TokenClassification":
        """Read tokenizer and labels."""
        classes = graph.outputs[output_name(graph, "logits")].shape[-1]
        tokenizer = TextTokenizer.from_files(files, graph)
        return cls(
            graph,
            tokenizer,
            EntityReader(tokenizer, read_labels(files, classes)),
            files.options.get("aggregation_strategy") or "none",
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return the entities of each text, in their order.

        They are ``{"entity", "score", "index", "word", "start", "end"}`` for each token with the
        strategy ``none``; with the others, which join tokens, ``{"entity_group", "score", "word",
        "start", "end"}``. Offsets count characters.
        """
        strategy = parameters.choice("aggregation_strategy", self.strategy, STRATEGIES)
        ignored = (
            OUTSIDE
            if parameters.get("ignore_labels") is None
            else parameters.texts("ignore_labels")
        )
        texts = [check_text(index, one) for index, one in enumerate(inputs)]
        windows = self._encode(texts, strategy, parameters)
        flat = [window for ones in windows for window in ones]
        logits = run_rows(self.graph, self.tokenizer, flat, [output_name(self.graph, "logits")])
        answers = []
        for text, ones in zip(texts, windows, strict=True):
            found: list[Entity] = []
            for window in ones:
                (scores,) = next(logits)
                found += [
                    entity
                    for entity in self.reader.read(text, window, softmax(scores), strategy)
                    if entity.label not in ignored
                ]
            found = drop_overlaps(found) if len(ones) > 1 else found
            answers.append([entity.to_json() for entity in found])
        return answers

    def _encode(
        self, texts: Sequence[str], strategy: str, parameters: Parameters
    ) -> list[list[tokenizers.Encoding]]:
        """Tokenise each text, as windows if there is a ``stride``."""
        length = self.tokenizer.max_length
        if parameters.get("stride") is None or length is None:
            return [[encoding] for encoding in self.tokenizer.encode(texts)]
        room = length - self.tokenizer.tokenizer.num_special_tokens_to_add(False)
        stride = parameters.integer("stride", 0, most=room - 1)
        if strategy == "none":
            joining = ", ".join(STRATEGIES[1:])
            raise InvalidParameter(
                "stride",
                stride,
                f"with it, an 'aggregation_strategy' that joins tokens ({joining})",
            )
        return [self.tokenizer.windows(text, length, stride) for text in texts]
