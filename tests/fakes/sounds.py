"""Sounds in every format that tasks read, and what is done with one."""

import io

import numpy as np
import soundfile

from serval.tasks.audio.features import WaveformFeatures
from serval.tasks.audio.sound import SoundReader

FORMATS = {"WAV": "PCM_24", "FLAC": "PCM_16", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}
READER = SoundReader(16_000, WaveformFeatures({}, {}).least_samples, max_seconds=60.0)


def sound_files() -> list[bytes]:
    """Return a fifth of a second of a tone in each format."""
    tone = np.sin(np.arange(3_200, dtype=np.float32) / 7) / 2
    files = []
    for form, subtype in FORMATS.items():
        file = io.BytesIO()
        soundfile.write(file, np.stack([tone, -tone / 2], axis=1), 16_000, subtype, format=form)
        files.append(file.getvalue())
    return files


def hear(data: bytes) -> object:
    """Read a sound as a task does."""
    return READER.read(data, 0)
