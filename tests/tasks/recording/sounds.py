"""Sounds to hear: sweeps, noise and taps in every format that tasks read, made from seeds."""

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE_HZ = 16_000
FOLDER = "sounds"
"""Beside the cases, which share them."""
FORMATS: dict[str, tuple[float, int, int, str]] = {
    # name: seconds, sampling rate, channels, subtype of libsndfile
    "sweep.wav": (1.3, 16_000, 1, "PCM_16"),
    "deep.wav": (0.4, 16_000, 1, "PCM_24"),
    "exact.wav": (0.4, 16_000, 1, "FLOAT"),
    "stereo.flac": (0.5, 16_000, 2, "PCM_16"),
    "record.wav": (0.35, 44_100, 2, "PCM_16"),
    "phone.wav": (0.6, 8_000, 1, "ULAW"),
    "voice.ogg": (0.7, 22_050, 1, "VORBIS"),
    "song.mp3": (0.6, 44_100, 1, "MPEG_LAYER_III"),
}


def write_sounds(folder: Path) -> None:
    """Write them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, (seconds, rate_hz, channels, subtype)) in enumerate(FORMATS.items()):
        samples = np.stack([sound(seed * 7 + one, seconds, rate_hz) for one in range(channels)])
        path = folder / name
        soundfile.write(path, samples.T, rate_hz, subtype, format=path.suffix[1:].upper())


def sound(seed: int, seconds: float, rate_hz: int) -> np.ndarray:
    """Return a sweep whose loudness rises and falls, with noise under it."""
    draw = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    low, high = draw.uniform(100, 500), draw.uniform(900, 3000)
    sweep = np.sin(2 * np.pi * (low * time + (high - low) * time**2 / (2 * seconds)))
    loudness = 0.3 + 0.25 * np.sin(2 * np.pi * draw.uniform(2, 6) * time)
    return (sweep * loudness + draw.normal(scale=0.03, size=len(time))).astype(np.float32)


def as_input(name: str) -> dict[str, str]:
    """Return how answers.json names a sound."""
    return {"file": f"../{FOLDER}/{name}"}


def as_samples(folder: Path, name: str) -> Any:
    """Decode a sound for a pipeline, which has torchaudio convert other sampling rates."""
    samples, rate_hz = soundfile.read(folder / name, dtype="float32", always_2d=True)
    return {"raw": samples.mean(axis=1), "sampling_rate": rate_hz}
