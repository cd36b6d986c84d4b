"""Tokenizers of models that write, each of the kind that is usual for one."""

import json
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tests.tasks.recording.tokenizers_of import TEXT

LENGTH = 48
"""How many positions the small models have."""
QUICK = {"show_progress": False}


def byte_pairs(size: int = 300, special: tuple[str, ...] = ("<|endoftext|>",)) -> Any:
    """Return a tokenizer such as GPT-2's: bytes, so that nothing is unknown."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, **QUICK
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    end = special[-1]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=end, bos_token=end, pad_token=end, padding_side="left"
    )


def word_pairs() -> Any:
    """Return a tokenizer such as LLaMA's: spaces as ``▁``, a start token, bytes as a fallback."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special[:3], **QUICK)
    tokenizer.train_from_iterator([*TEXT, " ".join(special[3:])], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
        padding_side="left",
    )


def pieces(languages: tuple[str, ...] = ()) -> Any:
    """Return a tokenizer such as T5's and Marian's: pieces with a likelihood, an end token."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>", *languages]
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=special, unk_token="<unk>", **QUICK
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    # Training sums in any order of threads: the likelihoods differ in their last digits.
    learned = json.loads(tokenizer.to_str())["model"]["vocab"]
    rest = sorted((piece, round(score, 2)) for piece, score in learned[len(special) :])
    learned = [*map(tuple, learned[: len(special)]), *rest]
    tokenizer.model = models.Unigram(learned, special.index("<unk>"))
    lead = f"{languages[0]} " if languages else ""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{lead}$A </s>",
        special_tokens=[("</s>", 1), *((name, 3 + at) for at, name in enumerate(languages))],
    )
    more = {"additional_special_tokens": list(languages)} if languages else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=LENGTH,
        **more,
    )
