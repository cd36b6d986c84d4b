"""Models with a task that are small enough to write by hand."""

import json
from dataclasses import replace
from typing import Any

from onnx import TensorProto, helper
from tokenizers import Tokenizer, models, pre_tokenizers

from serval.models.signature import Signature, TensorSpec
from tests.fakes.inference import InMemoryEdge, graph
from tests.tasks.harness import RECORDED, open_graph

FILES = ("config", "generation_config", "tokenizer", "tokenizer_config")
"""What a recorded case of text may have beside its graph."""
WORDS = {"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3}
SENTIMENT = Signature(
    (TensorSpec("input_ids", "INT64", (-1, -1)),), (TensorSpec("logits", "FP32", (-1, 2)),)
)


def sentiment_graph(*beside: str) -> bytes:
    """Count the tokens 3 and 2 of each text: the logits of two classes; name inputs beside ids."""
    classes = helper.make_tensor("classes", TensorProto.INT64, [1, 1, 2], [3, 2])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [2])
    rows = helper.make_tensor("rows", TensorProto.INT64, [1], [1])
    return graph(
        [(name, TensorProto.INT64, ["batch", "tokens"]) for name in ("input_ids", *beside)],
        [("logits", TensorProto.FLOAT, ["batch", 2])],
        [
            helper.make_node("Unsqueeze", ["input_ids", "axes"], ["one"]),
            helper.make_node("Equal", ["one", "classes"], ["equal"]),
            helper.make_node("Cast", ["equal"], ["found"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", ["found", "rows"], ["logits"], keepdims=0),
        ],
        [classes, axes, rows],
    )


def sentiment_tokenizer(max_length: int | None = None) -> bytes:
    """Make a tokenizer of two words."""
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if max_length:
        tokenizer.enable_truncation(max_length)
    return tokenizer.to_str().encode()


def publish_sentiment(edge: InMemoryEdge, model: str, *beside: str) -> None:
    """Publish a model of two words' sentiment; name inputs of its graph beside the ids."""
    specs = tuple(TensorSpec(name, "INT64", (-1, -1)) for name in ("input_ids", *beside))
    edge.publish_task(
        model,
        sentiment_graph(*beside),
        replace(SENTIMENT, inputs=specs),
        {"name": "text-classification"},
        tokenizer=sentiment_tokenizer(),
        config=sentiment_config(),
    )


def sentiment_config() -> bytes:
    """Name the classes."""
    return json.dumps({"id2label": {"0": "NEGATIVE", "1": "POSITIVE"}}).encode()


def publish_recorded(edge: InMemoryEdge, model: str, case: str, task: str, **config: Any) -> None:
    """Publish a recorded case of ``tests/tasks``, with more in its tokenizer_config.json."""
    folder = RECORDED / case / "bundle"
    found = open_graph(folder)
    sign = Signature(tuple(found.inputs.values()), tuple(found.outputs.values()))
    files = {
        name: (folder / f"{name}.json").read_bytes()
        for name in FILES
        if (folder / f"{name}.json").exists()
    }
    files["tokenizer_config"] = json.dumps(json.loads(files["tokenizer_config"]) | config).encode()
    edge.publish_task(model, (folder / "model.onnx").read_bytes(), sign, {"name": task}, **files)
