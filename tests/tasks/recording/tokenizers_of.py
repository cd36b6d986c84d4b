"""Small tokenizers of the three kinds, made from a page of text."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertTokenizer, RobertaTokenizer, XLMRobertaTokenizer

LENGTH = 32
"""The longest sequence that the small models take."""
TEXT = """
The morning train to Amsterdam was late again, and Maria Keller wrote a letter to the company.
Zürich and São Paulo signed a contract with Microsoft; the café in Kraków stayed open at night.
We loved the film, the actors were wonderful, but the music was terrible and the story too long.
What did the engineers of Siemens build in Lisbon? They built a bridge, a school and 24 houses.
My new phone has a problem with its battery: it must be repaired before Monday, please help!
The president of the bank said that prices had risen by 3.5 percent since the summer of 2019.
Dogs and cats live in the garden behind the old house; the river is cold, and the sky is blue.
Paris is the capital of France. Berlin is the capital of Germany. Where is the capital of Peru?
""".strip().splitlines()
SIZE = 180
LONGEST = 4
"""The most characters of a piece."""


def wordpiece() -> Any:
    """Return a tokenizer such as BERT's: lower case, without accents."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    normalizer = normalizers.BertNormalizer(lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    words = [
        word
        for line in TEXT
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(line))
    ]
    pieces = [*special, *frequent(words, SIZE - len(special), within="##")]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    return BertTokenizer(vocab=vocab, model_max_length=LENGTH)


def bpe() -> Any:
    """Return a tokenizer such as RoBERTa's: byte-level, so that nothing is unknown."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE + 190, special_tokens=special, initial_alphabet=sorted(alphabet)
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return RobertaTokenizer(vocab=model["vocab"], merges=merges, model_max_length=LENGTH)


def unigram() -> Any:
    """Return a tokenizer such as XLM-RoBERTa's: pieces with a likelihood, spaces as ``▁``."""
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    counts = frequent([f"▁{word}" for line in TEXT for word in line.split()], SIZE - 5)
    total = sum(counts.values())
    likely = [(piece, round(math.log(count / total), 4)) for piece, count in counts.items()]
    return XLMRobertaTokenizer(vocab=[*special, *likely, ("<mask>", 0.0)], model_max_length=LENGTH)


def frequent(words: Iterable[str], count: int, within: str = "") -> dict[str, int]:
    """Return the pieces that save the most characters, each with how often it is there.

    Those of one character are always among them; ``within`` marks a piece inside a word. Unlike
    the trainers of ``tokenizers``, it finds the same each time.
    """
    found = Counter(
        (within if begin else "") + word[begin : begin + length]
        for word in words
        for begin in range(len(word))
        for length in range(1, min(LONGEST, len(word) - begin) + 1)
    )
    order = sorted(
        found, key=lambda one: (len(one.removeprefix(within)) > 1, -saved(found, one), one)
    )
    return {piece: found[piece] for piece in order[:count]}


def saved(found: Counter[str], piece: str) -> int:
    return found[piece] * (len(piece) - 1)
