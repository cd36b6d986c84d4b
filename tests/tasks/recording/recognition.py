"""Cases of ``automatic-speech-recognition`` by letters of frames."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    pipeline,
)

from tests.tasks.recording.case import Case, seed
from tests.tasks.recording.slim import slim
from tests.tasks.recording.sounds import FOLDER, FORMATS, as_input, as_samples

LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOINSHR'"]


def wav2vec2_config(**more: Any) -> Wav2Vec2Config:
    """Return a small configuration."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return Wav2Vec2Config(
        **sizes,
        intermediate_size=32,
        conv_dim=[16] * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=16,
        vocab_size=len(LETTERS),
        **more,
    )


def record(folder: Path) -> None:
    """Write a case with each normalisation, and one of a vocabulary with settings of its own."""
    record_kind(folder / "speech-letters", {}, {})
    record_kind(
        folder / "speech-letters-lower",
        {"do_lower_case": True, "word_delimiter_token": "A", "pad_token": "E"},
        {"feat_extract_norm": "layer", "do_stable_layer_norm": True},
        chunk_length_s=0.5,
    )


def record_kind(folder: Path, letters: Any, config: Any, **options: Any) -> None:
    """Write the case of one model."""
    seed()
    model: Any = Wav2Vec2ForCTC(wav2vec2_config(**config)).eval()
    with torch.no_grad():
        model.lm_head.weight.normal_(std=3.0)
        for layer in model.wav2vec2.feature_extractor.conv_layers:
            layer.conv.weight.normal_(std=layer.conv.weight[0].numel() ** -0.5 * 1.5)
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=bool(config))
    case = Case(folder, "automatic-speech-recognition", **options)
    tokenizer = tokenizer_of(letters)
    case.save(model, extractor, tokenizer)
    names = ["input_values", "attention_mask"][: 1 + bool(config)]
    example = {"input_values": torch.zeros(1, 8000), "attention_mask": torch.ones(1, 8000).long()}
    case.export(
        model,
        {name: example[name] for name in names},
        ["logits"],
        {name: {0: "batch", 1: "samples"} for name in names}
        | {"logits": {0: "batch", 1: "frames"}},
    )
    slim(case.bundle)
    ask = pipeline(
        "automatic-speech-recognition",
        model=model,
        feature_extractor=extractor,
        tokenizer=tokenizer,
        **options,
    )

    def add(sounds: list[str], **parameters: Any) -> None:
        heard = [as_samples(folder.parent / FOLDER, one) for one in sounds]
        answers = [ask(one, **parameters) for one in heard]
        case.add([as_input(one) for one in sounds], answers, **parameters)

    add(list(FORMATS))
    add(["sweep.wav", "deep.wav"], return_timestamps="char")
    add(["sweep.wav", "voice.ogg"], return_timestamps="word")
    add(["sweep.wav", "deep.wav"], chunk_length_s=0.4, return_timestamps="word")
    add(["sweep.wav"], chunk_length_s=0.3, stride_length_s=0.1)
    add(["sweep.wav"], chunk_length_s=0.5, stride_length_s=[0.2, 0.05], return_timestamps="char")
    case.write()


def tokenizer_of(settings: Any) -> Wav2Vec2CTCTokenizer:
    """Make a tokenizer of the letters."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vocab.json")
        path.write_text(json.dumps({letter: index for index, letter in enumerate(LETTERS)}))
        return Wav2Vec2CTCTokenizer(str(path), **settings)
