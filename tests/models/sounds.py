"""A recording of a voice, and the forms in which models hear it."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

RECORDED = 44100
"""Samples per second of the recording."""


def voice(folder: Path, rate: int, *, start: float, seconds: float) -> Array:
    """A part of the recording at `rate` samples per second, f32 from -1 to 1.

    Frequencies that `rate` cannot hold are removed in the spectrum.
    """
    with wave.open(str(folder / "basic-pitch" / "vocadito_10.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RECORDED, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    first = round(start * RECORDED)
    part = samples[first : first + round(seconds * RECORDED)]
    count = round(len(part) * rate / RECORDED)
    spectrum = np.fft.rfft(part)[: count // 2 + 1]
    return np.asarray(np.fft.irfft(spectrum, count) * (count / len(part)), np.float32)


def log_mel(samples: Array, rate: int, frames: int, bands: int) -> Array:
    """Decibels in mel bands from 60 to 3800 Hz, each 10 ms for 25 ms: f32[frames, bands]."""
    window, step, size = rate // 40, rate // 100, 512
    parts = np.stack([samples[step * i : step * i + window] for i in range(frames)])
    power = np.abs(np.fft.rfft(parts * np.hanning(window), size)) ** 2
    edges = _hertz(np.linspace(_mel(60.0), _mel(3800.0), bands + 2))
    hertz = np.fft.rfftfreq(size, 1 / rate)
    rise = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    filters = np.maximum(0, np.minimum(rise, fall))
    return np.asarray(10 * np.log10(power @ filters.T + 1e-10), np.float32)


def _mel(hertz: float) -> float:
    return float(1127 * np.log1p(hertz / 700))


def _hertz(mel: Array) -> Array:
    return np.asarray(700 * np.expm1(mel / 1127))
