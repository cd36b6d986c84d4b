"""Cases of ``token-classification``."""

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

TAGS = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC", 5: "MISC"}
TEXTS = [
    "Maria Keller wrote to Microsoft, in Zürich.",
    "Zu\u0308rich e\u0301a 🙂👍🏽 São Paulo: unbelievable\u00a0houses!",
    "",
]
JOINING = ("simple", "first", "average", "max")


def record(folder: Path) -> None:
    """Write a case for each kind of tokenizer."""
    for make in MAKES:
        model, tokenizer = build(make, "ForTokenClassification", **labelled({"id2label": TAGS}))
        case = Case(folder / f"token-classification-{make}", "token-classification")
        export_encoder(case, model, tokenizer, ["logits"])
        add_calls(case, pipeline("token-classification", model, tokenizer))
        case.write()


def add_calls(case: Case, ask: Any) -> None:
    def add(inputs: list[Any], **parameters: Any) -> None:
        case.add(inputs, [ask(one, **parameters) for one in inputs], **parameters)

    add(TEXTS)
    for strategy in JOINING:
        add(TEXTS, aggregation_strategy=strategy)
        add([LONG, TEXTS[0]], aggregation_strategy=strategy, stride=8)
    add(TEXTS[:1], ignore_labels=["PER", "B-PER", "MISC"])
    add(TEXTS[:1], ignore_labels=[], aggregation_strategy="simple")
    add([LONG], aggregation_strategy="simple")
    add([LONG], aggregation_strategy="first", stride=0)
