"""A case of ``text-to-speech`` by frames: SpeechT5, in the graphs that optimum makes of it.

Its decoder drops values at random whenever it speaks; here it drops none, so that it always says
the same.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import SpeechT5Config, SpeechT5ForTextToSpeech, SpeechT5HifiGan
from transformers import SpeechT5HifiGanConfig as HifiGanConfig

from tests.tasks.recording.case import Case, seed
from tests.tasks.recording.decoders import Plain, both_filled, both_flat, finish
from tests.tasks.recording.tokenizers_of import unigram

TEXTS = ["hi", "the sea", "a"]
BINS, SPEAKER, LAYERS = 8, 6, 1
PARTS = ("decoder.key", "decoder.value", "encoder.key", "encoder.value")
KEPT = [f"{layer}.{part}" for layer in range(LAYERS) for part in PARTS]


class Encoder(torch.nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder = model.speecht5.encoder

    def forward(self, ids: torch.Tensor) -> Any:
        mask = torch.ones_like(ids)
        return self.encoder(input_values=ids, attention_mask=mask).last_hidden_state, mask


class Step(torch.nn.Module):
    """One frame of the decoder, with what earlier ones keep, if there were any."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, sequence: Any, speaker: Any, read: Any, mask: Any, *kept: Any) -> Any:
        model, config = self.model, self.model.config
        hidden = model.speecht5.decoder.prenet(sequence, speaker)
        found = model.speecht5.decoder.wrapped_decoder(
            hidden_states=hidden[:, -1:],
            encoder_hidden_states=read,
            encoder_attention_mask=mask,
            cache=both_filled(kept),
            use_cache=True,
            return_dict=True,
        )
        last = found.last_hidden_state[0, -1]
        frames = model.speech_decoder_postnet.feat_out(last)
        frames = frames.view(config.reduction_factor, config.num_mel_bins)
        sequence = torch.cat((sequence, frames[-1].view(1, 1, config.num_mel_bins)), dim=1)
        ends = torch.sigmoid(model.speech_decoder_postnet.prob_out(last))
        return (sequence, frames, ends, *both_flat(found.cache))


class Sound(torch.nn.Module):
    def __init__(self, model: Any, vocoder: Any) -> None:
        super().__init__()
        self.model, self.vocoder = model, vocoder

    def forward(self, spectrogram: torch.Tensor) -> torch.Tensor:
        better = self.model.speech_decoder_postnet.postnet(spectrogram.unsqueeze(0))
        return self.vocoder(better.squeeze(0))


def record(folder: Path) -> None:
    """Write the case."""
    seed()
    tokenizer = unigram()
    model = SpeechT5ForTextToSpeech(config_of(len(tokenizer))).eval()
    model.speecht5.decoder.prenet._consistent_dropout = lambda values, _: values
    # Not at once.
    torch.nn.init.constant_(model.speech_decoder_postnet.prob_out.bias, -1.5)
    vocoder = SpeechT5HifiGan(vocoder_config()).eval()
    case = Case(folder / "speak-frames", "text-to-speech")
    case.save(model, tokenizer)
    case.write_json(case.bundle / "preprocessor_config.json", {"sampling_rate": 16_000})
    export(case, model, vocoder)
    voices = torch.randn(2, SPEAKER)
    np.save(case.bundle / "speaker.npy", voices.numpy())
    for speaker in (0, 1):
        answers = []
        for text in TEXTS[: 3 - 2 * speaker]:
            ids = tokenizer(text, return_tensors="pt").input_ids
            wave = model.generate_speech(ids, voices[speaker : speaker + 1], vocoder=vocoder)
            name = f"wave-{speaker}-{len(answers)}.npy"
            np.save(case.folder / name, wave.numpy())
            answers.append({"file": name})
        case.add(TEXTS[: len(answers)], answers, **({"speaker_id": 1} if speaker else {}))
    finish(case)


def export(case: Case, model: Any, vocoder: Any) -> None:
    """Write the graphs under optimum's names."""
    ids, sequence = torch.tensor([[5, 6, 7, 2]]), torch.zeros(1, 1, BINS)
    read, mask = Encoder(model)(ids)
    reading, writing = {1: "encoder_sequence_length"}, {1: "decoder_sequence_length"}
    given = {"encoder_outputs": read, "encoder_attention_mask": mask}
    fixed = {"output_sequence": sequence, "speaker_embeddings": torch.ones(1, SPEAKER), **given}
    axes = dict.fromkeys(["input_ids", *given], reading)
    case.export(Plain(Encoder(model)), {"input_ids": ids}, [*given], axes, "encoder_model.onnx")
    outputs = ["output_sequence_out", "spectrum", "prob", *(f"present.{name}" for name in KEPT)]
    axes = {"output_sequence": writing, **dict.fromkeys(given, reading)}
    axes |= {f"present.{name}": {2: "past"} for name in KEPT}
    step = Plain(Step(model))
    case.export(step, fixed, outputs, axes, "decoder_model.onnx")
    first = Step(model)(*fixed.values())
    past = {f"past_key_values.{name}": one for name, one in zip(KEPT, first[3:], strict=True)}
    later = {**fixed, "output_sequence": first[0], **past}
    axes |= {name: {2: "past"} for name in past}
    case.export(step, later, outputs, axes, "decoder_with_past_model.onnx")
    frames = {"spectrogram": torch.rand(6, BINS)}
    axes = {"spectrogram": {0: "frames"}, "waveform": {0: "samples"}}
    sound = Plain(Sound(model, vocoder))
    case.export(sound, frames, ["waveform"], axes, "decoder_postnet_and_vocoder.onnx")


def config_of(words: int) -> SpeechT5Config:
    """Return a small configuration."""
    return SpeechT5Config(
        vocab_size=words,
        hidden_size=8,
        encoder_layers=1,
        decoder_layers=LAYERS,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=8,
        decoder_ffn_dim=8,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
        encoder_max_relative_position=8,
        max_speech_positions=100,
        max_text_positions=32,
        num_mel_bins=BINS,
        speech_decoder_prenet_units=8,
        speech_decoder_postnet_units=8,
        speech_decoder_postnet_layers=2,
        speaker_embedding_dim=SPEAKER,
        reduction_factor=2,
        initializer_range=0.4,
        attn_implementation="eager",
    )


def vocoder_config() -> HifiGanConfig:
    """Return a small configuration."""
    return HifiGanConfig(
        model_in_dim=BINS,
        upsample_initial_channel=8,
        upsample_rates=[4, 4],
        upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        initializer_range=0.12,
        sampling_rate=16_000,
    )
