"""Learn words from made-up sentences, put an encoder over them, and export the bundle."""

import json
import sys
import time
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import numpy.typing as npt
from onnx import ModelProto
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import WordPieceTrainer

sys.path.append(str(Path(__file__).resolve().parents[3]))  # the repository, wherever we start

from models.layers import Parameters, start_linear, start_norm
from models.onnx_graph import Graph
from models.transformer import FLOAT, INT, Transformer
from serval_cli.bundle.task_golden import golden_line, open_bundle_task

HERE = Path(__file__).resolve().parent
SEED, SENTENCES = 0, 800
LENGTH = 2
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOPICS = {
    "weather": (
        ["the sun", "the rain", "a storm", "the wind", "the snow", "a cloud", "the fog"],
        ["came", "passed", "darkened the sky", "cooled the air", "surprised us", "cleared"],
        ["before dawn", "over the hills", "all night", "in the north", "this morning"],
    ),
    "kitchen": (
        ["the cook", "my aunt", "the baker", "our guest", "the waiter", "a chef"],
        ["fried onions", "baked bread", "tasted the soup", "peeled carrots", "salted the fish"],
        ["in the pan", "for dinner", "with butter", "in the oven", "at the table"],
    ),
    "football": (
        ["the keeper", "the striker", "our team", "the referee", "a defender", "the captain"],
        ["scored a goal", "missed the ball", "won the match", "kicked a penalty", "lost the cup"],
        ["in the stadium", "before the fans", "after half time", "on the pitch", "in the league"],
    ),
    "sea": (
        ["the ship", "a sailor", "the ferry", "the whale", "a gull", "the lighthouse"],
        ["crossed the waves", "followed the coast", "left the harbour", "sank", "met the tide"],
        ["off the island", "near the beach", "in deep water", "by the pier", "under sail"],
    ),
}
QUESTIONS = [
    "The rain surprised us.",
    "My aunt baked bread.",
    "Our team won the cup in the league.",
]


def sentences() -> list[str]:
    """Say that many things, each about one topic."""
    random = np.random.default_rng(SEED)
    topics = list(TOPICS.values())
    chosen = random.integers(0, len(topics), SENTENCES)
    return [" ".join(str(random.choice(part)) for part in topics[one]) for one in chosen]


def train_tokenizer(texts: list[str], vocabulary: int) -> Tokenizer:
    """Learn pieces of words, as BERT's tokenizer does."""
    # The trainer would number the letters inside words in another order each time.
    inside = [f"##{letter}" for letter in ascii_lowercase]
    trainer = WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=[*SPECIAL, *inside], show_progress=False
    )
    learning = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learning.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    learning.train_from_iterator(texts, trainer)
    tokenizer = Tokenizer(models.WordPiece(learning.get_vocab(), unk_token="[UNK]"))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, SPECIAL.index(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def learn_words(
    texts: list[str], tokenizer: Tokenizer, vocabulary: int, width: int
) -> npt.NDArray[np.float32]:
    """Give similar vectors to words that stand in similar sentences.

    They are the main axes of the positive pointwise mutual information of two words in a sentence
    (Levy & Goldberg, 2014). Words that stand in any sentence, such as "the", have short vectors,
    which norms would lengthen: the last ``LENGTH`` columns are long and alike for all words.
    """
    found = np.zeros((len(texts), vocabulary))
    for row, encoding in enumerate(tokenizer.encode_batch(texts, add_special_tokens=False)):
        found[row, encoding.ids] = 1
    together = found.T @ found
    alone = np.maximum(together.sum(axis=1), 1)
    with np.errstate(divide="ignore"):
        information = np.log(together * alone.sum() / np.outer(alone, alone))
    axes, sizes, _ = np.linalg.svd(np.maximum(information, 0))
    kept = width - LENGTH
    vectors = axes[:, :kept] * np.sqrt(sizes[:kept])
    # Which way an axis points is chance, and differs between machines.
    vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)])
    longest = 3 * np.linalg.norm(vectors, axis=1).max() * np.array([1, -1])
    return np.hstack([vectors, np.tile(longest, (vocabulary, 1))]).astype(np.float32)


