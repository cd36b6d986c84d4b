"""What a pipeline of a task must answer to one input: the same as a model of the task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from serval.models.task_signature import ANSWERS_IN_LIST
from serval.pipelines.expressions import ExpressionWrong
from serval.pipelines.shapes import Shape
from serval.short_repr import short_repr

Check = Callable[[Any, str], None]
"""Checks a value, given where in the answer it is."""


class AnswerWrong(ExpressionWrong):
    """An answer does not fit the task; says where, what was given and what is expected."""

    def __init__(self, where: str, value: Any, expected: str) -> None:
        at = f"{where}: " if where else ""
        super().__init__(f"{at}{short_repr(value)} given, {expected} expected")


def text(value: Any, where: str) -> None:
    """Expect a text."""
    if not isinstance(value, str):
        raise AnswerWrong(where, value, "a text")


def number(value: Any, where: str) -> None:
    """Expect a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AnswerWrong(where, value, "a number")


def numbers(value: Any, where: str) -> None:
    """Expect a list of numbers, nested or not."""
    if not isinstance(value, list):
        raise AnswerWrong(where, value, "a list of numbers")
    for index, each in enumerate(value):
        (numbers if isinstance(each, list) else number)(each, f"{where}[{index}]")


def value_of_row(value: Any, where: str) -> None:
    """Expect a label: a text, a number or a truth value, or an object that has one."""
    if isinstance(value, dict) and "label" in value:
        value, where = value["label"], f"{where}.label"
    if not isinstance(value, str | int | float):
        raise AnswerWrong(where, value, "a label")


def members(**checks: Check) -> Check:
    """Make a check that an object has at least these members."""
    named = ", ".join(checks)

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise AnswerWrong(where, value, f"an object with {named}")
        for name, of_member in checks.items():
            if name not in value:
                raise AnswerWrong(where, value, f"an object with {named}")
            of_member(value[name], f"{where}.{name}" if where else name)

    return check


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """The form of one answer of a task."""

    item: Check
    fields: tuple[str, ...] = ()
    """Members that the answer, or each of its items, must have."""
    is_list: bool = False
    """Whether it is a list; as in JSONata, a single item counts as a list of one."""
    may_be_list: bool = False
    """Whether a list of such answers is an answer, too."""

    def check(self, answer: Any) -> Any:
        """Return an answer once it fits the task.

        Raises
        ------
        AnswerWrong
            If it is another's.
        """
        if self.is_list and not isinstance(answer, list):
            answer = [answer]
        if isinstance(answer, list) and (self.is_list or self.may_be_list):
            for index, each in enumerate(answer):
                self._check_item(each, f"[{index}]")
        else:
            self.item(answer, "")
        return answer

    def _check_item(self, item: Any, where: str) -> None:
        if isinstance(item, list) and self.may_be_list:
            for index, each in enumerate(item):
                self.item(each, f"{where}[{index}]")
        else:
            self.item(item, where)


def one(**checks: Check) -> AnswerRule:
    """Make the rule of a task that answers with an object."""
    return AnswerRule(members(**checks), tuple(checks))


def many(**checks: Check) -> AnswerRule:
    """Make the rule of a task that answers with a list of objects."""
    return AnswerRule(members(**checks), tuple(checks), is_list=True)


LABELS = many(label=text, score=number)
WRITTEN = one(generated_text=text)
BOX = members(xmin=number, ymin=number, xmax=number, ymax=number)
MASKED = {"score": number, "token_str": text, "sequence": text}
ANSWER_RULES: Mapping[str, AnswerRule] = {
    "audio-classification": LABELS,
    "automatic-speech-recognition": one(text=text),
    "feature-extraction": AnswerRule(numbers),
    "fill-mask": AnswerRule(members(**MASKED), tuple(MASKED), is_list=True, may_be_list=True),
    "image-classification": LABELS,
    "image-segmentation": many(label=text, mask=text),
    "image-to-text": WRITTEN,
    "object-detection": many(label=text, score=number, box=BOX),
    "question-answering": AnswerRule(
        members(answer=text, score=number, start=number, end=number),
        ("answer", "score", "start", "end"),
        may_be_list=True,
    ),
    "sentence-similarity": AnswerRule(number, is_list=True),
    "summarization": one(summary_text=text),
    "tabular-classification": AnswerRule(value_of_row),
    "tabular-regression": AnswerRule(number),
    "text-classification": LABELS,
    "text2text-generation": WRITTEN,
    "token-classification": many(word=text, score=number),
    "translation": one(translation_text=text),
    "zero-shot-classification": LABELS,
    "zero-shot-image-classification": LABELS,
}
"""Task → what it answers to one input; those that are not here answer with a file."""


def check_answer(task: str, answer: Any) -> Any:
    """Return the answer of a pipeline, if the task could answer one input with it.

    Raises
    ------
    AnswerWrong
        If it is not.
    """
    return ANSWER_RULES[task].check(answer)


def answers_in_list(task: str) -> bool:
    """Return whether a single input's answer is sent as a list of one."""
    return task in ANSWERS_IN_LIST


def missing_field(task: str, shape: Shape) -> str | None:
    """Return a member of the task's answer that a value of this shape cannot have, if any."""
    if shape is None or task not in ANSWER_RULES:
        return None
    return next((name for name in ANSWER_RULES[task].fields if name not in shape), None)
