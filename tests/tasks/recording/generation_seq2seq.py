"""summarization, translation and text2text-generation by small models of four makes."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

from tests.tasks.recording.case import Case, seed
from tests.tasks.recording.decoders import export_seq2seq, finish
from tests.tasks.recording.merged import merge
from tests.tasks.recording.writers import LENGTH, byte_pairs, pieces

SPREAD = 0.7
TEXTS = ["The morning train to Amsterdam was late again", "Dogs and cats", "What did Maria write?"]
SIZES = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": LENGTH,
    "init_std": SPREAD,
    "attn_implementation": "eager",
}
CALLS: tuple[tuple[list[str], dict[str, Any]], ...] = (
    (TEXTS[:1], {"max_new_tokens": 10}),
    (TEXTS, {"max_new_tokens": 9}),
    (TEXTS, {"max_new_tokens": 9, "num_beams": 3}),
    (TEXTS, {"max_new_tokens": 9, "num_beams": 4, "length_penalty": 0.3}),
    (TEXTS, {"max_new_tokens": 12, "num_beams": 2, "no_repeat_ngram_size": 2}),
    (TEXTS, {"max_new_tokens": 12, "repetition_penalty": 1.6, "min_length": 6}),
    (TEXTS[:1], {"max_new_tokens": 9, "encoder_no_repeat_ngram_size": 1}),
    (TEXTS[:1], {"max_length": 12, "encoder_repetition_penalty": 1.8}),
)


def record(folder: Path) -> None:
    """Write the cases."""
    t5(Case(folder / "t5-summarization", "summarization"))
    t5(Case(folder / "t5-translation", "translation"))
    bart(Case(folder / "bart-no-cache", "text2text-generation"))
    marian(Case(folder / "marian", "translation"))
    mbart(Case(folder / "mbart-merged", "translation"))


def t5(case: Case) -> None:
    """Prefixes and settings of ``task_specific_params``; relative positions."""
    tokenizer = pieces()
    own = {"prefix": "summarize: ", "num_beams": 2, "max_length": 14, "no_repeat_ngram_size": 3}
    prefix = {"prefix": "translate English to German: "}
    seed()
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=16,
            d_kv=8,
            d_ff=24,
            num_layers=1,
            num_heads=2,
            initializer_factor=3.0,
            decoder_start_token_id=0,
            task_specific_params={"summarization": own, "translation_en_to_de": prefix},
            attn_implementation="eager",
        )
    ).eval()
    case.save(model, tokenizer)
    export_seq2seq(case, model)
    if case.folder.name == "t5-summarization":
        for texts, parameters in CALLS:
            marked = [own["prefix"] + text for text in texts]
            settings = {key: own[key] for key in ("num_beams", "no_repeat_ngram_size")}
            found = written(model, tokenizer, marked, {**settings, **parameters})
            case.add(texts, [{"summary_text": text} for text in found], **parameters)
        found = written(
            model, tokenizer, [own["prefix"] + TEXTS[0]], {**settings, "max_length": 14}
        )
        case.add(TEXTS[:1], [{"summary_text": text} for text in found])
    else:
        for texts, parameters in CALLS[:3]:
            marked = [prefix["prefix"] + text for text in texts]
            found = written(model, tokenizer, marked, parameters)
            more = {"src_lang": "en", "tgt_lang": "de", "generate_parameters": parameters}
            case.add(texts, [{"translation_text": text} for text in found], **more)
    finish(case)


def bart(case: Case) -> None:
    """Forced tokens at both ends, and a decoder that reads everything in each run."""
    tokenizer = byte_pairs(special=("<s>", "<pad>", "</s>"))
    tokenizer.bos_token, tokenizer.pad_token = "<s>", "<pad>"
    tokenizer.padding_side = "right"
    seed()
    model = BartForConditionalGeneration(
        BartConfig(
            vocab_size=len(tokenizer),
            bos_token_id=0,
            pad_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=2,
            forced_bos_token_id=0,
            forced_eos_token_id=2,
            **SIZES,
        )
    ).eval()
    model.generation_config.forced_bos_token_id = 0
    model.generation_config.forced_eos_token_id = 2
    case.save(model, tokenizer)
    export_seq2seq(case, model, with_past=False)
    answer(case, model, tokenizer, "generated_text")


def marian(case: Case) -> None:
    """A bad word in the generation config, beams by default, positions of sines."""
    tokenizer = pieces()
    size = len(tokenizer)
    seed()
    model = MarianMTModel(
        MarianConfig(
            vocab_size=size,
            decoder_vocab_size=size,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
            forced_eos_token_id=1,
            **SIZES,
        )
    ).eval()
    model.generation_config.bad_words_ids = [[0]]
    model.generation_config.num_beams = 4
    model.generation_config.forced_eos_token_id = 1
    case.save(model, tokenizer)
    export_seq2seq(case, model)
    answer(case, model, tokenizer, "translation_text")


def mbart(case: Case) -> None:
    """Languages by tokens; both decoders merged in one graph."""
    languages = ("en_XX", "de_DE", "fr_XX")
    tokenizer = pieces(languages)
    seed()
    model = MBartForConditionalGeneration(
        MBartConfig(
            vocab_size=len(tokenizer),
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
            decoder_start_token_id=1,
            forced_eos_token_id=None,
            **SIZES,
        )
    ).eval()
    case.save(model, tokenizer)
    export_seq2seq(case, model)
    merge(case.bundle)
    for source, target in (("en_XX", "de_DE"), ("fr_XX", "en_XX")):
        forced = {"forced_bos_token_id": tokenizer.convert_tokens_to_ids(target)}
        code = tokenizer.convert_tokens_to_ids(source)
        for texts, parameters in CALLS[:3]:
            found = written(model, tokenizer, texts, {**parameters, **forced}, first=code)
            more = {"src_lang": source, "tgt_lang": target, "generate_parameters": parameters}
            case.add(texts, [{"translation_text": text} for text in found], **more)
    finish(case)


def answer(case: Case, model: Any, tokenizer: Any, key: str) -> None:
    """Record every call."""
    for texts, parameters in CALLS:
        found = written(model, tokenizer, texts, parameters)
        case.add(texts, [{key: text} for text in found], **parameters)
    finish(case)


def written(
    model: Any, tokenizer: Any, texts: list[str], settings: Any, first: int | None = None
) -> list[str]:
    """Return what ``generate`` writes: there are no pipelines of these tasks any more."""
    given = tokenizer(texts, padding=True, return_tensors="pt")
    if first is not None:
        given["input_ids"][:, 0] = first
    given.pop("token_type_ids", None)
    with torch.no_grad():
        found = model.generate(**given, **{"do_sample": False, **settings})
    return list(tokenizer.batch_decode(found, skip_special_tokens=True))
