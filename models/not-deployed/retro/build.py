"""Make up reactions, train an encoder and a decoder on them, and export the bundle."""

import json
import sys
import time
from pathlib import Path

import numpy as np
from onnx import ModelProto
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

sys.path.append(str(Path(__file__).resolve().parents[3]))  # the repository, wherever we start

from models.layers import EPSILON, Tokens, fit
from models.layers import Parameters as Weights
from models.onnx_graph import Graph, Value
from models.transformer import FLOAT, INT, Transformer
from models.translator import Translator
from serval.tasks.parameters import Parameters
from serval_cli.bundle.task_golden import golden_line, open_bundle_task

HERE = Path(__file__).resolve().parent
SEED, STEPS, BATCH, HELD_OUT, GOLDEN = 0, 500, 12, 36, 8
ATOM = r"\[[^\]]+\]|Br|Cl|[A-Za-z]|[0-9]|[()=#.\-+/\\@]"
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]
PADDING, START, END, _ = range(4)
LEFT = [
    *("C", "CC", "CCC", "CCCC", "CC(C)", "CC(C)C", "C1CC1", "C1CCC1", "CO", "COCC", "N#CC"),
    *("c1ccccc1", "c1ccncc1", "c1ccsc1", "Fc1ccc(cc1)", "Cc1ccc(cc1)"),
]
RIGHT = [
    *("C", "CC", "CCC", "CCCC", "C(C)C", "CC(C)C", "C1CC1", "C1CCC1", "CCOC", "CC#N", "CCF"),
    *("c1ccccc1", "c1ccncc1", "c1ccsc1", "Cc1ccccc1", "c1ccc(F)cc1"),
]
RULES = {
    "{}C(=O)N{}": "{}C(=O)O.N{}",
    "{}C(=O)O{}": "{}C(=O)O.O{}",
    "{}S(=O)(=O)N{}": "{}S(=O)(=O)Cl.N{}",
    "{}CO{}": "{}CBr.O{}",
}
"""Product → what it is made of."""

Reactions = list[tuple[str, str]]


def reactions() -> tuple[Reactions, Reactions]:
    """Give reactions to train on, and others: each a product, and what it is made of."""
    found = [
        (product.format(left, right), source.format(left, right))
        for product, source in RULES.items()
        for left in LEFT
        for right in RIGHT
    ]
    order = np.random.default_rng(SEED).permutation(len(found))
    return [found[n] for n in order[HELD_OUT:]], [found[n] for n in order[:HELD_OUT]]


def make_tokenizer(texts: list[str]) -> Tokenizer:
    """Take SMILES apart into atoms, bonds and brackets; each text ends with ``</s>``."""
    split = pre_tokenizers.Split(Regex(ATOM), behavior="isolated")
    atoms = sorted({piece for text in texts for piece, _ in split.pre_tokenize_str(text)})
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *atoms])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", END)]
    )
    return tokenizer


def train(
    translator: Translator, tokenizer: Tokenizer, known: Reactions, steps: int
) -> tuple[Weights, float]:
    """Fit to batches of reactions; gives the last steps' mean loss too."""
    random = np.random.default_rng(SEED)
    parameters = translator.start(random)
    read, written = (
        [encoding.ids for encoding in tokenizer.encode_batch(list(side))]
        for side in zip(*known, strict=True)
    )

    def gradients() -> tuple[float, Weights]:
        chosen = random.choice(len(known), BATCH, replace=False)
        return translator.gradients(
            parameters,
            padded([read[n] for n in chosen]),
            padded([[START, *written[n]] for n in chosen]),
        )

    return parameters, fit(parameters, gradients, steps, fastest=6e-3)


def padded(texts: list[list[int]]) -> Tokens:
    """Put texts of several lengths into one array."""
    longest = max(map(len, texts))
    return np.array([[*text, *[PADDING] * (longest - len(text))] for text in texts])


def export_encoder(translator: Translator, parameters: Weights) -> ModelProto:
    """Give the graph that reads a product."""
    graph, network = begin(translator, parameters)
    rows = graph.node("Gather", "tokens", "input_ids")
    length = graph.node("Shape", "input_ids", start=1)
    rows = graph.node("Add", rows, places(graph, "encoder", network.integers(0), length))
    normed = network.norm("encoder.attention.norm", rows)
    found = network.projections("encoder.attention.qkv", normed, 3)
    seen = network.attend("encoder.attention", *found, network.hide_padding("attention_mask"))
    rows = graph.node("Add", rows, seen)
    normed = network.norm("encoder.mlp.norm", rows)
    rows = graph.node("Add", rows, network.mlp("encoder.mlp", normed))
    states = ("last_hidden_state", FLOAT, ["batch", "read", translator.width])
    inputs = [(name, INT, ["batch", "read"]) for name in ("input_ids", "attention_mask")]
    return graph.model("encoder", inputs, [(network.norm("encoder.norm", rows), states)])


