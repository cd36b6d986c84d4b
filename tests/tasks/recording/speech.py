"""Cases of ``text-to-speech``: VITS with its noise at 0, so that it always says the same."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import VitsConfig, VitsModel, VitsTokenizer, pipeline

from tests.tasks.recording.case import Case, seed
from tests.tasks.recording.slim import slim

CHARACTERS = ["k", "<unk>", *" abcdefghijlmnopqrstuvwxyz'-"]
TEXTS = ["hello there", "Kick the Kettle, k!", "it's 9 — or ten", "a"]


def record(folder: Path) -> None:
    """Write a case of one voice, whose padding is a letter, and one of several."""
    record_kind(folder / "speak", {"pad_token": "k"}, 1)
    record_kind(folder / "speak-voices", {"pad_token": "<pad>", "normalize": False}, 3)


def record_kind(folder: Path, settings: dict[str, Any], voices: int) -> None:
    """Write the case of one model."""
    seed()
    model: Any = VitsModel(vits_config(voices)).eval()
    tokenizer = tokenizer_of(settings)
    case = Case(folder, "text-to-speech")
    case.save(model, tokenizer)
    inputs = dict(tokenizer("hello", return_tensors="pt"))
    axes = {name: {0: "batch", 1: "tokens"} for name in inputs}
    if voices > 1:
        inputs["speaker_id"], axes["speaker_id"] = torch.tensor([0]), {0: "batch"}
    case.export(model, inputs, ["waveform"], axes | {"waveform": {0: "batch", 1: "samples"}})
    slim(case.bundle)
    ask = pipeline("text-to-speech", model=model, tokenizer=tokenizer)

    def add(texts: list[str], **parameters: Any) -> None:
        forward = {"speaker_id": parameters["speaker_id"]} if "speaker_id" in parameters else {}
        answers = []
        for text in texts:
            name = f"wave-{len(case.calls)}-{len(answers)}.npy"
            said = ask(text, forward_params=forward)
            assert said["sampling_rate"] == 16_000
            np.save(folder / name, said["audio"].reshape(-1).astype(np.float32))
            answers.append({"file": name})
        case.add(texts, answers, **parameters)

    if voices > 1:
        add(TEXTS[:1], speaker_id=2)
        add(TEXTS[:1], speaker_id=0, format="flac")
    else:
        add(TEXTS)
    case.write()


def vits_config(voices: int) -> VitsConfig:
    """Return a small configuration."""
    return VitsConfig(
        vocab_size=len(CHARACTERS) + 1,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        ffn_dim=16,
        flow_size=16,
        spectrogram_bins=17,
        upsample_initial_channel=16,
        upsample_rates=[4, 4],
        upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        posterior_encoder_num_wavenet_layers=1,
        prior_encoder_num_flows=1,
        prior_encoder_num_wavenet_layers=1,
        duration_predictor_num_flows=2,
        duration_predictor_flow_bins=4,
        duration_predictor_filter_channels=16,
        depth_separable_num_layers=1,
        noise_scale=0.0,
        noise_scale_duration=0.0,
        sampling_rate=16_000,
        num_speakers=voices,
        speaker_embedding_size=8 if voices > 1 else 0,
        use_stochastic_duration_prediction=voices == 1,
    )


def tokenizer_of(settings: dict[str, Any]) -> VitsTokenizer:
    """Make a tokenizer of the characters."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vocab.json")
        path.write_text(json.dumps({letter: index for index, letter in enumerate(CHARACTERS)}))
        return VitsTokenizer(str(path), phonemize=False, **settings)
