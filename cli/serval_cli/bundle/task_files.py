"""Files of a bundle that its task reads, by the names that the makers of models give them."""

import json
from collections.abc import Iterator
from pathlib import Path

GRAPHS = (
    "encoder_model.onnx",
    "decoder_model.onnx",
    "decoder_model_merged.onnx",
    "decoder_with_past_model.onnx",
    "decoder_postnet_and_vocoder.onnx",
)
"""Graphs that work together; one of them is the artifact."""
NAMES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
    "processor_config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "speaker.npy",
)
DENSE_WEIGHTS = "model.safetensors"
"""Weights of a layer of sentence-transformers after the graph."""


def task_paths(folder: Path) -> Iterator[str]:
    """Yield the paths in a folder that a task may read beside the artifact."""
    yield from (name for name in (*NAMES, *GRAPHS) if (folder / name).is_file())
    yield from module_paths(folder)


def module_paths(folder: Path) -> Iterator[str]:
    """Yield the files of sentence-transformers' layers, such as ``1_Pooling/config.json``."""
    for config in sorted(folder.glob("[0-9]*_*/config.json")):
        yield config.relative_to(folder).as_posix()
        weights = config.with_name(DENSE_WEIGHTS)
        if weights.is_file() and is_dense(config):
            yield weights.relative_to(folder).as_posix()


def is_dense(config: Path) -> bool:
    """Return whether a layer's config is that of a dense one, which has weights of its own."""
    try:
        value = json.loads(config.read_bytes())
    except ValueError:
        return False
    return isinstance(value, dict) and "in_features" in value
