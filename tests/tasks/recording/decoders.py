"""Decoders with their caches as graphs, named as optimum names them."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache

from tests.tasks.recording.case import Case
from tests.tasks.recording.slim import slim

BATCH, LENGTH, READ = 2, 3, 4


class Cached(torch.nn.Module):
    """A decoder-only model whose cache is tensors: ids, mask, positions, keys and values."""

    def __init__(self, model: Any, *, positions: bool) -> None:
        super().__init__()
        self.model, self.positions = model, positions

    def forward(self, *given: torch.Tensor) -> Any:
        ids, mask, *rest = given
        more = {"position_ids": rest.pop(0)} if self.positions else {}
        cache = filled(rest)
        found = self.model(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **more
        )
        return (found.logits, *flat(found.past_key_values))


class CachedDecoder(torch.nn.Module):
    """The decoder of an encoder-decoder; with no keys and values given it is the first run."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, mask: torch.Tensor, ids: torch.Tensor, states: Any, *past: Any) -> Any:
        found = self.model(
            encoder_outputs=(states,),
            attention_mask=mask,
            decoder_input_ids=ids,
            past_key_values=both_filled(past) if past else None,
            use_cache=True,
        )
        made = found.past_key_values
        return (found.logits, *(flat(made.self_attention_cache) if past else both_flat(made)))


class Encoder(torch.nn.Module):
    """The encoder of a model."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder = model.get_encoder()

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        return self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state


def filled(tensors: Sequence[torch.Tensor]) -> Any:
    cache = DynamicCache()
    for layer in range(len(tensors) // 2):
        cache.update(tensors[2 * layer], tensors[2 * layer + 1], layer)
    return cache


def flat(cache: Any) -> list[torch.Tensor]:
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]


def both_filled(tensors: Sequence[torch.Tensor]) -> EncoderDecoderCache:
    """Fill the cache of an encoder-decoder: of each layer its own pair, and what it reads."""
    own = [tensor for at, tensor in enumerate(tensors) if at % 4 < 2]
    read = [tensor for at, tensor in enumerate(tensors) if at % 4 >= 2]
    return EncoderDecoderCache(filled(own), filled(read))


def both_flat(cache: EncoderDecoderCache) -> list[torch.Tensor]:
    """Return what ``both_filled`` takes."""
    own, read = flat(cache.self_attention_cache), flat(cache.cross_attention_cache)
    pairs = range(0, len(own), 2)
    return [tensor for at in pairs for tensor in (*own[at : at + 2], *read[at : at + 2])]


def export_decoder(case: Case, model: Any, *, positions: bool = True) -> None:
    """Export a decoder-only model with its cache."""
    config = model.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = config.hidden_size // config.num_attention_heads
    past = {
        f"past_key_values.{layer}.{kind}": torch.randn(BATCH, heads, READ, size)
        for layer in range(config.num_hidden_layers)
        for kind in ("key", "value")
    }
    inputs = {
        "input_ids": torch.ones(BATCH, LENGTH, dtype=torch.long),
        "attention_mask": torch.ones(BATCH, LENGTH + READ, dtype=torch.long),
    }
    if positions:
        inputs["position_ids"] = torch.arange(READ, READ + LENGTH).repeat(BATCH, 1)
    presents = [name.replace("past_key_values", "present") for name in past]
    axes = {
        "input_ids": {0: "batch", 1: "sequence"},
        "attention_mask": {0: "batch", 1: "total"},
        "position_ids": {0: "batch", 1: "sequence"},
        "logits": {0: "batch", 1: "sequence"},
        **{name: {0: "batch", 2: "past"} for name in past},
        **{name: {0: "batch", 2: "total"} for name in presents},
    }
    case.export(
        Plain(Cached(model, positions=positions)), inputs | past, ["logits", *presents], axes
    )


class Plain(torch.nn.Module):
    """A model of tensors in order, called by name."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **given: torch.Tensor) -> Any:
        return self.model(*given.values())


def export_seq2seq(case: Case, model: Any, *, with_past: bool = True) -> None:
    """Export encoder and decoder, and the decoder of later runs."""
    config = model.config
    text = {
        "input_ids": torch.ones(BATCH, LENGTH, dtype=torch.long),
        "attention_mask": torch.ones(BATCH, LENGTH, dtype=torch.long),
    }
    axes = {0: "batch", 1: "encoder_sequence"}
    names = [*text, "last_hidden_state"]
    encoder = Plain(Encoder(model))
    case.export(encoder, text, names[-1:], dict.fromkeys(names, axes), "encoder_model.onnx")
    heads = getattr(config, "decoder_attention_heads", None) or config.num_heads
    size = getattr(config, "d_kv", None) or config.d_model // heads
    layers = getattr(config, "decoder_layers", None) or config.num_decoder_layers
    kinds = ("decoder.key", "decoder.value", "encoder.key", "encoder.value")
    past = [f"past_key_values.{layer}.{kind}" for layer in range(layers) for kind in kinds]
    given = {
        "encoder_attention_mask": torch.ones(BATCH, LENGTH, dtype=torch.long),
        "input_ids": torch.ones(BATCH, 2, dtype=torch.long),
        "encoder_hidden_states": torch.randn(BATCH, LENGTH, config.d_model),
    }
    presents = [name.replace("past_key_values", "present") for name in past]
    axes = {
        "encoder_attention_mask": {0: "batch", 1: "encoder_sequence"},
        "input_ids": {0: "batch", 1: "sequence"},
        "encoder_hidden_states": {0: "batch", 1: "encoder_sequence"},
        "logits": {0: "batch", 1: "sequence"},
        **{name: {0: "batch", 2: f"length of {name}"} for name in (*past, *presents)},
    }
    decoder = Plain(CachedDecoder(model))
    outputs = ["logits", *(presents if with_past else [])]
    case.export(Head(decoder, len(outputs)), given, outputs, axes, "decoder_model.onnx")
    if with_past:
        cache = {
            name: torch.randn(BATCH, heads, LENGTH if "encoder" in name else READ, size)
            for name in past
        }
        own = ["logits", *(name for name in presents if ".decoder." in name)]
        given["input_ids"] = given["input_ids"][:, :1]
        case.export(decoder, given | cache, own, axes, "decoder_with_past_model.onnx")


class Head(torch.nn.Module):
    """The first outputs of a model."""

    def __init__(self, model: torch.nn.Module, count: int) -> None:
        super().__init__()
        self.model, self.count = model, count

    def forward(self, **given: torch.Tensor) -> Any:
        return self.model(**given)[: self.count]


def finish(case: Case) -> None:
    """Write the calls, and the graphs with short names."""
    case.write()
    slim(case.bundle)
