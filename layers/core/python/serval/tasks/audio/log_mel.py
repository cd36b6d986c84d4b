"""The log-mel spectrogram of Whisper."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serval.models.tensor import Array
from serval.tasks.audio.spectrogram import frames, hann, power_spectrum, slaney_filters

HIGHEST_HZ = 8000.0
POWER_FLOOR = 1e-10
DECADES_BELOW_LOUDEST = 8.0


class LogMelFeatures:
    """Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), 2.2.

    Sound is padded or cut to 30 seconds. The logarithm of its mel spectrum reaches at most eight
    decades below the loudest, and is scaled to about -1 to 1.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.rate_hz = int(config.get("sampling_rate") or 16_000)
        self.hop = int(config.get("hop_length") or 160)
        self.fft_length = int(config.get("n_fft") or 400)
        self.chunk_seconds = int(config.get("chunk_length") or 30)
        self.least_samples = 1
        self.window = hann(self.fft_length, periodic=True).astype(np.float32)
        self.filters = slaney_filters(
            int(config.get("feature_size") or 80),
            1 + self.fft_length // 2,
            self.rate_hz,
            HIGHEST_HZ,
        ).astype(np.float32)

    @property
    def chunk_samples(self) -> int:
        """How many samples the model takes at once."""
        return self.chunk_seconds * self.rate_hz

    @property
    def chunk_frames(self) -> int:
        """How many frames the model takes at once."""
        return self.chunk_samples // self.hop

    def extract(self, sounds: Sequence[Array]) -> dict[str, Array]:
        """Return ``input_features`` float32 [batch, bands, frames]."""
        length = self.chunk_samples
        mels = [self._log_mel(sound[:length], length) for sound in sounds]
        return {"input_features": np.stack(mels)}

    def hear(self, sound: Array) -> Array:
        """Return the features of a sound of any length, [1, bands, frames], a chunk or more.

        The loudest moment of the whole is that of every part.
        """
        return self._log_mel(sound, max(len(sound), self.chunk_samples))[None]

    def _log_mel(self, sound: Array, length: int) -> Array:
        # Frames are centred, the ends of the sound mirrored; the last frame is left out.
        half, count = self.fft_length // 2, length // self.hop
        heard = min(count, -(-(len(sound) + half) // self.hop))
        sound = np.pad(sound, (0, length - len(sound)))
        cut = frames(np.pad(sound, half, mode="reflect"), self.fft_length, self.hop)[:heard]
        power = power_spectrum(cut * self.window, self.fft_length) @ self.filters
        # Frames past the end of the sound are silent: they need no transform.
        mel = np.full((count, power.shape[1]), POWER_FLOOR, np.float32)
        np.maximum(power, POWER_FLOOR, out=mel[:heard])
        np.log10(mel, out=mel)
        mel = np.maximum(mel, mel.max() - DECADES_BELOW_LOUDEST)
        scaled: Array = ((mel + 4.0) / 4.0).T
        return scaled
