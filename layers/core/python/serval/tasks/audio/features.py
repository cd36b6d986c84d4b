"""Feature extractors: from samples to the tensors of a graph, by preprocessor_config.json."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from serval.foreign import refusing
from serval.models.tensor import Array
from serval.tasks.audio.filter_bank import FilterBankFeatures
from serval.tasks.audio.log_mel import LogMelFeatures
from serval.tasks.files import TaskFiles, TaskUnreadable

PREPROCESSOR = "preprocessor_config.json"
PROCESSOR = "processor_config.json"
"""Where transformers 5 writes the same, under ``feature_extractor``, with a tokenizer beside it."""
RATE_HZ = 16_000
VARIANCE_FLOOR = 1e-7


class SoundFeatures(Protocol):
    """What stands between samples and a graph."""

    rate_hz: int
    least_samples: int
    """The shortest sound that gives the graph anything to read."""

    def extract(self, sounds: Sequence[Array]) -> dict[str, Array]:
        """Return the tensors of a batch of sounds of one length, each float32 [n]."""


class WaveformFeatures:
    """The samples themselves, as Wav2Vec2, HuBERT, WavLM and SEW take them.

    Baevski et al., "wav2vec 2.0" (2020), section 2: raw audio with zero mean and unit variance.
    """

    def __init__(self, config: Mapping[str, Any], model: Mapping[str, Any]) -> None:
        self.least_samples = _receptive_field(model)
        self.rate_hz = int(config.get("sampling_rate") or RATE_HZ)
        self.normalize = bool(config.get("do_normalize", True))

    def extract(self, sounds: Sequence[Array]) -> dict[str, Array]:
        """Return ``input_values`` float32 [batch, n], and ``attention_mask`` of ones."""
        values = np.stack(list(sounds))
        if self.normalize:
            mean = values.mean(axis=1, keepdims=True)
            spread = np.sqrt(values.var(axis=1, keepdims=True) + VARIANCE_FLOOR)
            values = (values - mean) / spread
        return {"input_values": values, "attention_mask": np.ones(values.shape, np.int64)}


EXTRACTORS = ("Wav2Vec2FeatureExtractor", "WhisperFeatureExtractor", "ASTFeatureExtractor")


def read_features(files: TaskFiles) -> SoundFeatures:
    """Read which features a model takes.

    Raises
    ------
    TaskUnreadable
        If the bundle does not say, says it wrongly, or names an extractor that is not known.
    """
    config = files.json(PREPROCESSOR)
    name = PREPROCESSOR
    if not config:
        config, name = files.json(PROCESSOR).get("feature_extractor") or {}, PROCESSOR
    if not config:
        raise TaskUnreadable(
            f"the bundle has no {PREPROCESSOR}, which says how sound becomes the model's input"
        )
    kind = config.get("feature_extractor_type")
    if kind not in EXTRACTORS:
        raise TaskUnreadable(
            f"{name}: feature_extractor_type {kind!r}, one of {', '.join(EXTRACTORS)} expected"
        )
    with refusing(lambda said: TaskUnreadable(f"{name}: {said}")):
        if kind == "WhisperFeatureExtractor":
            return LogMelFeatures(config)
        if kind == "ASTFeatureExtractor":
            return FilterBankFeatures(config)
        return WaveformFeatures(config, files.json("config.json"))


def _receptive_field(model: Mapping[str, Any]) -> int:
    """Return how many samples the convolutions at the front of a model read for one frame."""
    field, hop = 1, 1
    for kernel, stride in zip(
        model.get("conv_kernel") or (), model.get("conv_stride") or (), strict=False
    ):
        field += (kernel - 1) * hop
        hop *= stride
    return field
