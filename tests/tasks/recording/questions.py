"""Cases of ``question-answering``, whose pipeline transformers 5 no longer has.

What its last release documents is computed here for each span by itself, from the logits of
torch and the encodings of the tokenizer.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.tasks.recording.case import Case
from tests.tasks.recording.encoders import LONG, MAKES, build, export_encoder

QUESTIONS = [
    {"question": "Where is Peru?", "context": "Paris is the capital of France."},
    {
        "question": "Who wrote?",
        "context": "Maria Keller, in Zu\u0308rich 🙂👍🏽, wrote a\u00a0letter!",
    },
    {"question": "What?", "context": LONG + "São Paulo signed the contract. " + LONG},
]
OUT = -10_000.0


def record(folder: Path) -> None:
    """Write a case for each kind of tokenizer."""
    for make in MAKES:
        model, tokenizer = build(make, "ForQuestionAnswering")
        case = Case(folder / f"question-answering-{make}", "question-answering")
        export_encoder(case, model, tokenizer, ["start_logits", "end_logits"])
        add_calls(case, Original(model, tokenizer))
        case.write()


def add_calls(case: Case, ask: "Original") -> None:
    def add(inputs: list[Any], **parameters: Any) -> None:
        case.add(inputs, [ask(one, **parameters) for one in inputs], **parameters)

    add(QUESTIONS)
    add(QUESTIONS, top_k=3)
    add(QUESTIONS, max_answer_len=2, align_to_words=False)
    add(QUESTIONS, doc_stride=4, top_k=2, handle_impossible_answer=True)
    add(QUESTIONS, doc_stride=2, max_seq_len=24, top_k=2)


class Original:
    """The pipeline as it was."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer

    def __call__(
        self,
        asked: dict[str, str],
        top_k: int = 1,
        max_answer_len: int = 15,
        max_seq_len: int = 32,
        doc_stride: int = 16,
        align_to_words: bool = True,
        handle_impossible_answer: bool = False,
    ) -> Any:
        encoded = self.tokenizer(
            asked["question"],
            asked["context"],
            truncation="only_second",
            max_length=max_seq_len,
            stride=doc_stride,
            return_overflowing_tokens=True,
        )
        answers: list[dict[str, Any]] = []
        none = []
        for window in encoded.encodings:
            starts, ends = self.probabilities(window)
            none.append(starts[0] * ends[0])
            spans = sorted(possible(starts, ends, max_answer_len), reverse=True)
            for score, first, last in spans[: top_k * 2 + 10 if align_to_words else top_k]:
                begin, end = place(window, first, -last, align_to_words)
                merge(answers, asked["context"], begin, end, score)
        if handle_impossible_answer:
            answers.append({"score": min(none), "start": 0, "end": 0, "answer": ""})
        answers.sort(key=lambda answer: answer["score"], reverse=True)
        return answers[0] if top_k == 1 else answers[:top_k]

    def probabilities(self, window: Any) -> list[list[float]]:
        names = self.tokenizer.model_input_names
        values = {"input_ids": window.ids, "attention_mask": window.attention_mask}
        values["token_type_ids"] = window.type_ids
        with torch.no_grad():
            found = self.model(**{name: torch.tensor([values[name]]) for name in names})
        cls = self.tokenizer.cls_token_id
        sides = zip(window.sequence_ids, window.ids, strict=True)
        mask = torch.tensor([side == 1 or token == cls for side, token in sides])
        logits = (found.start_logits[0], found.end_logits[0])
        return [torch.where(mask, one, OUT).softmax(0).tolist() for one in logits]


def possible(starts: list[float], ends: list[float], longest: int) -> Iterator[Any]:
    """Name every span with its score; the first token is none of a context's."""
    for first in range(1, len(starts)):
        for last in range(first, min(first + longest, len(ends))):
            if starts[first] * ends[last] > 0:
                yield float(np.float32(starts[first] * ends[last])), first, -last


def place(window: Any, first: int, last: int, align_to_words: bool) -> tuple[int, int]:
    begin, end = window.offsets[first][0], window.offsets[last][1]
    if align_to_words and window.word_ids[first] is not None and window.word_ids[last] is not None:
        begin = window.word_to_chars(window.word_ids[first], 1)[0]
        end = window.word_to_chars(window.word_ids[last], 1)[1]
    return begin, end


def merge(answers: list[Any], context: str, begin: int, end: int, score: float) -> None:
    """Add an answer, or its score to that of the one that reads alike."""
    text = context[begin:end]
    for answer in answers:
        if answer["answer"].lower() == text.lower():
            answer["score"] += score
            return
    answers.append({"score": score, "start": begin, "end": end, "answer": text})
