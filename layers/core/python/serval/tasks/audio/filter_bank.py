"""The filter bank of Kaldi, as the Audio Spectrogram Transformer takes it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serval.models.tensor import Array
from serval.tasks.audio.spectrogram import frames, hann, kaldi_filters, power_spectrum

LOWEST_HZ = 20.0
FRAME_SECONDS, HOP_SECONDS = 0.025, 0.010
PRE_EMPHASIS = 0.97
POWER_FLOOR = np.finfo(np.float32).eps


class FilterBankFeatures:
    """Log powers of mel bands over frames of 25 ms, one each 10 ms, padded or cut to a length.

    Gong et al., "AST: Audio Spectrogram Transformer" (2021), 2.1; the steps of a frame are those
    of ``compute-fbank-feats`` of Kaldi: offset removed, pre-emphasis, window, power, mel bands.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.rate_hz = int(config.get("sampling_rate") or 16_000)
        self.bands = int(config.get("num_mel_bins") or 128)
        self.length = int(config.get("max_length") or 1024)
        self.normalize = bool(config.get("do_normalize", True))
        self.mean = float(config.get("mean", -4.2677393))
        self.deviation = float(config.get("std", 4.5689974))
        self.frame = int(self.rate_hz * FRAME_SECONDS)
        self.least_samples = self.frame
        self.hop = int(self.rate_hz * HOP_SECONDS)
        self.fft_length = 1 << (self.frame - 1).bit_length()
        self.window = hann(self.frame, periodic=False)
        self.filters = kaldi_filters(self.bands, 1 + self.fft_length // 2, self.rate_hz, LOWEST_HZ)

    def extract(self, sounds: Sequence[Array]) -> dict[str, Array]:
        """Return ``input_values`` float32 [batch, max_length, bands]."""
        return {"input_values": np.stack([self._bank(sound) for sound in sounds])}

    def _bank(self, sound: Array) -> Array:
        # Frames past the model's length are cut before they are computed.
        cut = frames(sound, self.frame, self.hop)[: self.length].astype(np.float64)
        cut = cut - cut.mean(axis=1, keepdims=True)
        before = np.concatenate([cut[:, :1], cut[:, :-1]], axis=1)
        power = power_spectrum((cut - PRE_EMPHASIS * before) * self.window, self.fft_length)
        bank = np.log(np.maximum(power @ self.filters, POWER_FLOOR)).astype(np.float32)
        bank = np.pad(bank, ((0, self.length - len(bank)), (0, 0)))
        if self.normalize:
            bank = (bank - self.mean) / (self.deviation * 2)
        result: Array = bank.astype(np.float32)
        return result
