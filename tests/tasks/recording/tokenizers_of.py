"""Small tokenizers of the three kinds, trained on a page of text."""

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


def wordpiece() -> Any:
    """Return a tokenizer such as BERT's: lower case, without accents."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    train(tokenizer, trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=special))
    return BertTokenizer(vocab=tokenizer.get_vocab(), model_max_length=LENGTH)


def bpe() -> Any:
    """Return a tokenizer such as RoBERTa's: byte-level, so that nothing is unknown."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE + 190, special_tokens=special, initial_alphabet=sorted(alphabet)
    )
    train(tokenizer, trainer)
    model = saved_model(tokenizer)
    merges = [tuple(merge) for merge in model["merges"]]
    return RobertaTokenizer(vocab=model["vocab"], merges=merges, model_max_length=LENGTH)


def unigram() -> Any:
    """Return a tokenizer such as XLM-RoBERTa's: pieces with a likelihood, spaces as ``▁``."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=SIZE, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    train(tokenizer, trainer)
    vocab = [(piece, round(score, 4)) for piece, score in saved_model(tokenizer)["vocab"]]
    return XLMRobertaTokenizer(vocab=[*vocab, ("<mask>", 0.0)], model_max_length=LENGTH)


def train(tokenizer: Any, trainer: Any, text: Iterable[str] = tuple(TEXT)) -> None:
    tokenizer.train_from_iterator(text, trainer)


def saved_model(tokenizer: Any) -> Any:
    import json

    return json.loads(tokenizer.to_str())["model"]