def draw_layers(layers: int, width: int, inner: int) -> Parameters:
    """Draw the weights of the layers, small: they change little of what the words mean."""
    random = np.random.default_rng(SEED)
    shapes = {
        "attention.qkv": (width, 3 * width),
        "attention.out": (width, width),
        "mlp.up": (width, inner),
        "mlp.down": (inner, width),
    }
    drawn: Parameters = {}
    for layer in range(layers):
        for part in ("attention", "mlp"):
            drawn |= start_norm(f"layer{layer}.{part}.norm", width)
        for name, (into, out) in shapes.items():
            drawn |= start_linear(random, f"layer{layer}.{name}", into, out, 0.1)
    # What gave the vectors their length is no part of what they mean.
    drawn[f"layer{layers - 1}.mlp.norm.gain"][-LENGTH:] = 0
    return {name: array.astype(np.float32) for name, array in drawn.items()}


def export(config: dict[str, int], words: npt.NDArray[np.float32]) -> ModelProto:
    """Give the graph as optimum exports BERT: tokens in, their last hidden states out."""
    width, layers = config["hidden_size"], config["num_hidden_layers"]
    random = np.random.default_rng(SEED)
    graph = Graph()
    network = Transformer(
        graph, config["num_attention_heads"], width, config["layer_norm_eps"], gelu="none"
    )
    network.add(draw_layers(layers, width, config["intermediate_size"]))
    network.add({"norm.gain": np.ones(width, np.float32), "norm.bias": np.zeros(width, np.float32)})
    network.add({"words": words})
    for name, key in (("positions", "max_position_embeddings"), ("types", "type_vocab_size")):
        network.add({name: random.normal(0, 0.02, (config[key], width)).astype(np.float32)})
    length = graph.node("Squeeze", graph.node("Shape", "input_ids", start=1))
    zero, one = (graph.constant(np.array(number, np.int64)) for number in (0, 1))
    positions = graph.node("Gather", "positions", graph.node("Range", zero, length, one))
    rows = graph.node("Add", graph.node("Gather", "words", "input_ids"), positions)
    rows = graph.node("Add", rows, graph.node("Gather", "types", "token_type_ids"))
    rows = network.norm("norm", rows)
    mask = network.hide_padding("attention_mask")
    for layer in (f"layer{number}" for number in range(layers)):
        found = network.projections(f"{layer}.attention.qkv", rows, 3)
        seen = network.attend(f"{layer}.attention", *found, mask)
        rows = network.norm(f"{layer}.attention.norm", graph.node("Add", rows, seen))
        thought = network.mlp(f"{layer}.mlp", rows)
        rows = network.norm(f"{layer}.mlp.norm", graph.node("Add", rows, thought))
    names = ("input_ids", "attention_mask", "token_type_ids")
    states = ("last_hidden_state", FLOAT, ["batch", "tokens", width])
    inputs = [(name, INT, ["batch", "tokens"]) for name in names]
    return graph.model("encoder", inputs, [(rows, states)])


def build(folder: Path = HERE) -> str:
    """Write the bundle's built files and say what they are worth."""
    started = time.perf_counter()
    config = json.loads((folder / "config.json").read_bytes())
    texts = sentences()
    tokenizer = train_tokenizer(texts, config["vocab_size"])
    tokenizer.save(str(folder / "tokenizer.json"))
    words = learn_words(texts, tokenizer, config["vocab_size"], config["hidden_size"])
    size = (folder / "model.onnx").write_bytes(export(config, words).SerializeToString())
    task = open_bundle_task(folder, "model.onnx", {"name": "feature-extraction"})
    lines = [golden_line(task, "feature-extraction", {"inputs": text}) for text in QUESTIONS]
    (folder / "golden.jsonl").write_text("".join(lines))
    return (
        f"encoder: {tokenizer.get_vocab_size()} pieces of words from {SENTENCES} sentences, all "
        f"made up, over seeded layers, {size / 1e3:.0f} kB, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
