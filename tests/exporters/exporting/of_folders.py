"""Folders as transformers and sentence-transformers save them, with a graph by torch.onnx."""

import json
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from tests.exporters.exporting.of_transformers import LENGTHS
from tests.tasks.recording.case import ByName
from tests.tasks.recording.encoders import LONG, SIZES, build, pipeline

TEXTS = ["We loved the film!", "Maria wrote to Siemens in Lisbon.", LONG]
LABELS = {0: "negative", 1: "neutral", 2: "positive"}


def export_dynamo(model: Any, tokenizer: Any, output: str, target: Path) -> None:
    given = dict(tokenizer(["The sky is blue", "Maria"], padding=True, return_tensors="pt"))
    auto = dict.fromkeys(LENGTHS, torch.export.Dim.AUTO)
    torch.onnx.export(
        ByName(model, list(given), [output]).eval(),
        tuple(given.values()),
        str(target),
        input_names=list(given),
        output_names=[output],
        dynamo=True,
        dynamic_shapes=(tuple(auto for _ in given),),
    )


def keep(folder: Path, calls: list[tuple[Any, Any]]) -> None:
    """Write requests and answers."""
    found = [{"request": request, "answer": answer} for request, answer in calls]
    (folder / "calls.json").write_text(json.dumps(found))


def transformer(task: str, make: str, head: str, **parameters: Any) -> Any:
    def export(folder: Path) -> None:
        labels = {name: index for index, name in LABELS.items()}
        model, tokenizer = build(make, head, id2label=LABELS, label2id=labels)
        for part in (model, tokenizer):
            part.save_pretrained(folder / "model")
        export_dynamo(model, tokenizer, "logits", folder / "model/model.onnx")
        ask, cut = pipeline(task, model, tokenizer), {}
        if task == "text-classification":
            cut = {"truncation": True}
        found = [ask(text, **parameters, **cut) for text in TEXTS]
        found = json.loads(json.dumps(found, default=float))
        keep(folder, [({"inputs": TEXTS, "parameters": parameters}, found)])

    return export


def sentences(folder: Path) -> None:
    model, tokenizer = build("wordpiece", "Model")
    plain = folder / "plain"
    for part in (model, tokenizer):
        part.save_pretrained(plain)
    modules = [Transformer(str(plain)), Pooling(SIZES["hidden_size"], "mean"), Normalize()]
    original = SentenceTransformer(modules=modules, device="cpu")
    original.save_pretrained(str(folder / "model"))
    export_dynamo(model, tokenizer, "last_hidden_state", folder / "model/model.onnx")
    keep(folder, [({"inputs": TEXTS}, original.encode(TEXTS).astype(float).tolist())])


EXPORTS = {
    "folders-transformers-classify": transformer(
        "text-classification", "wordpiece", "ForSequenceClassification", top_k=3
    ),
    "folders-transformers-tag": transformer(
        "token-classification", "bpe", "ForTokenClassification", aggregation_strategy="simple"
    ),
    "folders-sentence-transformers": sentences,
}
