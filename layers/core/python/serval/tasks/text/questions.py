"""``question-answering``: the part of a context that answers a question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import tokenizers

from serval.errors import InvalidInputs
from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind
from serval.tasks.text.inputs import QUESTION, check_member
from serval.tasks.text.runs import output_name, run_rows
from serval.tasks.text.spans import best_spans
from serval.tasks.text.tokenizer import UNLIMITED, Shorten, TextTokenizer

LENGTH, STRIDE = 384, 128
"""Tokens of a window, and those that it shares with the next, as the original has them."""
ANSWER = 15
"""The most tokens of an answer."""


@dataclass(frozen=True, slots=True)
class QuestionAnswering:
    """A model of spans: start and end logits, each [batch, tokens]."""

    takes: ClassVar[InputKind] = "arguments"
    accepts: ClassVar[frozenset[str]] = known_parameters("question-answering")
    answers_in_list: ClassVar[bool] = False

    graph: TaskGraph
    tokenizer: TextTokenizer

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "QuestionAnswering":
        """Read the tokenizer."""
        return cls(graph, TextTokenizer.from_files(files, graph))

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``{"answer", "score", "start", "end"}`` for each question with its context.

        Offsets count the context's characters. With a ``top_k`` above 1 it is a list, best first.
        A context longer than the model takes is read in windows that share ``doc_stride`` tokens.
        An answer that there is none, if it is allowed, is an empty text.
        """
        reading = ContextReading.from_parameters(parameters, self.tokenizer.max_length)
        asked = [self._windows(index, one, reading) for index, one in enumerate(inputs)]
        names = [
            output_name(self.graph, "start_logits"),
            output_name(self.graph, "end_logits", position=1),
        ]
        flat = [window for windows in asked for window in windows]
        rows = run_rows(self.graph, self.tokenizer, flat, names)
        answers: list[Any] = []
        for one, windows in zip(inputs, asked, strict=True):
            found = FoundAnswers(one["context"])
            for window in windows:
                start, end = next(rows)
                self._read(window, start, end, reading, found)
            answers.append(found.best(reading))
        return answers

    @property
    def _side(self) -> int:
        """Which text of the pair is the context."""
        return 0 if self.tokenizer.pad_left else 1

    def _windows(
        self, index: int, value: Any, reading: "ContextReading"
    ) -> list[tokenizers.Encoding]:
        question = check_member(index, value, "question", QUESTION)
        context = check_member(index, value, "context", QUESTION)
        pair = (question, context) if self._side else (context, question)
        asked = self.tokenizer.encode([question], special=False, truncate=True)[0]
        special = self.tokenizer.tokenizer.num_special_tokens_to_add(True)
        room = reading.length - len(asked) - special
        if room < 1:
            raise InvalidInputs(
                f"input {index}: question: {len(asked)} tokens leave no room for the context among "
                f"{reading.length}"
            )
        stride = reading.stride if reading.stride < room else room // 2
        shorten: Shorten = "only_second" if self._side else "only_first"
        return self.tokenizer.windows(pair, reading.length, stride, shorten)

    def _read(
        self,
        window: tokenizers.Encoding,
        start: Any,
        end: Any,
        reading: "ContextReading",
        found: "FoundAnswers",
    ) -> None:
        """Add the answers of a window."""
        sides = np.array([-1 if side is None else side for side in window.sequence_ids])
        cls = self.tokenizer.special_ids.get("cls_token")
        allowed = (sides == self._side) | (np.array(window.ids) == cls)
        count = reading.count * 2 + 10 if reading.whole_words else reading.count
        spans, nothing = best_spans(start, end, allowed, count, reading.longest)
        found.nothing = min(found.nothing, nothing)
        for span in spans:
            place = None
            if reading.whole_words:
                place = word_place(window, span.first, span.last, self._side)
            if place is None:
                place = window.offsets[span.first][0], window.offsets[span.last][1]
            found.add(*place, span.score)


@dataclass(frozen=True, slots=True)
class ContextReading:
    """How a request wants contexts read."""

    length: int
    stride: int
    longest: int
    count: int
    whole_words: bool
    maybe_none: bool
    """Whether there may be no answer."""

    @classmethod
    def from_parameters(cls, parameters: Parameters, most: int | None) -> "ContextReading":
        """Read them; a window has at most what the model takes."""
        most = most or UNLIMITED
        length = parameters.integer("max_seq_len", min(most, LENGTH), least=1, most=most)
        return cls(
            length,
            parameters.integer("doc_stride", min(length // 2, STRIDE), most=length),
            parameters.integer("max_answer_len", ANSWER, least=1),
            parameters.integer("top_k", 1, least=1),
            parameters.flag("align_to_words", default=True),
            parameters.flag("handle_impossible_answer", default=False),
        )


class FoundAnswers:
    """The answers found in a context; those that read alike are one, with the sum of scores."""

    def __init__(self, context: str) -> None:
        self.context = context
        self.nothing = 1.0
        """The score of there being no answer."""
        self._by_text: dict[str, dict[str, Any]] = {}

    def add(self, start: int, end: int, score: float) -> None:
        """Add one by its characters."""
        text = self.context[start:end]
        answer = self._by_text.setdefault(
            text.lower(), {"answer": text, "score": 0.0, "start": start, "end": end}
        )
        answer["score"] += score

    def best(self, reading: ContextReading) -> Any:
        """Return the best one, or a list of several."""
        answers = list(self._by_text.values())
        if reading.maybe_none or not answers:
            score = self.nothing if reading.maybe_none else 0.0
            answers.append({"answer": "", "score": score, "start": 0, "end": 0})
        answers.sort(key=lambda answer: -answer["score"])
        return answers[0] if reading.count == 1 else answers[: reading.count]


def word_place(
    window: tokenizers.Encoding, first: int, last: int, side: int
) -> tuple[int, int] | None:
    """Return the characters of the words that a span touches; None if it touches no word."""
    words = window.token_to_word(first), window.token_to_word(last)
    begin, end = (None if word is None else window.word_to_chars(word, side) for word in words)
    return (begin[0], end[1]) if begin and end else None
