"""One global exposure compensation for a picture, read off its residual map."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from luxel.photometry import FloatArray, expose, lightness, to_linear, to_srgb
from luxel.residual import DEFAULT_THRESHOLD

LIMIT = 6.0
"""Largest compensation in stops, to either side."""

SAMPLES = 4096
"""Pixels looked at; they lie on an even grid, so the same picture always gives the same answer."""

LEVELS = 4096
"""Encoded levels of the tables that stand in for the sRGB curves; one step is a sixteenth of an 8-bit one."""

MAX_NEW_CLIPPING = 0.01
"""Largest share of pixels that following the advice may newly clip."""

CLIPPED_LIGHT = float(to_linear(254.5 / 255))
"""Linear light from which a channel is written as 255."""

BLACK_CODE = LEVELS // 255
"""Code up to which a channel is black: one 8-bit step."""

MOSTLY = 0.99
"""Share of black pixels from which a picture shows nothing to measure a gain on."""

MIN_BLACK, MIN_CLIPPED = 0.25, 0.05
"""Shares of pixels, black and in need of light or clipped and in need of less, from which advice is a bound only."""

MIN_EFFECT = 0.1
"""Share of the wanted change of mean lightness that the whole range of exposures must reach for advice to be given."""

_COARSE = 0.5  # stops
_FINE = 0.01
_GOLDEN = (5**0.5 - 1) / 2


Bound = Literal["exact", "at least", "at most"]


@dataclass(frozen=True, slots=True)
class Advice:
    """One global exposure compensation, and how far it can be relied on.

    ev: stops, +1 asks for twice the light; None where exposure cannot help or nothing can be said.
    bound: "at least" where so much of the picture is black that it may need more light than `ev`, "at most" where so
    much is clipped that it may need less, "exact" otherwise.
    reason: why there is no number, or why it is a bound or was limited; None where there is nothing to add.
    """

    ev: float | None
    bound: Bound = "exact"
    reason: str | None = None


def advise(
    image: npt.ArrayLike,
    residual: npt.ArrayLike,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    max_new_clipping: float = MAX_NEW_CLIPPING,
) -> Advice:
    """`recommended_ev` with its validity.

    image: [h, w, 3] float32, sRGB-encoded, in [0, 1]; a reduced picture is enough.
    residual: [h, w] in [-1, 1].
    threshold: |r| above which a black or clipped pixel counts as needing more or less light.
    max_new_clipping: largest share of pixels that following the advice may newly clip, in [0, 1].
    """
    pixels, r = np.asarray(image, dtype=np.float32), np.asarray(residual, dtype=np.float32)
    ev = recommended_ev(pixels, r, max_new_clipping=max_new_clipping)
    brightest = pixels.max(axis=-1)
    black = float(np.mean((brightest <= 1.5 / 255) & (r > threshold)))
    clipped = float(np.mean((brightest >= 254.5 / 255) & (r < -threshold)))
    if ev > 0 and black >= MIN_BLACK:
        return Advice(ev, "at least", f"{black:.0%} of the picture is black")
    if ev < 0 and clipped >= MIN_CLIPPED:
        return Advice(ev, "at most", f"{clipped:.0%} of the picture is clipped")
    wanted = float(r.mean(dtype=np.float64))
    if abs(wanted) > threshold:
        most = to_srgb(expose(to_linear(pixels), LIMIT if wanted > 0 else -LIMIT))
        reached = abs(float(lightness(most).mean(dtype=np.float64) - lightness(pixels).mean(dtype=np.float64)))
        if reached < MIN_EFFECT * abs(wanted):
            return Advice(None, "exact", "its colours are saturated; no exposure brings it nearer to ideal")
        if wanted > 0 and ev < LIMIT and _newly_clipped(pixels, ev + 10 * _FINE) > max_new_clipping:
            return Advice(ev, "exact", f"more light would clip over {max_new_clipping:.0%} of the picture")
    return Advice(ev)


def advice_text(ev: float | None, bound: str = "exact") -> str:
    """An advice in a few characters: "+0.3", ">= +6.0" (at least), "<= -1.4" (at most), "-" for none."""
    if ev is None:
        return "-"
    return {"at least": ">= ", "at most": "<= "}.get(bound, "") + f"{ev:+.1f}"


def _newly_clipped(image: npt.NDArray[np.float32], ev: float) -> float:
    """Share of the pixels that `ev` stops would clip in a channel and that are not clipped now."""
    light = to_linear(image.max(axis=-1))
    return float(np.mean((light < CLIPPED_LIGHT) & (light * np.float32(2.0**ev) >= CLIPPED_LIGHT)))


def recommended_ev(
    image: npt.ArrayLike, residual: npt.ArrayLike, *, max_new_clipping: float = MAX_NEW_CLIPPING
) -> float:
    """Compensation in stops that brings a picture closest to what its residual map calls ideal.

    With the target t = clip(Y' + r, 0, 1) of every pixel, it is the ev in [-6, 6] that minimises
    mean |Y'(expose(linear, ev)) - t| plus the share of pixels that it would newly clip in any channel, to 0.01 stop;
    +1 asks for twice the light. Where several are equally good, the one nearest 0. Highlights clipped in the picture
    stay clipped in this model. A picture that is black nearly everywhere shows nothing to measure a gain on: where its
    map asks for light, the answer is the whole range, +6.

    image: [h, w, 3] float32, sRGB-encoded, in [0, 1]; a reduced picture is enough.
    residual: [h, w] in [-1, 1].
    max_new_clipping: largest share of pixels that following the advice may newly clip, in [0, 1].
    """
    pixels, map_ = np.asarray(image, dtype=np.float32).reshape(-1, 3), np.asarray(residual, dtype=np.float32).ravel()
    step = -(-len(pixels) // SAMPLES)
    codes = np.rint(np.clip(pixels[::step], 0, 1) * (LEVELS - 1)).astype(np.intp)
    linear_of_code = to_linear(np.arange(LEVELS) / (LEVELS - 1))

    def exposed(ev: float) -> FloatArray:
        return lightness(to_srgb(expose(linear_of_code, ev))[codes])

    target = np.clip(exposed(0.0) + map_[::step], 0, 1)

    # Only the brightest channel of a pixel can be the first to clip.
    brightest = linear_of_code[codes.max(axis=-1)]
    open_light = brightest[brightest < CLIPPED_LIGHT]
    black = float(np.mean(codes.max(axis=-1) <= BLACK_CODE))
    if black >= MOSTLY and float(map_.mean()) > 0:
        return LIMIT

    def newly_clipped(ev: float) -> float:
        return float(np.count_nonzero(open_light * np.float32(2.0**ev) >= CLIPPED_LIGHT) / len(codes))

    def distance(ev: float) -> float:
        clipping = newly_clipped(ev)
        if clipping > max_new_clipping:
            return 2.0 + clipping  # Above every allowed one; still falling towards where clipping ends.
        return float(np.mean(np.abs(exposed(ev) - target))) + clipping

    # Coarse steps first: the distance can have more than one valley. Sorted by |ev|, so that ties go to the smallest.
    steps = sorted(np.arange(-LIMIT, LIMIT + _COARSE / 2, _COARSE).tolist(), key=abs)
    distances = [distance(ev) for ev in steps]
    best = int(np.argmin(distances))
    low, high = max(-LIMIT, steps[best] - _COARSE), min(LIMIT, steps[best] + _COARSE)
    fine = round(_golden_section(distance, low, high), 2)
    while newly_clipped(fine) > max_new_clipping and fine > low:
        fine = round(fine - _FINE, 2)
    return fine if distance(fine) < distances[best] - 1e-6 else float(steps[best])


def _golden_section(distance: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley in [low, high] is lowest, to half of _FINE."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = distance(left), distance(right)
    while high - low > _FINE:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = distance(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = distance(right)
    return (low + high) / 2
