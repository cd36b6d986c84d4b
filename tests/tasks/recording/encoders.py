"""Small encoders of three makes, each with the tokenizer that is usual for it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import BertConfig, RobertaConfig, XLMRobertaConfig

from tests.tasks.recording import tokenizers_of
from tests.tasks.recording.case import Case, seed

MAKES: dict[str, tuple[Callable[[], Any], Any, str]] = {
    "wordpiece": (tokenizers_of.wordpiece, BertConfig, "Bert"),
    "bpe": (tokenizers_of.bpe, RobertaConfig, "Roberta"),
    "unigram": (tokenizers_of.unigram, XLMRobertaConfig, "XLMRoberta"),
}
SIZES = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "initializer_range": 0.6,
    "attn_implementation": "eager",
}
LONG = "The president of the bank said that prices had risen since the summer. " * 3


def build(make: str, head: str, **config: Any) -> tuple[Any, Any]:
    """Return a model such as ``BertForTokenClassification`` and its tokenizer."""
    import transformers

    tokenizer_of, config_of, prefix = MAKES[make]
    tokenizer = tokenizer_of()
    pad = tokenizer.pad_token_id
    settings = config_of(
        vocab_size=len(tokenizer),
        # RoBERTa's positions begin behind the padding's id.
        max_position_embeddings=tokenizers_of.LENGTH + (0 if prefix == "Bert" else pad + 1),
        pad_token_id=pad,
        **SIZES,
        **config,
    )
    seed()
    return getattr(transformers, prefix + head)(settings).eval(), tokenizer


def export_encoder(
    case: Case, model: Any, tokenizer: Any, outputs: Sequence[str], *, fixed: bool = False
) -> None:
    """Save model and tokenizer, and export what the tokenizer's inputs lead to.

    ``fixed``: for two texts of the greatest length, and no others.
    """
    case.save(model, tokenizer)
    padding = "max_length" if fixed else True
    given = tokenizer(["The sky is blue", "Maria"], padding=padding, return_tensors="pt")
    axes = {0: "batch_size", 1: "sequence_length"}
    case.export(
        model,
        dict(given),
        outputs,
        {} if fixed else dict.fromkeys(given, axes) | {name: dynamic(name) for name in outputs},
    )


def labelled(config: dict[str, Any]) -> dict[str, Any]:
    """Add ``label2id`` to a config that has ``id2label``."""
    labels = config.get("id2label")
    return config | ({"label2id": {v: k for k, v in labels.items()}} if labels else {})


def dynamic(output: str) -> dict[int, str]:
    """Return the axes of an output that vary."""
    batch = {0: "batch_size"}
    return batch if output == "sentence_embedding" else batch | {1: "sequence_length"}


def pipeline(task: str, model: Any, tokenizer: Any) -> Any:
    """Return the original's pipeline."""
    import transformers

    with torch.no_grad():
        return transformers.pipeline(task, model=model, tokenizer=tokenizer, device="cpu")
