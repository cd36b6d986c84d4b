"""Cases of ``automatic-speech-recognition`` by Whisper, which hears a second at once here."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import (
    AddedToken,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
    pipeline,
)

from tests.tasks.recording.case import Case, seed
from tests.tasks.recording.decoders import CachedDecoder, Head, Plain
from tests.tasks.recording.slim import slim
from tests.tasks.recording.sounds import FOLDER, FORMATS, as_input, as_samples

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
SPECIAL = ["endoftext", "startoftranscript", "en", "de", "fr", "translate", "transcribe"]
SPECIAL += ["startofprev", "nospeech", "notimestamps"]
POSITIONS, WIDTH = 50, 8
TIMES = [f"<|{step * 0.02:.2f}|>" for step in range(POSITIONS + 1)]


def record(folder: Path) -> None:
    """Write a case of many languages with times, and one that is forced as older models are."""
    record_kind(folder / "whisper", [{}, {"language": "german"}, {"task": "translate"}], many=True)
    record_kind(folder / "whisper-english", [{}], many=False)


def record_kind(folder: Path, calls: list[dict[str, Any]], *, many: bool) -> None:
    """Write the case of one model."""
    seed()
    tokenizer = tokenizer_of()
    model: Any = WhisperForConditionalGeneration(config_of(tokenizer)).eval()
    settle(model.generation_config, tokenizer, many=many)
    extractor = WhisperFeatureExtractor(feature_size=16, chunk_length=1)
    case = Case(folder, "automatic-speech-recognition")
    case.save(model, extractor, tokenizer)
    export(case, model, cached=many)
    slim(case.bundle)
    ask = pipeline(
        "automatic-speech-recognition",
        model=model,
        feature_extractor=extractor,
        tokenizer=tokenizer,
    )

    def add(sounds: list[str], **parameters: Any) -> None:
        heard = [as_samples(folder.parent / FOLDER, one) for one in sounds]
        kwargs = {name: parameters[name] for name in parameters if name != "return_timestamps"}
        more = {name: parameters[name] for name in parameters if name == "return_timestamps"}
        answers = [ask(one, generate_kwargs=dict(kwargs), **more) for one in heard]
        case.add([as_input(one) for one in sounds], answers, **parameters)

    short = [name for name in FORMATS if name != "sweep.wav"]
    for call in calls:
        add(short, num_beams=1, **call)
        add(short[:3], **call)
        add(short[:4], num_beams=1, return_timestamps=True, **call)
        add(["sweep.wav"], num_beams=1, return_timestamps=True, **call)
    add(["sweep.wav"], return_timestamps=True)
    add(["sweep.wav", "deep.wav"], max_new_tokens=5, num_beams=2)
    case.write()


def config_of(tokenizer: Any) -> WhisperConfig:
    """Return a small configuration."""
    ids = tokenizer.convert_tokens_to_ids
    return WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        num_mel_bins=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        max_source_positions=POSITIONS,
        max_target_positions=40,
        init_std=0.7,
        attn_implementation="eager",
        decoder_start_token_id=ids("<|startoftranscript|>"),
        **{f"{name}_token_id": ids("<|endoftext|>") for name in ("bos", "eos", "pad")},
    )


def settle(config: Any, tokenizer: Any, *, many: bool) -> None:
    """Write what Whisper's own generation_config.json has, and keep to letters."""
    ids = tokenizer.convert_tokens_to_ids
    config.no_timestamps_token_id = ids("<|notimestamps|>")
    config.max_initial_timestamp_index = 20
    config.max_length = 40
    config.is_multilingual = many
    config.begin_suppress_tokens = [BYTES.index("Ġ"), ids("<|endoftext|>")]
    letters = set("abcdefghijklmnopqrstuvwxyzĠ',.")
    config.suppress_tokens = [at for at, one in enumerate(BYTES) if one not in letters]
    config.suppress_tokens += [ids(f"<|{name}|>") for name in SPECIAL[1:-1]]
    if many:
        config.lang_to_id = {f"<|{code}|>": ids(f"<|{code}|>") for code in SPECIAL[2:5]}
        config.task_to_id = {name: ids(f"<|{name}|>") for name in ("transcribe", "translate")}
    else:
        config.forced_decoder_ids = [[1, ids("<|notimestamps|>")]]


def tokenizer_of() -> WhisperTokenizer:
    """Return a tokenizer of bytes, with Whisper's special tokens and times."""
    vocabulary = {one: at for at, one in enumerate(BYTES)}
    vocabulary["<|endoftext|>"] = len(vocabulary)
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[])
    special = [f"<|{name}|>" for name in SPECIAL]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.add_tokens([AddedToken(time, special=False, normalized=False) for time in TIMES])
    return tokenizer


class Ears(torch.nn.Module):
    """The encoder."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder = model.get_encoder()

    def forward(self, features: torch.Tensor) -> Any:
        return self.encoder(features).last_hidden_state


class Hand(torch.nn.Module):
    """The decoder."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.decoder = CachedDecoder(model)

    def forward(self, ids: torch.Tensor, states: torch.Tensor, *past: torch.Tensor) -> Any:
        return self.decoder(None, ids, states, *past)


def export(case: Case, model: Any, *, cached: bool) -> None:
    """Export encoder, decoder, and the decoder of later runs if there is a cache."""
    features = {"input_features": torch.randn(2, 16, 2 * POSITIONS)}
    states = "last_hidden_state"
    batch = {0: "batch"}
    case.export(
        Plain(Ears(model)),
        features,
        [states],
        {"input_features": batch, states: batch},
        "encoder_model.onnx",
    )
    kinds = ("decoder.key", "decoder.value", "encoder.key", "encoder.value")
    past = [f"past_key_values.0.{kind}" for kind in kinds]
    presents = [name.replace("past_key_values", "present") for name in past]
    given = {
        "input_ids": torch.ones(2, 3, dtype=torch.long),
        "encoder_hidden_states": torch.randn(2, POSITIONS, WIDTH),
    }
    axes = {
        "input_ids": {0: "batch", 1: "sequence"},
        "encoder_hidden_states": batch,
        "logits": {0: "batch", 1: "sequence"},
        **{name: {0: "batch", 2: f"length of {name}"} for name in (*past, *presents)},
    }
    decoder = Plain(Hand(model))
    outputs = ["logits", *(presents if cached else [])]
    case.export(Head(decoder, len(outputs)), given, outputs, axes, "decoder_model.onnx")
    if not cached:
        return
    given["input_ids"] = given["input_ids"][:, :1]
    cache = {
        name: torch.randn(2, 2, POSITIONS if ".encoder." in name else 4, WIDTH // 2)
        for name in past
    }
    outputs = ["logits", *presents[:2]]
    case.export(decoder, given | cache, outputs, axes, "decoder_with_past_model.onnx")
