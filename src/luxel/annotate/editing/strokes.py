"""How much a brush stroke covers each pixel, and what a residual becomes under it.

`pages/static/strokes.js` computes the same in the same order. Only additions, multiplications, divisions, square roots
and roundings of 64-bit floats are used, whose results IEEE 754 fixes, so that both give the same bits.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from luxel.photometry import Float64Array
from luxel.residual_files import SCALE

POINT_STEPS = 4
"""Points of a stroke are whole quarters of a pixel."""


@dataclass(frozen=True, slots=True)
class Brush:
    """radius: pixels. hardness: percent of the radius that is covered whole. opacity: percent."""

    radius: int
    hardness: int
    opacity: int


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing [H, W] arrays."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def window_of(points: npt.NDArray[np.int64], margin: int, shape: tuple[int, int]) -> Window:
    """The pixels that a stroke may reach. points: [n, 2] x, y in quarters. margin: pixels. shape: height, width."""
    low = points.min(axis=0) // POINT_STEPS - margin - 1
    high = points.max(axis=0) // POINT_STEPS + margin + 2
    left, top = (int(v) for v in np.clip(low, 0, (shape[1], shape[0])))
    right, bottom = (int(v) for v in np.clip(high, (left, top), (shape[1], shape[0])))
    return Window(top, bottom, left, right)


def coverage(points: npt.NDArray[np.int64], brush: Brush, window: Window) -> Float64Array:
    """How much a stroke covers each pixel of a window, float64 in [0, 1]: opacity times the falloff of the distance.

    points: [n, 2] x, y in quarters of a pixel, n >= 1. The distance is to the nearest point of the polyline, so a
    stroke that crosses itself covers no pixel twice.
    """
    nearest = np.full((window.bottom - window.top, window.right - window.left), np.inf)
    ends = points.astype(np.float64) / POINT_STEPS
    if len(ends) == 1:
        ends = np.concatenate([ends, ends])
    for (ax, ay), (bx, by) in pairwise(ends):
        # Only the pixels that this part of the stroke can reach: beyond the radius a distance counts as infinite.
        left, right = _within(min(ax, bx), max(ax, bx), brush.radius, window.left, window.right)
        top, bottom = _within(min(ay, by), max(ay, by), brush.radius, window.top, window.bottom)
        x = np.arange(left, right, dtype=np.float64)[None, :] + 0.5
        y = np.arange(top, bottom, dtype=np.float64)[:, None] + 0.5
        vx, vy = bx - ax, by - ay
        length = vx * vx + vy * vy
        if length > 0:
            along = np.clip(((x - ax) * vx + (y - ay) * vy) / length, 0.0, 1.0)
            dx, dy = x - (ax + along * vx), y - (ay + along * vy)
        else:
            dx, dy = x - ax, y - ay
        part = nearest[top - window.top : bottom - window.top, left - window.left : right - window.left]
        np.minimum(part, dx * dx + dy * dy, out=part)
    distance = np.sqrt(nearest)
    inner = brush.radius * brush.hardness / 100.0
    with np.errstate(divide="ignore", invalid="ignore"):
        falloff = (brush.radius - distance) / (brush.radius - inner)
    weight = np.where(distance <= inner, 1.0, np.where(distance >= brush.radius, 0.0, falloff))
    return np.asarray(weight * brush.opacity / 100.0)


def _within(low: float, high: float, radius: int, first: int, last: int) -> tuple[int, int]:
    start = min(max(math.floor(low) - radius - 1, first), last)
    return start, min(max(math.floor(high) + radius + 2, start), last)


def towards(codes: npt.NDArray[np.int64], target: npt.NDArray[np.int64] | int, weight: Float64Array) -> Float64Array:
    """Codes moved towards a target by a weight, rounded half up."""
    return np.asarray(codes + np.floor((target - codes) * weight + 0.5))


def added(codes: npt.NDArray[np.int64], amount: npt.NDArray[np.int64] | int, weight: Float64Array) -> Float64Array:
    """Codes with a weighted amount added, rounded half up and limited to [-1, 1]."""
    return np.asarray(np.clip(codes + np.floor(amount * weight + 0.5), -SCALE, SCALE))


def smoothed(codes: npt.NDArray[np.int16], window: Window, radius: int) -> npt.NDArray[np.int64]:
    """Mean of the codes around each pixel of a window, rounded half up; at the borders over what there is.

    codes: [H, W]. radius: the square has 2 * radius + 1 pixels a side.
    """
    height, width = codes.shape
    sums = np.zeros((height + 1, width + 1), dtype=np.int64)
    np.cumsum(np.cumsum(codes, axis=0, dtype=np.int64), axis=1, out=sums[1:, 1:])
    rows, columns = np.arange(window.top, window.bottom), np.arange(window.left, window.right)
    top, bottom = np.maximum(rows - radius, 0), np.minimum(rows + radius + 1, height)
    left, right = np.maximum(columns - radius, 0), np.minimum(columns + radius + 1, width)
    total = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left] + sums[top][:, left]
    count = (bottom - top)[:, None] * (right - left)[None, :]
    return np.asarray(np.floor(total / count + 0.5), dtype=np.int64)
