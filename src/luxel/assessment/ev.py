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

CLIPPING_WEIGHT = 1.0
"""Cost of newly clipping the whole picture, in lightness."""

CLIPPED = 254.5 / 255
"""Encoded value from which a channel is written as 255."""

CLIPPED_LIGHT = float(to_linear(CLIPPED)) * (1 - 1e-5)
"""Linear light from which a channel counts as clipped after a gain; the margin covers float32 rounding."""

BLACK = 1 / 255 + 1e-6
"""Encoded value up to which a channel is black: one 8-bit step."""

ALL = 0.99
"""Share of black (or clipped) pixels from which a picture shows nothing to measure a gain on."""

MIN_BLACK = 0.5
"""Share of pixels that are black and need light (r > threshold) from which advice is "at least"."""

MIN_CLIPPED = 0.05
"""Share of pixels that are clipped and need less light (r < -threshold) from which advice is "at most"."""

MIN_SATURATED = 0.5
"""Share of pixels that need light but have a clipped channel from which no advice for more light is given."""

MIN_EFFECT = 0.1
"""Share of the wanted change of mean lightness that the whole range of exposures must reach for advice to be given."""

_COARSE = 0.5  # stops
_FINE = 0.01
_GOLDEN = (5**0.5 - 1) / 2


Bound = Literal["exact", "at least", "at most"]


@dataclass(frozen=True, slots=True)
class Advice:
    """One global exposure compensation, and how far it can be relied on.

    ev: in [-6, 6], in stops, +1 asks for twice the light; None where nothing can be said.
    bound: "at least" where so much of the picture is black that it may need more light than `ev`; "at most" where so
    much is clipped that it may need less; "exact" otherwise.
    reason: why there is no number, or why it is a bound or was limited; None where there is nothing to add.
    """

    ev: float | None
    bound: Bound = "exact"
    reason: str | None = None


def recommended_ev(
    image: npt.ArrayLike,
    residual: npt.ArrayLike,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    max_new_clipping: float = MAX_NEW_CLIPPING,
) -> Advice:
    """Compensation that brings a picture closest to what its residual map calls ideal, and its validity.

    With the target t = clip(Y' + r, 0, 1) of every pixel, it is the ev in [-6, 6] that minimises
    mean |Y'(expose(linear, ev)) - t| plus CLIPPING_WEIGHT times the share of pixels that it newly clips (a channel
    >= 254.5/255 after, none before), to 0.01 stop. Where several are equally good, the one nearest 0. Highlights
    clipped in the picture stay clipped in this model.

    A picture black nearly everywhere (ALL) gets +6 "at least" where its map asks for light: it holds nothing to measure
    a gain on. With a map that asks for no such change, or a white picture whose map does not ask for less, there is no
    advice. Nor is there where most pixels that need light have a clipped channel already.

    image: [h, w, 3] float32, sRGB-encoded, in [0, 1]; a reduced picture is enough.
    residual: [h, w], in [-1, 1], in lightness.
    threshold: in (0, 1), in lightness; |r| above which a black or clipped pixel counts as needing more or less light.
    max_new_clipping: in [0, 1]; largest share of the pixels of `image` that following the advice may newly clip.
    """
    pixels, r = np.asarray(image, dtype=np.float32), np.asarray(residual, dtype=np.float32)
    red, green, blue = (pixels[..., channel] for channel in range(3))
    brightest = np.maximum(np.maximum(red, green), blue)
    black, clipped = brightest <= BLACK, brightest >= CLIPPED
    # Sorted once, so that every step of the search counts new clipping over all pixels, not over a sample. Encoded, as
    # it costs less to encode one threshold than to decode every pixel.
    unclipped = np.sort(brightest[~clipped])
    wanted = float(r.mean(dtype=np.float64))

    def newly_clipped(ev: float) -> float:
        first = np.searchsorted(unclipped, to_srgb(CLIPPED_LIGHT / 2.0**ev))
        return float((len(unclipped) - first) / brightest.size)

    if black.mean() >= ALL:
        if wanted <= 0:
            return Advice(None, "exact", "the picture is black and its map asks for no light")
        if newly_clipped(LIMIT) <= max_new_clipping:
            return Advice(LIMIT, "at least", f"{black.mean():.0%} of the picture is black")
    if wanted >= 0 and np.mean(np.minimum(np.minimum(red, green), blue) >= CLIPPED) >= ALL:
        return Advice(None, "exact", "the picture is white and its map does not ask for less light")
    if wanted > 0 and np.mean(clipped & (r > 0)) >= MIN_SATURATED:
        return Advice(None, "exact", "its colours are saturated; more light would clip them further")

    ev = _closest(pixels, r, newly_clipped, max_new_clipping)
    in_need = float(np.mean(black & (r > threshold)))
    blown = float(np.mean(clipped & (r < -threshold)))
    if ev > 0 and in_need >= MIN_BLACK:
        return Advice(ev, "at least", f"{in_need:.0%} of the picture is black")
    if ev < 0 and blown >= MIN_CLIPPED:
        return Advice(ev, "at most", f"{blown:.0%} of the picture is clipped")
    if abs(wanted) > threshold:
        most = to_srgb(expose(to_linear(pixels), LIMIT if wanted > 0 else -LIMIT))
        reached = abs(float(lightness(most).mean(dtype=np.float64) - lightness(pixels).mean(dtype=np.float64)))
        if reached < MIN_EFFECT * abs(wanted):
            return Advice(None, "exact", "its colours are saturated; no exposure brings it nearer to ideal")
        if wanted > 0 and ev < LIMIT and newly_clipped(ev + 10 * _FINE) > max_new_clipping:
            return Advice(ev, "exact", f"more light would clip over {max_new_clipping:.0%} of the picture")
    return Advice(ev)


