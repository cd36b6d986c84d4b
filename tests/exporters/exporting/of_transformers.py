"""Transformers of the hub's architectures, small and with random weights, by torch.onnx.export."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    ViTConfig,
    ViTForImageClassification,
)

from tests.exporters.exporting.exported import SEED, keep

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


class Logits(torch.nn.Module):
    """A model's logits alone, by the names of its inputs."""

    def __init__(self, model: Any, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        given = dict(zip(self.names, values, strict=True))
        return self.model(**given, return_dict=True).logits


def tokens() -> dict[str, torch.Tensor]:
    ids = torch.randint(0, 90, (2, 9))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def exported(build: Any, inputs: Any, axes: dict[int, str], *, dynamo: bool) -> Any:
    def export(folder: Path) -> None:
        torch.manual_seed(SEED)
        given = inputs()
        model = Logits(build().eval(), list(given))
        named: dict[str, Any] = {
            "dynamic_shapes": (tuple(dict.fromkeys(axes, torch.export.Dim.AUTO) for _ in given),)
            if dynamo
            else None,
        }
        if not dynamo:
            named = {"dynamic_axes": dict.fromkeys(given, axes)}
        torch.onnx.export(
            model,
            tuple(given.values()),
            str(folder / "model.onnx"),
            input_names=list(given),
            output_names=["logits"],
            dynamo=dynamo,
            **named,
        )
        with torch.no_grad():
            keep(folder, {n: t.numpy() for n, t in given.items()}, [model(*given.values()).numpy()])

    return export


def bert() -> Any:
    return BertForSequenceClassification(
        BertConfig(vocab_size=100, intermediate_size=32, attn_implementation="eager", **SMALL)
    )


def gpt2() -> Any:
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=100,
            n_embd=16,
            n_layer=2,
            n_head=2,
            attn_implementation="eager",
            use_cache=False,
        )
    )


def vit() -> Any:
    return ViTForImageClassification(
        ViTConfig(image_size=32, patch_size=8, intermediate_size=32, **SMALL)
    )


def image() -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.rand(2, 3, 32, 32)}


LENGTHS = {0: "batch_size", 1: "sequence_length"}
EXPORTS = {
    "transformers-bert-legacy": exported(bert, tokens, LENGTHS, dynamo=False),
    "transformers-bert-dynamo": exported(bert, tokens, LENGTHS, dynamo=True),
    "transformers-gpt2-dynamo": exported(gpt2, tokens, LENGTHS, dynamo=True),
    "transformers-vit-legacy": exported(vit, image, {0: "batch_size"}, dynamo=False),
    "transformers-vit-dynamo": exported(vit, image, {0: "batch_size"}, dynamo=True),
}
