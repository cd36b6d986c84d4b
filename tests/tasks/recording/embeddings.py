"""Cases of ``feature-extraction`` and ``sentence-similarity``."""

import shutil
from pathlib import Path
from typing import Any

import sentence_transformers
import torch
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    Transformer,
)

from tests.tasks.recording.case import Case, seed
from tests.tasks.recording.encoders import (
    LONG,
    SIZES,
    build,
    export_encoder,
    pipeline,
)

SIZE = SIZES["hidden_size"]
TEXTS = ["The sky is blue", "Zu\u0308rich 🙂👍🏽, e\u0301a", LONG, "cats"]
PROMPTS = {"query": "What is it? ", "document": ""}
FOLDERS: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "mean": (
        "wordpiece",
        [lambda: Pooling(SIZE, "mean"), Normalize],
        {"prompts": PROMPTS},
    ),
    "cls": (
        "bpe",
        [lambda: Pooling(SIZE, ("cls", "max"))],
        {"prompts": PROMPTS, "default_prompt_name": "query", "similarity_fn_name": "dot"},
    ),
    "dense": (
        "unigram",
        [
            lambda: Pooling(SIZE, ("weightedmean", "mean_sqrt_len_tokens"), include_prompt=False),
            lambda: Dense(2 * SIZE, 6, activation_function=torch.nn.Tanh()),
        ],
        {"prompts": PROMPTS, "similarity_fn_name": "euclidean"},
    ),
    "fixed": (
        "wordpiece",
        [
            lambda: Pooling(SIZE, "mean"),
            lambda: Dense(SIZE, 6, activation_function=torch.nn.Tanh(), use_residual=True),
            lambda: Dense(6, 6, activation_function=torch.nn.ReLU(), use_residual=True),
        ],
        {},
    ),
    "last": ("bpe", [lambda: Pooling(SIZE, "lasttoken"), Normalize], {}),
}


def record(folder: Path) -> None:
    """Write a case of tokens, and for each folder of sentence-transformers one of each task."""
    model, tokenizer = build("wordpiece", "Model")
    case = Case(folder / "feature-extraction", "feature-extraction")
    export_encoder(case, model, tokenizer, ["last_hidden_state"])
    ask = pipeline("feature-extraction", model, tokenizer)
    case.add(TEXTS[:2], [ask(one) for one in TEXTS[:2]])
    case.write()
    for name, (make, modules, settings) in FOLDERS.items():
        record_folder(folder, name, make, modules, settings)


def record_folder(
    folder: Path, name: str, make: str, modules: list[Any], settings: dict[str, Any]
) -> None:
    model, tokenizer = build(make, "Model")
    if name == "last":
        tokenizer.padding_side = "left"
    case = Case(folder / f"feature-extraction-{name}", "feature-extraction")
    export_encoder(case, model, tokenizer, ["last_hidden_state"], fixed=name == "fixed")
    plain = folder / f"{name}-plain"
    model.save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    seed()
    layers = [Transformer(str(plain)), *(module() for module in modules)]
    original = sentence_transformers.SentenceTransformer(modules=layers, device="cpu", **settings)
    shutil.rmtree(plain)
    case.save(original)

    def add(inputs: list[str], **parameters: Any) -> None:
        asked = {
            "prompt_name": parameters.get("prompt_name"),
            "normalize_embeddings": parameters.get("normalize", False),
            "truncate_dim": parameters.get("dimensions"),
        }
        case.add(inputs, list(original.encode(inputs, **asked)), **parameters)

    add(TEXTS)
    add(TEXTS[:2], normalize=True)
    add(TEXTS[:2], dimensions=4, normalize=True, truncate=True)
    if "prompts" in settings:
        add(TEXTS, prompt_name="query")
        add(TEXTS[:1], prompt_name="document")
    case.write()
    if name in ("last", "fixed"):
        return
    other = Case(folder / f"sentence-similarity-{name}", "sentence-similarity")
    shutil.rmtree(other.bundle)
    shutil.copytree(case.bundle, other.bundle)
    other.write_json(other.bundle / "task.json", {"name": "sentence-similarity"})
    embeddings = original.encode(TEXTS)
    scores = original.similarity(embeddings[:1], embeddings[1:])[0]
    other.add([{"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}], [scores.tolist()])
    other.write()
