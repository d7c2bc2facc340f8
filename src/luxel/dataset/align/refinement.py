"""A motion between two exposures of one scene, refined pixel by pixel on their ranks (`tones`)."""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from luxel.dataset.align.tones import MIN_COMMON, Tones, common_ranks
from luxel.photometry import FloatArray, Mask

Model = Literal["rigid", "homography"]
"""What a correction may be: shift and turn, or any change of perspective."""

COARSEST = 64
"""Short side at which the search begins."""

_STEPS = 20
_CONVERGED = 0.01  # pixels at a corner
_BLUR = 0.7
_MIN_PIXELS = 30


def refine(
    fixed: Tones,
    moving: Tones,
    start: npt.NDArray[np.float32],
    model: Model = "homography",
    *,
    coarsest: int = COARSEST,
) -> FloatArray | None:
    """A motion refined by Gauss-Newton on the ranks of what both frames show; None if they share too little.

    start: homography from `fixed` to `moving` coordinates to begin with. model: what the correction may be. coarsest:
    short side to begin at; from there each size is twice the last. In every step the pixels that both frames show, and
    their ranks, are found again: a mask that stays where the search began pulls towards its own edges, which is what
    spoils ECC where much is clipped. Gain and offset of the ranks are fitted beside the motion, and what fits badly
    (things that moved) weighs less. Source: Lucas, Kanade 1981, composed as in Baker, Matthews 2004; weights of Huber.
    """
    height, width = fixed.lightness.shape
    found = start.astype(np.float64)
    halvings = max(0, int(np.log2(min(height, width) / coarsest)))
    for factor in (2**n for n in range(halvings, -1, -1)):
        side = round(min(height, width) / factor)
        small = (fixed, moving) if factor == 1 else (fixed.shrunk(side), moving.shrunk(side))
        h, w = small[0].lightness.shape
        sx, sy = w / width, h / height
        to_small = np.array([[sx, 0, sx / 2 - 0.5], [0, sy, sy / 2 - 0.5], [0, 0, 1]])  # pixel centres
        there = to_small @ found @ np.linalg.inv(to_small)
        for _ in range(_STEPS):
            step = _step(small[0], small[1].warped(there.astype(np.float32)), model)
            if step is None or not plausible(there @ step, (h, w)):
                if factor == 1:
                    return None
                break  # too little is left at this size; a finer one shows more
            there = there @ step
            if corner_motion(step, (h, w)) < _CONVERGED:
                break
        found = np.linalg.inv(to_small) @ there @ to_small
    found /= found[2, 2]
    return found.astype(np.float32) if plausible(found, (height, width)) else None


def _step(fixed: Tones, moving: Tones, model: Model) -> npt.NDArray[np.float64] | None:
    """The small motion, float64 [3, 3], that brings `moving` nearer to `fixed`; None if they share too little."""
    ranks_f, ranks_m, both = common_ranks(fixed, moving)
    if both.mean() < MIN_COMMON:
        return None
    a, b = (_blurred(r, both, _BLUR) for r in (ranks_f, ranks_m))
    middle = (a + b) / 2
    # Differences reach one pixel to each side; those pixels must be seen too.
    rows, columns = np.nonzero(cv2.erode(both.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0))
    if len(rows) < _MIN_PIXELS:
        return None
    height, width = both.shape
    centre, scale = np.array([(width - 1) / 2, (height - 1) / 2]), max(height, width) / 2
    u, v = (columns - centre[0]) / scale, (rows - centre[1]) / scale
    gu, gv = (scale * cv2.Scharr(middle, cv2.CV_32F, dx, 1 - dx)[rows, columns] / 32.0 for dx in (1, 0))
    a, b = a[rows, columns], b[rows, columns]
    along = gu * u + gv * v
    moves = [gu, gv, gv * u - gu * v]
    if model == "homography":
        moves = [gu * u, gu * v, gu, gv * u, gv * v, gv, -along * u, -along * v]
    columns_of = np.stack([*moves, b, np.ones_like(b)], axis=1).astype(np.float64)
    error = (a - b).astype(np.float64)
    off = np.abs(error - np.median(error))
    weight = 1 / np.maximum(1, off / (1.345 * 1.48 * np.median(off) + 1e-6))
    weighted = columns_of * weight[:, None]
    p = np.linalg.lstsq(weighted.T @ columns_of, weighted.T @ error, rcond=None)[0]
    if model == "homography":
        local = np.array([[1 + p[0], p[1], p[2]], [p[3], 1 + p[4], p[5]], [p[6], p[7], 1]])
    else:
        local = np.array([[np.cos(p[2]), -np.sin(p[2]), p[0]], [np.sin(p[2]), np.cos(p[2]), p[1]], [0, 0, 1]])
    to_local = np.array([[1 / scale, 0, -centre[0] / scale], [0, 1 / scale, -centre[1] / scale], [0, 0, 1]])
    return np.asarray(np.linalg.inv(to_local) @ local @ to_local)


def plausible(homography: npt.NDArray[np.floating], shape: tuple[int, ...]) -> bool:
    """Whether a homography is a hand's motion: corners stay in order, and none moves by more than a third of a side."""
    if not np.isfinite(homography).all() or abs(homography[2, 2]) < 1e-6:
        return False
    moved = cv2.perspectiveTransform(corners_of(shape)[None], homography.astype(np.float64))[0].astype(np.float32)
    return bool(cv2.isContourConvex(moved)) and corner_motion(homography, shape) <= max(shape[:2]) / 3


def corner_motion(homography: npt.NDArray[np.floating], shape: tuple[int, ...]) -> float:
    """Largest displacement of a corner of the picture, in pixels."""
    corners = corners_of(shape)
    moved = cv2.perspectiveTransform(corners[None], homography.astype(np.float64))[0]
    return float(np.hypot(*(moved - corners).T).max())


def corners_of(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Corners of a picture of this shape, float64 [4, 2] (x, y), in order around it."""
    bottom, right = shape[0] - 1.0, shape[1] - 1.0
    return np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]])


def _blurred(values: npt.NDArray[np.float32], among: Mask, sigma: float) -> FloatArray:
    """Gaussian blur that mixes marked pixels only; float32 [H, W]. What is clipped does not leak into what is seen."""
    weight = among.astype(np.float32)
    share = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), np.float32(1e-6))
    return np.asarray(cv2.GaussianBlur(values * weight, (0, 0), sigma) / share)
