"""Frames of a bracket as if nothing had moved between them: one frame decides inside what moved (paper A.6).

Fusing frames in which a car stands in two places shows two cars. Inside the moving pixels every frame is therefore
replaced by one frame of the bracket, exposed as the others are: what the paper does for objects too fast to align.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from luxel.dataset.align.tones import BRIGHTEST, DARKEST
from luxel.photometry import ByteArray, FloatArray, as_unit_float, lightness, to_linear, to_srgb

FEATHER = 2.0
"""Pixels (standard deviation) over which a replaced region blends into the frame around it."""

MARGIN = 4
"""Pixels by which a moving region is enlarged: what moved has soft edges, and a shadow."""

MIN_SHOWN = 0.5
"""Share of a region that the deciding frame must show, neither noise nor clipped; else another frame decides there."""

_GOOD_EXPOSURE = (0.47, 0.2)  # lightness that counts most, and its spread


@dataclass(frozen=True, slots=True, eq=False)
class Deghosted:
    """Frames without motion between them.

    frames: uint8 [H, W, 3], in the order given.
    deciding: index of the frame that decides at each moving pixel, -1 elsewhere; int16 [H, W].
    """

    frames: list[ByteArray]
    deciding: npt.NDArray[np.int16]


def deghosted(frames: Sequence[ByteArray], evs: Sequence[float], moving: npt.NDArray[np.bool_]) -> Deghosted:
    """The frames with every moving region taken from one of them.

    The frame that shows most of what moved, and best, decides in all regions, so that nothing appears twice. Only a
    region of which it shows less than MIN_SHOWN (clouds that it clips) is decided by the frame that shows that best.

    frames: aligned exposures, uint8 [H, W, 3], sRGB-encoded.
    evs: their stops.
    moving: bool [H, W], pixels where any two of them disagree.

    >>> grey = np.full((40, 60, 3), 90, np.uint8)
    >>> car = grey.copy(); car[10:20, 10:30] = 200
    >>> where = np.zeros((40, 60), bool); where[10:20, 10:30] = True
    >>> made = deghosted([grey, car], [0.0, 0.0], where)
    >>> bool(np.array_equal(made.frames[0][14, 20], made.frames[1][14, 20]))
    True
    """
    deciding = np.full(moving.shape, -1, dtype=np.int16)
    if not moving.any():
        return Deghosted(list(frames), deciding)
    side = 2 * MARGIN + 1
    regions, count = ndimage.label(cv2.dilate(moving.astype(np.uint8), np.ones((side, side), np.uint8)))
    shown, worth = np.zeros((len(frames), count + 1)), np.zeros((len(frames), count + 1))
    for k, frame in enumerate(frames):
        encoded = as_unit_float(frame)
        y = lightness(encoded)
        seen = (y > DARKEST) & (encoded.max(axis=-1) < BRIGHTEST)
        middle, spread = _GOOD_EXPOSURE
        good = np.where(seen, np.exp(-0.5 * ((y - middle) / spread) ** 2), 0.0)
        shown[k] = ndimage.mean(seen, regions, np.arange(count + 1))
        worth[k] = ndimage.mean(good, regions, np.arange(count + 1))
    area = np.bincount(regions.ravel(), minlength=count + 1)
    first = int(np.argmax((worth * area)[:, 1:].sum(axis=1)))
    chosen = np.full(count + 1, first, dtype=np.int16)
    hidden = shown[first] < MIN_SHOWN
    chosen[hidden] = worth.argmax(axis=0)[hidden]
    chosen[0] = -1
    deciding = chosen[regions]
    replaced = list(frames)
    for source in sorted(set(chosen[1:].tolist())):
        weight = np.clip(ndimage.gaussian_filter((deciding == source).astype(np.float32), FEATHER) * 2, 0, 1)
        light = to_linear(as_unit_float(frames[source]))
        for k, frame in enumerate(replaced):
            if k != source:
                replaced[k] = _blended(frame, light, evs[k] - evs[source], weight[..., None])
    return Deghosted(replaced, deciding)


def _blended(frame: ByteArray, light: FloatArray, stops: float, weight: FloatArray) -> ByteArray:
    """A frame with the light of another one, exposed by `stops`, in its place where the weight is 1."""
    exposed = to_srgb(np.clip(light * np.float32(2.0**stops), 0, 1))
    blend = as_unit_float(frame) * (1 - weight) + exposed * weight
    return np.asarray(np.rint(255 * blend), dtype=np.uint8)
