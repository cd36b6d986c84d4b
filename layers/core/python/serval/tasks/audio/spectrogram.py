"""Mel spectrograms: windows, filters and power spectra over short frames.

Mel scales: Slaney's of the Auditory Toolbox (1998), linear below 1 kHz and logarithmic above, and
that of Kaldi and HTK (Young et al., "The HTK Book", 5.4.6).
"""

import numpy as np

from serval.models.tensor import Array

SLANEY_KNEE_HZ = 1000.0
SLANEY_KNEE_MEL = 15.0
SLANEY_STEP = 27.0 / np.log(6.4)
KALDI_STEP, KALDI_KNEE_HZ = 1127.0, 700.0


def frames(samples: Array, length: int, hop: int) -> Array:
    """Return overlapping frames of samples, [n, length], without copying them.

    What is left at the end and fills no frame is dropped.
    """
    view: Array = np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]
    return view


def power_spectrum(windowed: Array, fft_length: int) -> Array:
    """Return the squared magnitudes of the real Fourier transform of rows, [n, bins]."""
    transformed = np.fft.rfft(windowed, fft_length, axis=-1)
    power: Array = transformed.real**2 + transformed.imag**2
    return power


def hann(length: int, *, periodic: bool) -> Array:
    """Return a Hann window; a periodic one is a symmetric one without its last sample."""
    window: Array = np.hanning(length + 1)[:-1] if periodic else np.hanning(length)
    return window


def slaney_filters(bands: int, bins: int, rate_hz: int, highest_hz: float) -> Array:
    """Return triangles of equal area on Slaney's mel scale, from 0 Hz, float64 [bins, bands]."""
    top = SLANEY_KNEE_MEL + np.log(highest_hz / SLANEY_KNEE_HZ) * SLANEY_STEP
    mels = np.linspace(0.0, top, bands + 2)
    corners = np.where(
        mels < SLANEY_KNEE_MEL,
        mels * SLANEY_KNEE_HZ / SLANEY_KNEE_MEL,
        SLANEY_KNEE_HZ * np.exp((mels - SLANEY_KNEE_MEL) / SLANEY_STEP),
    )
    triangles = _triangles(np.linspace(0, rate_hz // 2, bins), corners)
    filters: Array = triangles * (2.0 / (corners[2:] - corners[:-2]))
    return filters


def kaldi_filters(bands: int, bins: int, rate_hz: int, lowest_hz: float) -> Array:
    """Return triangles of equal height on Kaldi's mel scale, float64 [bins, bands].

    They are triangles over mels, and reach up to half of the sampling rate.
    """
    corners = np.linspace(_kaldi_mel(lowest_hz), _kaldi_mel(rate_hz // 2), bands + 2)
    return _triangles(_kaldi_mel(np.linspace(0, rate_hz / 2, bins)), corners)


def _kaldi_mel(hertz: Array | float) -> Array:
    mels: Array = KALDI_STEP * np.log(1.0 + np.asarray(hertz) / KALDI_KNEE_HZ)
    return mels


def _triangles(at: Array, corners: Array) -> Array:
    left, top, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (at[:, None] - left) / (top - left)
    falling = (right - at[:, None]) / (right - top)
    heights: Array = np.maximum(0.0, np.minimum(rising, falling))
    return heights