def export_decoder(translator: Translator, parameters: Weights, *, past: bool) -> ModelProto:
    """Give the graph that writes: its first run, or with a past those after it.

    The first run gives the keys and values of what was read, too; they stay as they are.
    """
    graph, network = begin(translator, parameters)
    mask = network.hide_padding("encoder_attention_mask")
    start = network.integers(0)
    if past:
        start = graph.node("Shape", "past_key_values.0.decoder.key", start=2, end=3)
    new = graph.node("Shape", "input_ids", start=1)
    total = graph.node("Add", start, new)
    rows = graph.node("Gather", "tokens", "input_ids")
    rows = graph.node("Add", rows, places(graph, "decoder", start, total))
    normed = network.norm("decoder.attention.norm", rows)
    queries, *own = network.projections("decoder.attention.qkv", normed, 3)
    if past:
        before = ("past_key_values.0.decoder.key", "past_key_values.0.decoder.value")
        own = [graph.node("Concat", *pair, axis=2) for pair in zip(before, own, strict=True)]
    seen = network.attend("decoder.attention", queries, *own, network.hide_future(new, total))
    rows = graph.node("Add", rows, seen)
    (queries,) = network.projections(
        "decoder.cross.query", network.norm("decoder.cross.norm", rows), 1
    )
    read = ["past_key_values.0.encoder.key", "past_key_values.0.encoder.value"]
    if not past:
        read = network.projections("decoder.cross.keys_values", "encoder_hidden_states", 2)
    rows = graph.node("Add", rows, network.attend("decoder.cross", queries, *read, mask))
    normed = network.norm("decoder.mlp.norm", rows)
    rows = graph.node("Add", rows, network.mlp("decoder.mlp", normed))
    table = graph.node("Transpose", "tokens", perm=[1, 0])
    logits = graph.node("MatMul", network.norm("decoder.norm", rows), table)
    inputs: list[Value] = [
        ("encoder_attention_mask", INT, ["batch", "read"]),
        ("input_ids", INT, ["batch", "new"]),
    ]
    if past:
        inputs += cache(translator, "past_key_values", "decoder", "past")
        inputs += cache(translator, "past_key_values", "encoder", "read")
    else:
        inputs.append(("encoder_hidden_states", FLOAT, ["batch", "read", translator.width]))
    given: Value = ("logits", FLOAT, ["batch", "new", translator.vocabulary])
    outputs = [(logits, given)]
    outputs += zip(own, cache(translator, "present", "decoder", "total"), strict=True)
    if not past:
        outputs += zip(read, cache(translator, "present", "encoder", "read"), strict=True)
    return graph.model("decoder", inputs, outputs)


def begin(translator: Translator, parameters: Weights) -> tuple[Graph, Transformer]:
    """Begin a graph with the weights of the model."""
    graph = Graph()
    network = Transformer(graph, translator.heads, translator.width, EPSILON)
    network.add(parameters)
    return graph, network


def places(graph: Graph, side: str, start: str, end: str) -> str:
    """Give the vectors of positions from start to end."""
    axis = graph.constant(np.array([0], np.int64))
    return graph.node("Slice", f"{side}.positions", start, end, axis)


def cache(translator: Translator, prefix: str, side: str, length: str) -> list[Value]:
    """Describe the keys and values of what was written, or read."""
    shape = ["batch", translator.heads, length, translator.width // translator.heads]
    return [(f"{prefix}.0.{side}.{part}", FLOAT, shape) for part in ("key", "value")]


def build(folder: Path = HERE, steps: int = STEPS) -> str:
    """Write the bundle's built files and say what they are worth."""
    started = time.perf_counter()
    config = json.loads((folder / "config.json").read_bytes())
    known, others = reactions()
    tokenizer = make_tokenizer([text for pair in known for text in pair])
    tokenizer.save(str(folder / "tokenizer.json"))
    translator = Translator(
        config["decoder_attention_heads"],
        config["d_model"],
        config["max_position_embeddings"],
        tokenizer.get_vocab_size(),
        PADDING,
    )
    parameters, loss = train(translator, tokenizer, known, steps)
    graphs = {
        "encoder_model": export_encoder(translator, parameters),
        "decoder_model": export_decoder(translator, parameters, past=False),
        "decoder_with_past_model": export_decoder(translator, parameters, past=True),
    }
    for name, graph in graphs.items():
        (folder / f"{name}.onnx").write_bytes(graph.SerializeToString())
    task = open_bundle_task(folder, "encoder_model.onnx", {"name": "text2text-generation"})
    given = task.answer([product for product, _ in others], Parameters())
    right = [
        product
        for (product, source), answer in zip(others, given, strict=True)
        if answer["generated_text"] == source
    ]
    lines = [
        golden_line(task, "text2text-generation", {"inputs": product}) for product in right[:GOLDEN]
    ]
    (folder / "golden.jsonl").write_text("".join(lines))
    return (
        f"retro: {loss:.3f} nats a token after {steps} steps, {len(right)} of {len(others)} "
        f"held-out products right, all made up, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
