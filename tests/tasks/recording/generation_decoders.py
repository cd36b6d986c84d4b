"""text-generation by decoders of two makes, with a cache and without."""

from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, pipeline

from tests.tasks.recording.case import Case, seed
from tests.tasks.recording.decoders import export_decoder, finish
from tests.tasks.recording.writers import LENGTH, byte_pairs, word_pairs

SPREAD = 0.7
"""Standard deviation of the weights: with the usual 0.02 every token is as likely."""
TEXTS = ["The morning train", "Dogs and cats live in the garden", "Zürich"]
CALLS: tuple[tuple[list[str], dict[str, Any]], ...] = (
    (TEXTS[:1], {"max_new_tokens": 12}),
    (TEXTS[:1], {"max_new_tokens": 8, "return_full_text": True}),
    (TEXTS, {"max_new_tokens": 10}),
    (TEXTS, {"max_new_tokens": 14, "repetition_penalty": 1.7}),
    (TEXTS, {"max_new_tokens": 14, "no_repeat_ngram_size": 2}),
    (TEXTS, {"max_new_tokens": 10, "min_new_tokens": 6}),
    (TEXTS[:1], {"max_length": 20}),
    (TEXTS[:1], {"max_new_tokens": 10, "num_beams": 3}),
    (TEXTS[1:], {"max_new_tokens": 12, "num_beams": 3, "no_repeat_ngram_size": 3}),
    (TEXTS[1:], {"max_new_tokens": 9, "num_beams": 4, "length_penalty": 2.0}),
    (TEXTS[1:], {"max_new_tokens": 9, "num_beams": 3, "early_stopping": True}),
    (TEXTS[1:], {"max_new_tokens": 9, "num_beams": 2, "early_stopping": "never"}),
    (TEXTS[:1], {"max_new_tokens": 9, "bad_words_ids": [[40], [41, 42], [120]]}),
    (TEXTS[:1], {"max_new_tokens": 9, "suppress_tokens": list(range(20, 200))}),
    (TEXTS[:1], {"max_new_tokens": 9, "begin_suppress_tokens": list(range(100, 300))}),
    (TEXTS[:1], {"max_new_tokens": 12, "exponential_decay_length_penalty": [3, 1.5]}),
)


def record(folder: Path) -> None:
    """Write the cases."""
    tokenizer = byte_pairs()
    size = len(tokenizer)
    config = GPT2Config(
        vocab_size=size,
        n_positions=LENGTH,
        n_embd=16,
        n_layer=2,
        n_head=2,
        initializer_range=SPREAD,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        attn_implementation="eager",
    )
    seed()
    model = GPT2LMHeadModel(config).eval()
    likely_end(model.generation_config, model, tokenizer)
    write(Case(folder / "gpt2", "text-generation"), model, tokenizer, positions=True)
    plain(Case(folder / "gpt2-no-cache", "text-generation"), model, tokenizer)

    tokenizer = word_pairs()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=LENGTH,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=SPREAD,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        attn_implementation="eager",
    )
    seed()
    model = LlamaForCausalLM(config).eval()
    likely_end(model.generation_config, model, tokenizer)
    case = Case(folder / "llama", "text-generation")
    write(case, model, tokenizer, positions=False)


def likely_end(config: Any, model: Any, tokenizer: Any) -> None:
    """Let some text end early: a token that the model writes soon is an end as well."""
    given = tokenizer(TEXTS[1], return_tensors="pt")
    found = model.generate(**given, max_new_tokens=9, do_sample=False)[0].tolist()
    fresh = found[given["input_ids"].shape[1] :]
    config.eos_token_id = [tokenizer.eos_token_id, fresh[5]]
    config.pad_token_id = tokenizer.pad_token_id


def write(case: Case, model: Any, tokenizer: Any, *, positions: bool) -> None:
    """Export with a cache, and record every call and the details of one."""
    case.save(model, tokenizer)
    export_decoder(case, model, positions=positions)
    answer(case, model, tokenizer, CALLS)
    given = tokenizer(TEXTS[:1], return_tensors="pt")
    found = model.generate(
        **given,
        max_new_tokens=6,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    logs = model.compute_transition_scores(found.sequences, found.scores, normalize_logits=True)
    fresh = found.sequences[0, given["input_ids"].shape[1] :].tolist()
    prompt = given["input_ids"][0].tolist()
    with torch.no_grad():
        all_logs = model(**given).logits[0].log_softmax(-1)
    case.add(
        TEXTS[:1],
        [
            {
                "generated_text": tokenizer.decode(fresh, skip_special_tokens=True),
                "details": {
                    "finish_reason": "length" if len(fresh) == 6 else "eos_token",
                    "generated_tokens": len(fresh),
                    "seed": None,
                    "prefill": [
                        {
                            "id": token,
                            "text": tokenizer.decode([token]),
                            "logprob": float(all_logs[at - 1, token]) if at else None,
                        }
                        for at, token in enumerate(prompt)
                    ],
                    "tokens": [
                        {"id": token, "text": text, "logprob": float(log), "special": False}
                        for token, text, log in zip(
                            fresh, texts(tokenizer, fresh), logs[0], strict=True
                        )
                    ],
                },
            }
        ],
        max_new_tokens=6,
        details=True,
        decoder_input_details=True,
    )
    finish(case)


def texts(tokenizer: Any, ids: list[int]) -> list[str]:
    """Return what each token adds to the text of those before it; bytes wait for the last."""
    found, told = [], ""
    for at in range(len(ids)):
        text = tokenizer.decode(ids[: at + 1])
        whole = not text.endswith("\ufffd") or at == len(ids) - 1
        found.append(text[len(told) :] if whole else "")
        told = text if whole else told
    return found


def plain(case: Case, model: Any, tokenizer: Any) -> None:
    """Export without a cache: ids and a mask in, logits out."""
    case.save(model, tokenizer)
    given = {"input_ids": torch.ones(2, 3, dtype=torch.long)}
    given["attention_mask"] = torch.ones_like(given["input_ids"])
    axes = {0: "batch", 1: "sequence"}
    model.config.use_cache = False
    case.export(model, given, ["logits"], dict.fromkeys([*given, "logits"], axes))
    model.config.use_cache = True
    answer(case, model, tokenizer, CALLS[1:8])
    finish(case)


def answer(case: Case, model: Any, tokenizer: Any, calls: Any) -> None:
    """Record what the original's pipeline answers, and one call with a stop string."""
    ask = pipeline("text-generation", model=model, tokenizer=tokenizer)
    for given, parameters in calls:
        full = {"return_full_text": False, "do_sample": False} | parameters
        case.add(given, [one[0] for one in ask(given, batch_size=3, **full)], **parameters)
    written = case.calls[0]["answers"][0]["generated_text"]
    readable = [at for at in range(3, len(written)) if "\ufffd" not in written[at : at + 2]]
    stop = written[readable[0] :][:2]
    for beams in (1, 3):
        found = ask(
            TEXTS[:1],
            return_full_text=False,
            do_sample=False,
            max_new_tokens=12,
            stop_sequence=[stop, "never"],
            num_beams=beams,
        )
        answers = [one[0] for one in found]
        case.add(TEXTS[:1], answers, max_new_tokens=12, stop=[stop, "never"], num_beams=beams)