def advice_text(ev: float | None, bound: str = "exact") -> str:
    """An advice in a few characters: "+0.3", ">= +6.0" (at least), "<= -1.4" (at most), "-" for none."""
    if ev is None:
        return "-"
    return {"at least": ">= ", "at most": "<= "}.get(bound, "") + f"{ev:+.1f}"


def _closest(
    image: npt.NDArray[np.float32],
    residual: npt.NDArray[np.float32],
    newly_clipped: Callable[[float], float],
    max_new_clipping: float,
) -> float:
    """The ev of least cost that newly clips no more than allowed; lightness is compared on a sample of the pixels.

    image: [h, w, 3], sRGB-encoded, in [0, 1].
    residual: [h, w], in [-1, 1], in lightness.
    newly_clipped: share of the pixels, in [0, 1], that an ev in stops newly clips.
    max_new_clipping: largest share allowed, in [0, 1].
    """
    pixels, map_ = image.reshape(-1, 3), residual.ravel()
    step = -(-len(pixels) // SAMPLES)
    codes = np.rint(np.clip(pixels[::step], 0, 1) * (LEVELS - 1)).astype(np.intp)
    linear_of_code = to_linear(np.arange(LEVELS) / (LEVELS - 1))

    def exposed(ev: float) -> FloatArray:
        return lightness(to_srgb(expose(linear_of_code, ev))[codes])

    target = np.clip(exposed(0.0) + map_[::step], 0, 1)

    def distance(ev: float) -> float:
        clipping = newly_clipped(ev)
        if ev > 0 and clipping > max_new_clipping:
            return 2.0 + clipping  # Above every allowed one; still falling towards where clipping ends.
        return float(np.mean(np.abs(exposed(ev) - target))) + CLIPPING_WEIGHT * clipping

    # Coarse steps first: the distance can have more than one valley. Sorted by |ev|, so that ties go to the smallest.
    steps = sorted(np.arange(-LIMIT, LIMIT + _COARSE / 2, _COARSE).tolist(), key=abs)
    distances = [distance(ev) for ev in steps]
    best = int(np.argmin(distances))
    low, high = max(-LIMIT, steps[best] - _COARSE), min(LIMIT, steps[best] + _COARSE)
    fine = round(_golden_section(distance, low, high), 2)
    while fine > 0 and newly_clipped(fine) > max_new_clipping and fine > low:
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
