"""Train a tokenizer and a decoder on made-up fairy tales, and export the bundle."""

import json
import sys
import time
from pathlib import Path

import numpy as np
from onnx import ModelProto
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

sys.path.append(str(Path(__file__).resolve().parents[3]))  # the repository, wherever we start

from models import golden
from models.layers import EPSILON, Parameters
from models.onnx_graph import Graph, Value
from models.textgen.model import Decoder, go_on, train
from models.transformer import FLOAT, INT, Transformer

HERE = Path(__file__).resolve().parent
SEED, TALES, STEPS, BATCH = 0, 300, 400, 2
END = "<|endoftext|>"
PROMPTS = ["Once upon a time", "One day the fox found", "Then a witch came", "The princess said no"]
NEW_TOKENS = 24
HEROES = ["fox", "bear", "mouse", "girl", "boy", "miller", "princess", "raven"]
KINDS = ["small", "clever", "hungry", "lonely", "brave", "quiet"]
PLACES = ["by the river", "in the dark forest", "under the hill", "near the castle", "by the sea"]
FINDS = ["a golden key", "a silver ring", "an old lamp", "a letter", "three beans"]
HELPERS = ["a wolf", "an owl", "a witch", "a fisherman", "a giant"]
ENDS = [
    "And they lived happily ever after.",
    "And if they have not died, they are alive today.",
    "And nobody ever saw the {find} again.",
]


def tale(random: np.random.Generator) -> str:
    """Tell one, in which hero and find stay the same."""
    hero, kind, place, find, helper, end = (
        str(random.choice(some)) for some in (HEROES, KINDS, PLACES, FINDS, HELPERS, ENDS)
    )
    kept = find.split(" ", 1)[1]
    return (
        f"Once upon a time there was a {kind} {hero} who lived {place}. "
        f"One day the {hero} found {find}. "
        f"Then {helper} came along and asked for the {kept}. "
        f"The {hero} said no, and hid the {kept} {random.choice(PLACES)}. "
        f"{end.format(find=kept)}"
    )


def train_tokenizer(texts: list[str], vocabulary: int) -> Tokenizer:
    """Learn which bytes often stand together, as GPT-2's tokenizer does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def export(decoder: Decoder, parameters: Parameters) -> ModelProto:
    """Give the graph as optimum exports it: tokens and a cache in, logits and the cache out."""
    graph = Graph()
    network = Transformer(graph, decoder.heads, decoder.width, EPSILON)
    network.add(parameters)
    rows = graph.node(
        "Add",
        graph.node("Gather", "tokens", "input_ids"),
        graph.node("Gather", "positions", "position_ids"),
    )
    new = graph.node("Shape", "input_ids", start=1)
    total = graph.node("Shape", "attention_mask", start=1)
    future = network.hide_future(new, total)
    mask = graph.node("Add", network.hide_padding("attention_mask"), future)
    presents: list[str] = []
    for index, block in enumerate(decoder.blocks):
        normed = network.norm(f"{block}.attention.norm", rows)
        queries, *both = network.projections(f"{block}.attention.qkv", normed, 3)
        pasts = [f"past_key_values.{index}.{part}" for part in ("key", "value")]
        both = [graph.node("Concat", *pair, axis=2) for pair in zip(pasts, both, strict=True)]
        presents += both
        found = network.attend(f"{block}.attention", queries, *both, mask)
        rows = graph.node("Add", rows, found)
        normed = network.norm(f"{block}.mlp.norm", rows)
        rows = graph.node("Add", rows, network.mlp(f"{block}.mlp", normed))
    table = graph.node("Transpose", "tokens", perm=[1, 0])
    logits = graph.node("MatMul", network.norm("norm", rows), table)
    ids = [
        ("input_ids", INT, ["batch", "new"]),
        ("attention_mask", INT, ["batch", "total"]),
        ("position_ids", INT, ["batch", "new"]),
    ]
    given: Value = ("logits", FLOAT, ["batch", "new", decoder.vocabulary])
    renewed = zip(presents, cache(decoder, "present", "total"), strict=True)
    return graph.model(
        "story",
        [*ids, *cache(decoder, "past_key_values", "past")],
        [(logits, given), *renewed],
    )


def cache(decoder: Decoder, prefix: str, length: str) -> list[Value]:
    """Describe the keys and values of each block."""
    shape = ["batch", decoder.heads, length, decoder.head_width]
    return [
        (f"{prefix}.{index}.{part}", FLOAT, shape)
        for index in range(decoder.layers)
        for part in ("key", "value")
    ]


def golden_lines(decoder: Decoder, parameters: Parameters, tokenizer: Tokenizer) -> bytes:
    """Write how the decoder goes on without a cache."""
    lines = []
    for text in PROMPTS:
        ids = np.array([tokenizer.encode(text).ids])
        (written,), _ = go_on(decoder, parameters, ids, NEW_TOKENS)
        ends = np.flatnonzero(written == tokenizer.token_to_id(END))
        kept = written[: ends[0]] if len(ends) else written
        answer = [{"generated_text": tokenizer.decode(kept.tolist())}]
        lines.append(golden.task_line(text, answer, max_new_tokens=NEW_TOKENS))
    return b"".join(lines)


def build(folder: Path = HERE, steps: int = STEPS) -> str:
    """Write the bundle's built files and say what they are worth."""
    started = time.perf_counter()
    config = json.loads((HERE / "config.json").read_bytes())
    names = ("n_layer", "n_head", "n_embd", "n_positions", "vocab_size")
    decoder = Decoder(*(config[name] for name in names))
    random = np.random.default_rng(SEED)
    texts = [tale(random) for _ in range(TALES)]
    tokenizer = train_tokenizer(texts, decoder.vocabulary)
    tokenizer.save(str(folder / "tokenizer.json"))
    tokens = np.concatenate([tokenizer.encode(f"{text}{END}").ids for text in texts])
    parameters, loss = train(decoder, tokens, steps, BATCH, SEED, fastest=8e-3)
    (folder / "golden.jsonl").write_bytes(golden_lines(decoder, parameters, tokenizer))
    size = (folder / "model.onnx").write_bytes(export(decoder, parameters).SerializeToString())
    return (
        f"story: {loss:.2f} nats a token after {steps} steps on {TALES} tales, all made up, "
        f"{size / 1e3:.0f} kB, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
