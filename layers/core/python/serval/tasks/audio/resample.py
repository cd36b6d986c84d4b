"""Other sampling rates, by band-limited interpolation.

The method is that of Julius O. Smith's "Digital Audio Resampling Home Page"
(https://ccrma.stanford.edu/~jos/resample/): each output sample is a sum of input samples under a
windowed sinc whose cut-off lies below half of the lower rate. Width, cut-off and the Hann window
are the defaults of ``torchaudio.functional.resample``, which transformers' pipelines call.
"""

from functools import lru_cache
from math import ceil, gcd

import numpy as np

from serval.models.tensor import Array

ZERO_CROSSINGS = 6
ROLL_OFF = 0.99


def resample(samples: Array, from_hz: int, to_hz: int) -> Array:
    """Convert samples to another rate.

    Parameters
    ----------
    samples
        float32 [n].

    Returns
    -------
        float32 [ceil(n * to_hz / from_hz)].
    """
    if from_hz == to_hz:
        return samples
    divisor = gcd(from_hz, to_hz)
    step, phases = from_hz // divisor, to_hz // divisor
    kernels = _kernels(step, phases)
    length = ceil(phases * len(samples) / step)
    half = kernels.shape[1] // 2
    padded = np.pad(samples, (half, half + step))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernels.shape[1])
    result = np.empty(length, np.float32)
    for phase in range(min(phases, length)):
        # Every ``phases``-th output sample lies ``step`` input samples further on.
        wanted = len(result[phase::phases])
        result[phase::phases] = windows[phase * step // phases :: step][:wanted] @ kernels[phase]
    return result


@lru_cache(maxsize=4)
def _kernels(step: int, phases: int) -> Array:
    """Return one filter for each place that an output sample may have between input samples.

    float32 [phases, taps], whose middle tap is for the input sample at or before the output's.
    """
    cutoff = min(step, phases) * ROLL_OFF / step
    half = ceil(ZERO_CROSSINGS / cutoff) + 1
    between = np.arange(phases)[:, None] * step % phases / phases
    distance = (np.arange(-half, half + 1) - between) * cutoff
    distance = np.clip(distance, -ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = np.cos(distance * np.pi / (2 * ZERO_CROSSINGS)) ** 2
    kernels: Array = (np.sinc(distance) * window * cutoff).astype(np.float32)
    return kernels
