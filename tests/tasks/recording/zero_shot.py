"""Cases of ``zero-shot-classification``."""

from pathlib import Path
from typing import Any

from tests.tasks.recording.case import Case
from tests.tasks.recording.encoders import (
    LONG,
    MAKES,
    build,
    export_encoder,
    labelled,
    pipeline,
)

PAIRS = {
    "wordpiece": {0: "contradiction", 1: "neutral", 2: "entailment"},
    "bpe": {0: "Entailed", 1: "neutral", 2: "contradicted"},
    "unigram": {0: "no", 1: "yes"},
}
LABELS = ["phone", "café 🙂", "politics"]
TEXTS = ["My new phone has a problem!", "Zu\u0308rich 👍🏽", LONG]


def record(folder: Path) -> None:
    """Write a case for each kind of tokenizer."""
    for make in MAKES:
        config = labelled({"id2label": PAIRS[make]})
        model, tokenizer = build(make, "ForSequenceClassification", **config)
        case = Case(folder / f"zero-shot-classification-{make}", "zero-shot-classification")
        export_encoder(case, model, tokenizer, ["logits"])
        add_calls(case, pipeline("zero-shot-classification", model, tokenizer))
        case.write()


def add_calls(case: Case, ask: Any) -> None:
    def add(inputs: list[str], **parameters: Any) -> None:
        case.add(inputs, [ranked(ask(one, **parameters)) for one in inputs], **parameters)

    add(TEXTS, candidate_labels=LABELS)
    add(TEXTS, candidate_labels=LABELS, multi_label=True)
    add(TEXTS[:1], candidate_labels=["phone"])
    add(TEXTS[:1], candidate_labels="phone, music,sport")
    add(TEXTS[:1], candidate_labels=LABELS, hypothesis_template="It is about {}!")


def ranked(answer: Any) -> list[dict[str, Any]]:
    """Return what clients read: a list of labels with scores."""
    pairs = zip(answer["labels"], answer["scores"], strict=True)
    return [{"label": label, "score": score} for label, score in pairs]
