"""What moved between the aligned frames of a bracket: people, cars, leaves, clouds (paper 4.1, 6).

Two exposures of the same surface are tied by one rising curve. It is read off the two frames themselves; a pixel whose
value lies off the curve, farther than noise and a small misalignment explain, shows something else in the two frames.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from luxel.dataset.align.tones import BRIGHTEST, DARKEST, Tones, tones
from luxel.photometry import FloatArray, Mask, as_unit_float

TOLERANCE = 0.06
"""Lightness by which a pixel may miss the curve, besides three times the spread around it."""

REACH = 2
"""Pixels within which an edge may lie after alignment."""

_SMALLEST = 25
_CODES = 256
_STEADY = 17  # codes of the running median over the curve
_DENSE = 0.4  # share of these codes that must be known


def moving_pixels(frames: Sequence[npt.NDArray[np.uint8]]) -> list[Mask]:
    """Where each frame disagrees with the next longer or shorter exposure; one bool [H, W] per frame.

    frames: aligned, uint8 [H, W, 3], any order. They are compared by lightness and by each channel, for a red car may
    be as light as the road. Of two frames that disagree both are marked: which of them shows the scene "right" is not a
    question of exposure. Pixels that a frame does not show (black, clipped) are not marked.
    """
    planes = [_planes(f) for f in frames]
    order = sorted(range(len(frames)), key=lambda i: float(planes[i][0].lightness.mean()))
    marked = [np.zeros(f.shape[:2], dtype=bool) for f in frames]
    for darker, brighter in pairwise(order):
        pairs = zip(planes[darker], planes[brighter], strict=True)
        moved = np.logical_or.reduce([disagreement(a, b) for a, b in pairs])
        marked[darker] |= moved
        marked[brighter] |= moved
    return marked


def _planes(frame: npt.NDArray[np.uint8]) -> list[Tones]:
    """What of a frame is compared: its lightness, and each channel where that is neither noise nor clipped."""
    whole, encoded = tones(frame), as_unit_float(frame)
    channels = [np.ascontiguousarray(encoded[..., i]) for i in range(3)]
    return [whole, *(Tones(c, whole.seen & (c > DARKEST)) for c in channels)]


def disagreement(darker: Tones, brighter: Tones) -> Mask:
    """Where two aligned frames do not show the same surface; bool [H, W]."""
    both = darker.seen & brighter.seen
    if both.sum() < 10 * _CODES:
        return np.zeros(both.shape, dtype=bool)
    curve, spread = tone_curve_between(darker.lightness[both], brighter.lightness[both])
    codes = np.rint(darker.lightness * (_CODES - 1)).astype(np.intp)
    predicted, tolerance = curve[codes], TOLERANCE + 3 * spread[codes]
    # Anything between the darkest and the brightest neighbour is explained by an edge that lies slightly off.
    window = np.ones((2 * REACH + 1, 2 * REACH + 1), dtype=np.uint8)
    above = brighter.lightness - cv2.dilate(predicted, window) > tolerance
    below = cv2.erode(predicted, window) - brighter.lightness > tolerance
    # A clipped value is at least what it says: too bright for what the other frame shows, or too dark after it.
    above &= both | (darker.seen & (brighter.lightness >= BRIGHTEST))
    below &= both | (brighter.seen & (darker.lightness >= BRIGHTEST))
    raw = (above | below).astype(np.uint8)
    off = cv2.morphologyEx(raw, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, labels, facts, _ = cv2.connectedComponentsWithStats(off, connectivity=8)
    large = np.array([i > 0 and facts[i, cv2.CC_STAT_AREA] >= _SMALLEST for i in range(count)])
    return np.asarray(cv2.dilate(large[labels].astype(np.uint8), window) > 0)


def tone_curve_between(
    darker: npt.NDArray[np.float32], brighter: npt.NDArray[np.float32]
) -> tuple[FloatArray, FloatArray]:
    """The rising curve from one exposure's lightness to another's, and the spread around it, at 256 codes.

    darker, brighter: [n] lightness of the same pixels. Returns two float32 [256]: the median of `brighter` at each code
    of `darker`, steadied over neighbouring codes and made rising, and 1.48 times the median distance from it (the
    standard deviation of normal noise); 1 at codes of which too few pixels are known.
    """
    codes = np.rint(darker * (_CODES - 1)).astype(np.intp)
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(_CODES + 1))
    values = brighter[order]
    known, medians, spreads = [], [], []
    for code in range(_CODES):
        here = values[edges[code] : edges[code + 1]]
        if here.size >= 20:
            median = float(np.median(here))
            known.append(code)
            medians.append(median)
            spreads.append(1.48 * float(np.median(np.abs(here - median))))
    if not known:
        return np.linspace(0, 1, _CODES, dtype=np.float32), np.ones(_CODES, dtype=np.float32)
    every = np.arange(_CODES)
    # One flat-coloured thing that moved can own a code or two; its neighbours in the curve outvote it.
    steady, quiet = (ndimage.median_filter(values, _STEADY, mode="nearest") for values in (medians, spreads))
    curve = np.maximum.accumulate(np.interp(every, known, steady))
    spread = np.interp(every, known, quiet)
    # Where few codes around are known (beyond the ends, or a thing of one colour) the curve says nothing.
    density = ndimage.uniform_filter1d(np.isin(every, known).astype(np.float32), _STEADY, mode="constant")
    spread[density < _DENSE] = 1.0
    return curve.astype(np.float32), spread.astype(np.float32)
