"""A bundle says how its model wants to hear; one that does not is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.tasks.audio.features import WaveformFeatures, read_features
from serval.tasks.audio.log_mel import LogMelFeatures
from serval.tasks.files import TaskFiles, TaskUnreadable

WHISPER = {"feature_extractor_type": "WhisperFeatureExtractor", "chunk_length": 2}


def files(folder: Path, **written: Any) -> TaskFiles:
    for name, value in written.items():
        (folder / f"{name}.json").write_text(json.dumps(value))

    def no_graph(_: Path) -> Any:
        raise AssertionError

    return TaskFiles(folder, no_graph)


def test_a_bundle_without_an_extractor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskUnreadable, match=r"no preprocessor_config.json, which says how sound"):
        read_features(files(tmp_path))


def test_an_unknown_extractor_is_refused(tmp_path: Path) -> None:
    config = {"feature_extractor_type": "ClapFeatureExtractor"}
    with pytest.raises(TaskUnreadable, match="'ClapFeatureExtractor', one of Wav2Vec2Feature"):
        read_features(files(tmp_path, preprocessor_config=config))


def test_settings_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskUnreadable, match=r"preprocessor_config.json: invalid literal"):
        read_features(files(tmp_path, preprocessor_config=WHISPER | {"hop_length": "fast"}))


def test_the_extractor_of_a_processor_is_read(tmp_path: Path) -> None:
    features = read_features(files(tmp_path, processor_config={"feature_extractor": WHISPER}))
    assert isinstance(features, LogMelFeatures)
    assert features.chunk_samples == 32_000


def test_a_short_sound_is_as_one_that_ends_in_silence() -> None:
    features = LogMelFeatures(WHISPER)
    short = np.sin(np.arange(5_000, dtype=np.float32))
    padded = np.pad(short, (0, 27_000))
    heard, expected = features.extract([short]), features.extract([padded])
    assert heard["input_features"].shape == (1, 80, 200)
    np.testing.assert_allclose(heard["input_features"], expected["input_features"], atol=1e-6)


def test_loudness_makes_no_difference_to_a_normalised_waveform() -> None:
    sound = np.sin(np.arange(500, dtype=np.float32))
    quiet, loud = (
        WaveformFeatures({}, {}).extract([sound * scale])["input_values"] for scale in (0.5, 2.0)
    )
    np.testing.assert_allclose(quiet, loud, atol=1e-5)
