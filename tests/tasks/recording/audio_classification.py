"""Cases of ``audio-classification``: Wav2Vec2, and the Audio Spectrogram Transformer."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
    pipeline,
)

from tests.tasks.recording.case import Case, seed
from tests.tasks.recording.recognition import wav2vec2_config
from tests.tasks.recording.sounds import FOLDER, FORMATS, as_input, as_samples

LABELS = {"id2label": {0: "bark", 1: "bell", 2: "rain", 3: "siren", 4: "speech", 5: "wind"}}

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def record(folder: Path) -> None:
    """Write a case for each kind of features."""
    seed()
    model: Any = Wav2Vec2ForSequenceClassification(wav2vec2_config(**LABELS))
    record_kind(folder / "audio-waveform", model, Wav2Vec2FeatureExtractor(), {1: "samples"})
    seed()
    config = ASTConfig(
        **SIZES, **LABELS, max_length=96, num_mel_bins=32, problem_type="multi_label_classification"
    )
    extractor = ASTFeatureExtractor(max_length=96, num_mel_bins=32)
    record_kind(folder / "audio-spectrogram", ASTForAudioClassification(config), extractor, {})
    seed()
    sizes = {"encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
    whisper = WhisperConfig(
        **sizes, **LABELS, d_model=16, num_mel_bins=16, max_source_positions=50, vocab_size=8
    )
    short = WhisperFeatureExtractor(feature_size=16, chunk_length=1)
    record_kind(folder / "audio-log-mel", WhisperForAudioClassification(whisper), short, {})


def record_kind(folder: Path, model: Any, extractor: Any, axes: dict[int, str]) -> None:
    """Write the case of one model."""
    enliven(model)
    case = Case(folder, "audio-classification")
    case.save(model.eval(), extractor)
    name = extractor.model_input_names[0]
    example = extractor(torch.zeros(8000).numpy(), sampling_rate=16_000, return_tensors="pt")[name]
    case.export(model, {name: example}, ["logits"], {name: {0: "batch"} | axes})
    ask = pipeline("audio-classification", model=model, feature_extractor=extractor)

    def add(sounds: list[str], **parameters: Any) -> None:
        heard = [as_samples(folder.parent / FOLDER, one) for one in sounds]
        answers = [ask(one, **{"top_k": 5} | parameters) for one in heard]
        case.add([as_input(one) for one in sounds], answers, **parameters)

    add(list(FORMATS))
    add(["sweep.wav"], top_k=2)
    add(["deep.wav", "deep.wav"], function_to_apply="none", top_k=6)
    add(["phone.wav"], function_to_apply="sigmoid")
    case.write()


def enliven(model: Any) -> None:
    """Make weights larger, so that sounds differ in their answers."""
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.normal_(std=weights[0].numel() ** -0.5 * 1.5)
