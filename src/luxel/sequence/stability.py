"""How steady the brightness of frames is: spread, jumps, settling and flicker. Formulas on arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from luxel.photometry import Float64Array, as_unit_float, luminance, to_linear

JUMP = 0.3
"""Change of brightness in stops from one frame to the next that is a jump."""

TOLERANCE = 0.1
"""Stops within which brightness counts as settled."""

MIN_SEGMENT = 8
"""Frames between two jumps below which nothing can be said about settling."""

GREY = 0.18
"""Linear luminance at which brightness is 0 stops."""

_DARKEST = 1e-5
_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Jump:
    """A change of light, or of exposure.

    frame: the first after it. stops: how much brighter (above 0) or darker it is. settled: frames from there until
    brightness stays within `TOLERANCE` of where it ends up before the next jump; 0 is at once, None where the sequence
    is too short to tell.
    """

    frame: int
    stops: float
    settled: int | None


@dataclass(frozen=True, slots=True)
class Stability:
    """How steady a sequence is.

    frames: how many have a brightness. spread: standard deviation of brightness in stops. span: brightest less darkest.
    jumps: in order. flicker: amplitude in stops of the strongest periodic change. flicker_frequency: of it, in hertz,
    or in cycles per frame where the rate is not known; None without flicker.
    """

    frames: int
    spread: float
    span: float
    jumps: tuple[Jump, ...]
    flicker: float
    flicker_frequency: float | None


def brightness(image: npt.NDArray[np.generic]) -> float:
    """Brightness of an image in stops: log2 of its mean linear luminance over that of mid-grey, 0.18.

    image: [H, W, 3] sRGB-encoded, uint8, uint16 or float in [0, 1].

    >>> round(brightness(np.full((8, 8, 3), 118, np.uint8)), 2), round(brightness(np.full((8, 8, 3), 255, np.uint8)), 2)
    (0.0, 2.47)
    """
    mean = float(luminance(to_linear(as_unit_float(image))).mean(dtype=np.float64))
    return float(np.log2(max(mean, _DARKEST) / GREY))


def stability(values: npt.ArrayLike, rate: float = 1.0, *, jump: float = JUMP) -> Stability:
    """How steady brightness is over consecutive frames.

    values: [N] brightness in stops (`brightness`); NaN for a frame that could not be read, which is passed over.
    rate: frames a second; 1 gives frequencies in cycles per frame.
    jump: stops from one frame to the next from which on a change is a jump.

    >>> dark, bright = [-2.0] * 20, [1.0] * 20
    >>> stability(dark + bright).jumps
    (Jump(frame=20, stops=3.0, settled=0),)
    """
    known = np.asarray(values, np.float64)
    places = np.flatnonzero(np.isfinite(known))
    known = known[places]
    if len(known) == 0:
        return Stability(0, 0.0, 0.0, (), 0.0, None)
    frequencies, amplitudes = spectrum(known, rate)
    peak = int(np.argmax(amplitudes)) if len(amplitudes) else 0
    flickers = len(amplitudes) > 0 and amplitudes[peak] > _FLOOR
    return Stability(
        frames=len(known),
        spread=float(known.std()),
        span=float(known.max() - known.min()),
        jumps=tuple(
            Jump(int(places[start]), float(known[start] - known[start - 1]), _settled(known[start:end]))
            for start, end in _segments(known, jump)
        ),
        flicker=float(amplitudes[peak]) if flickers else 0.0,
        flicker_frequency=_peak_frequency(frequencies, amplitudes, peak) if flickers else None,
    )


def spectrum(values: npt.ArrayLike, rate: float = 1.0) -> tuple[Float64Array, Float64Array]:
    """Amplitudes of the periodic changes of brightness: frequencies [F] and amplitudes [F] in stops.

    values: [N] brightness in stops, without gaps.
    rate: frames a second.

    What is slower than about a second (31 frames where the rate is 1), and every step, is taken away first, by a
    running median; a Hann window holds the rest. A lamp that flickers faster than half the rate appears at a lower
    frequency. Sequences of fewer than 8 frames have no spectrum.

    >>> frame = np.arange(120)
    >>> frequencies, amplitudes = spectrum(0.2 * np.sin(2 * np.pi * 8 * frame / 30), rate=30)
    >>> round(float(frequencies[np.argmax(amplitudes)]), 1), round(float(amplitudes.max()), 2)
    (8.0, 0.2)
    """
    known = np.asarray(values, np.float64)
    if len(known) < MIN_SEGMENT:
        return np.zeros(0), np.zeros(0)
    width = 31 if rate == 1.0 else max(5, round(rate))
    width = min(width, len(known) // 2) // 2 * 2 + 1
    around = np.pad(known, width // 2, mode="reflect")
    rest = known - np.median(sliding_window_view(around, width), axis=1)
    window = np.hanning(len(rest) + 2)[1:-1]
    amplitudes = 2 * np.abs(np.fft.rfft((rest - rest.mean()) * window)) / window.sum()
    frequencies = np.fft.rfftfreq(len(rest), 1 / rate)
    return frequencies[1:].astype(np.float64), amplitudes[1:]


def _segments(values: Float64Array, jump: float) -> list[tuple[int, int]]:
    """Begin and end of the frames after every jump, up to the next.

    Jumps in frames that follow each other are one, at its first: a fade, or a camera that takes back what it can.
    """
    jumps = np.flatnonzero(np.abs(np.diff(values)) > jump) + 1
    starts = [int(frame) for frame in jumps if frame - 1 not in jumps]
    return list(zip(starts, [*starts, len(values)][1:], strict=True))


def _settled(values: Float64Array) -> int | None:
    if len(values) < MIN_SEGMENT:
        return None
    final = np.median(values[len(values) // 2 :])  # over several periods of a flicker
    outside = np.flatnonzero(np.abs(values - final) > TOLERANCE)
    settled = int(outside[-1]) + 1 if len(outside) else 0
    return settled if settled <= len(values) - 3 else None


def _peak_frequency(frequencies: Float64Array, amplitudes: Float64Array, peak: int) -> float:
    """The frequency of a peak between the bins, by a parabola through the logarithms of three amplitudes."""
    if not 0 < peak < len(amplitudes) - 1:
        return float(frequencies[peak])
    low, top, high = np.log(np.maximum(amplitudes[peak - 1 : peak + 2], 1e-12))
    curve = low - 2 * top + high
    offset = 0.0 if curve == 0 else 0.5 * (low - high) / curve
    return float(frequencies[peak] + offset * (frequencies[1] - frequencies[0]))
