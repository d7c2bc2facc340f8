"""How far apart the frames of a real bracket are in stops, and where EV 0 lies.

What is written about exposures is often incomplete: a shutter time without the aperture, a list that the camera did not
follow. So every step between neighbouring frames is also measured, and the measured step is taken where the written one
cannot be true. A camera's tone curve stretches measured steps; the steps that can be trusted tell by how much.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from luxel.dataset.align.tones import BRIGHTEST
from luxel.dataset.reference.bracket import LEVELS, metered_gain
from luxel.dataset.sources.nominal import exposure_stops
from luxel.dataset.sources.scan import FrameSource
from luxel.photometry import ByteArray, FloatArray, as_unit_float, lightness, luminance, to_linear

_MIN_PIXELS = 300
_MEASURABLE = 25 / 255  # lightness: below, rounding and noise bend the ratio of two frames


@dataclass(frozen=True, slots=True)
class Exposures:
    """evs: stops of every frame, 0 at the metered exposure. stated: whether each frame's step from the next darker one
    is as written (False: measured; the darkest frame counts as stated). notes: where they disagree."""

    evs: list[float]
    stated: list[bool]
    notes: tuple[str, ...]


def stated_stops(frame: FrameSource) -> float | None:
    """Stops as written, up to a constant: the stated EV, or log2(time * ISO / f-number^2); None without either."""
    if frame.ev is not None or frame.exposure_s is None:
        return frame.ev
    return exposure_stops(frame.exposure_s, frame.f_number, frame.iso)


def measured_step(darker: ByteArray, brighter: ByteArray) -> float | None:
    """Stops from one aligned frame to another: the median ratio of linear light over the pixels both show.

    darker, brighter: uint8 [H, W, 3], sRGB-encoded. None if they show less than 300 pixels in common.
    """
    a, b = as_unit_float(darker), as_unit_float(brighter)
    both = (lightness(a) > _MEASURABLE) & (lightness(b) > _MEASURABLE)
    both &= (a.max(axis=-1) < BRIGHTEST) & (b.max(axis=-1) < BRIGHTEST)
    if both.sum() < _MIN_PIXELS:
        return None
    return float(np.median(np.log2(luminance(to_linear(b[both])) / luminance(to_linear(a[both])))))


def agrees(stated: float, measured: float) -> bool:
    """Whether a written step can be true: within a factor of two of the measured one, or both hardly a step."""
    if abs(stated) < 0.2:
        return abs(measured) < 0.15
    return 0.5 <= measured / stated <= 2.0


def exposures_of(frames: Sequence[ByteArray], sources: Sequence[FrameSource]) -> Exposures:
    """Exposures of aligned frames of one scene.

    frames: uint8 [H, W, 3], darkest first. sources: what is written about them, in the same order.
    """
    written = [stated_stops(s) for s in sources]
    stated_steps, measured_steps = [], []
    for i in range(len(frames) - 1):
        here, there = written[i], written[i + 1]
        stated_steps.append(None if here is None or there is None else there - here)
        measured_steps.append(measured_step(frames[i], frames[i + 1]))
    pairs = list(zip(stated_steps, measured_steps, strict=True))
    ratios = [m / s for s, m in pairs if s is not None and m is not None and abs(s) >= 0.2 and agrees(s, m)]
    stretch = float(np.median(ratios)) if ratios else 1.0
    evs, stated, notes = [0.0], [True], []
    for i, (s, m) in enumerate(pairs):
        name = sources[i + 1].file.name
        if s is not None and (m is None or agrees(s, m)):
            step, as_written = s, True
        elif m is not None:
            step, as_written = m / stretch, False
            if s is not None:
                notes.append(f"{name}: {s:+.2f} EV from the frame before as written, {step:+.2f} measured and taken")
        else:
            step, as_written = _mean_step(frames[i], frames[i + 1]), False
            notes.append(f"{name}: {step:+.2f} EV from the frame before, from mean light alone")
        evs.append(evs[-1] + step)
        stated.append(as_written)
    if written and all(w is None for w in written):
        notes = ["no exposure is written for any frame: all steps are measured", *notes]
    offset = math.log2(metered_gain(merge_light(frames, evs)))
    return Exposures([ev - offset for ev in evs], stated, tuple(notes))


def _mean_step(darker: ByteArray, brighter: ByteArray) -> float:
    """Stops between the mean linear light of two frames that show nothing in common."""
    a, b = (float(luminance(to_linear(as_unit_float(f))).mean()) for f in (darker, brighter))
    return math.log2((b + 1e-5) / (a + 1e-5))


def merge_light(frames: Sequence[ByteArray], evs: Sequence[float]) -> FloatArray:
    """Linear light of a bracket: the mean over its frames, each pixel weighted by how well its frame shows it.

    frames: aligned, uint8 [H, W, 3], sRGB-encoded. evs: stops. Returns float32 [H, W, 3] at EV 0 of `evs`. What every
    frame clips has the light of the darkest frame, what none shows that of the brightest. A camera's tone curve is not
    undone, so the light is true in order and about true in ratio.
    """
    order = np.argsort(evs)
    total = np.zeros(frames[0].shape, dtype=np.float64)
    weights = np.zeros(frames[0].shape[:2], dtype=np.float64)
    for i in order:
        encoded = as_unit_float(frames[i])
        clipped = encoded.max(axis=-1) >= BRIGHTEST
        y = lightness(encoded)
        weight = np.where(clipped, 0.0, np.clip(y / 0.25, 0, 1) + 1e-4)
        if i == order[0]:
            weight = np.maximum(weight, 1e-6)
        light = to_linear(encoded)
        total += weight[..., None] * light * 2.0 ** -evs[i]
        weights += weight
    return (total / weights[..., None]).astype(np.float32)


def level_names(evs: Sequence[float]) -> list[str]:
    """Names of exposures, each once: the nearest whole stop ("N4" ... "P4", "P5" beyond), "N1b", "N1c" for later ones.

    evs: stops, darkest first.
    """
    by_stop = {ev: name for name, ev in LEVELS.items()}
    counts: Counter[str] = Counter()
    names = []
    for ev in evs:
        stop = math.floor(ev + 0.5)
        name = by_stop.get(stop, f"{'N' if stop < 0 else 'P'}{abs(stop)}")
        counts[name] += 1
        names.append(name if counts[name] == 1 else f"{name}{ascii_lowercase[counts[name] - 1 :][:1] or counts[name]}")
    return names
