"""A generator small enough to be written in a moment: after each word of a circle comes the next.

It is a decoder as any other, with a tokenizer of words; its text is known before it is written.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from onnx import TensorProto, helper, numpy_helper, save_model

END = "<end>"
CIRCLE = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
START = "one two"
TOKENS = 24
"""How many words it writes; none of them is the end."""
TEXT = " ".join(CIRCLE[(3 + index) % len(CIRCLE)] for index in range(TOKENS))
"""What it writes after ``START``."""
CERTAIN = 20.0


def write_generator(folder: Path, name: str, **more: Any) -> Path:
    """Write the bundle of a generator."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [END, *CIRCLE]
    save_model(_next_word_graph(len(words)), str(folder / "model.onnx"))
    vocabulary = {word: index for index, word in enumerate(words)}
    end = {"id": 0, "content": END, "special": True, "normalized": False, "single_word": False}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [end | {"lstrip": False, "rstrip": False}],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": END},
    }
    documents = {
        "tokenizer": tokenizer,
        "tokenizer_config": {"eos_token": END, "pad_token": END, "unk_token": END},
        "config": {"model_type": "gpt2", "vocab_size": len(words), "eos_token_id": 0},
    }
    for file, document in documents.items():
        (folder / f"{file}.json").write_text(json.dumps(document))
    declared = {
        "name": name,
        "description": "Counts in words, to nine and from zero again",
        "task": {"name": "text-generation", "max_new_tokens": TOKENS},
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(declared | more, sort_keys=False))
    return folder


def _next_word_graph(words: int) -> Any:
    """Build the graph: a row of logits for each word, which has its follower's alone."""
    follower = np.zeros((words, words), np.float32)
    follower[0, 0] = CERTAIN
    for index in range(1, words):
        follower[index, index % (words - 1) + 1] = CERTAIN
    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    logits = helper.make_tensor_value_info(
        "logits", TensorProto.FLOAT, ["batch", "sequence", words]
    )
    node = helper.make_node("Gather", ["follower", "input_ids"], ["logits"])
    table = numpy_helper.from_array(follower, "follower")
    graph = helper.make_graph([node], "counting", ids, [logits], [table])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
