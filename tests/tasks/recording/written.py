"""A case of ``automatic-speech-recognition`` by Wav2Vec2 with a decoder that is GPT-2's."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    SpeechEncoderDecoderModel,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    pipeline,
)

from tests.tasks.recording.case import Case, seed
from tests.tasks.recording.decoders import Plain
from tests.tasks.recording.recognition import wav2vec2_config
from tests.tasks.recording.slim import slim
from tests.tasks.recording.sounds import FOLDER, as_input, as_samples
from tests.tasks.recording.writers import byte_pairs

SOUNDS = ["deep.wav", "stereo.flac", "phone.wav"]
END = 0
HIDDEN, STATES = "last_hidden_state", "encoder_hidden_states"


def record(folder: Path) -> None:
    """Write the case."""
    seed()
    tokenizer = byte_pairs()
    model = model_of(tokenizer)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=False)
    case = Case(folder / "speech-written", "automatic-speech-recognition")
    case.save(model, extractor, tokenizer)
    lengths = {0: "batch", 1: "samples"}
    case.export(
        Plain(Hearing(model)),
        {"input_values": torch.randn(1, 8000)},
        [HIDDEN],
        {"input_values": lengths, HIDDEN: {0: "batch", 1: "frames"}},
        "encoder_model.onnx",
    )
    given = {"input_ids": torch.ones(1, 3, dtype=torch.long), STATES: torch.randn(1, 19, 16)}
    axes = {name: {0: "batch", 1: f"length of {name}"} for name in (*given, "logits")}
    case.export(Plain(Writing(model)), given, ["logits"], axes, "decoder_model.onnx")
    slim(case.bundle)
    ask = pipeline(
        "automatic-speech-recognition",
        model=model,
        feature_extractor=extractor,
        tokenizer=tokenizer,
    )
    for asked in ({"num_beams": 1, "max_new_tokens": 12}, {"max_new_tokens": 9}):
        heard = [as_samples(folder / FOLDER, name) for name in SOUNDS]
        answers = [ask(one, generate_kwargs=dict(asked)) for one in heard]
        case.add([as_input(name) for name in SOUNDS], answers, **asked)
    case.write()


def model_of(tokenizer: Any) -> Any:
    """Return a small model of two."""
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=40,
        n_embd=16,
        n_layer=1,
        n_head=2,
        add_cross_attention=True,
        is_decoder=True,
        initializer_range=0.7,
        bos_token_id=END,
        eos_token_id=END,
        attn_implementation="eager",
    )
    hearing = wav2vec2_config()
    hearing.num_hidden_layers = 1
    encoder = Wav2Vec2Model(hearing)
    model = SpeechEncoderDecoderModel(encoder=encoder, decoder=GPT2LMHeadModel(config)).eval()
    for settings in (model.config, model.generation_config):
        settings.decoder_start_token_id = END
        settings.pad_token_id = settings.eos_token_id = END
    return model


class Hearing(torch.nn.Module):
    """The encoder."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder = model.get_encoder()

    def forward(self, samples: torch.Tensor) -> Any:
        return (self.encoder(samples).last_hidden_state,)


class Writing(torch.nn.Module):
    """The decoder, without a cache."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(self, ids: torch.Tensor, states: torch.Tensor) -> Any:
        mask = torch.ones_like(ids)
        found = self.decoder(
            input_ids=ids, attention_mask=mask, encoder_hidden_states=states, use_cache=False
        )
        return (found.logits,)
