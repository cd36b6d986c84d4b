"""Cases of ``text-classification``."""

from pathlib import Path
from typing import Any

from tests.tasks.recording.case import Case
from tests.tasks.recording.encoders import LONG, build, export_encoder, labelled, pipeline

MOODS = {0: "negative", 1: "neutral", 2: "positive"}
TOPICS = {0: "money", 1: "music", 2: "sport", 3: "travel"}
TEXTS = [
    "We loved the film!",
    "The café in Zu\u0308rich 🙂👍🏽 wasn't bad",
    "train",
    LONG,
]
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "text-classification": ("wordpiece", {"id2label": MOODS}),
    "text-classification-several": (
        "bpe",
        {"id2label": TOPICS, "problem_type": "multi_label_classification"},
    ),
    "text-classification-regression": (
        "unigram",
        {"num_labels": 1, "problem_type": "regression"},
    ),
    "text-classification-one": ("bpe", {"num_labels": 1}),
    "text-classification-fixed": ("wordpiece", {"id2label": MOODS}),
}


def record(folder: Path) -> None:
    """Write a case for each kind of classifier."""
    for name, (make, config) in KINDS.items():
        record_kind(folder / name, make, labelled(config))


def record_kind(folder: Path, make: str, config: dict[str, Any]) -> None:
    """Write the case of one."""
    model, tokenizer = build(make, "ForSequenceClassification", **config)
    case = Case(folder, "text-classification")
    export_encoder(case, model, tokenizer, ["logits"], fixed=folder.name.endswith("-fixed"))
    ask = pipeline("text-classification", model, tokenizer)

    def add(inputs: list[Any], **parameters: Any) -> None:
        asked = {"top_k": None, "truncation": True} | parameters
        case.add(inputs, [ask(one, **asked) for one in inputs], **parameters)

    add(TEXTS)
    add(TEXTS[:1], top_k=1)
    add(TEXTS[:2], function_to_apply="sigmoid", top_k=2)
    add(TEXTS[1:2], function_to_apply="none")
    add([{"text": "The river is cold", "text_pair": "The sky is blue 🙂"}])
    add([{"text": LONG, "text_pair": LONG + "Please help!"}])
    case.write()
