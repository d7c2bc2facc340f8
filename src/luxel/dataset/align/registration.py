"""Registration of two exposures of one scene: matched features, refined pixel by pixel, on the ranks of the pixels."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from luxel.dataset.align.refinement import corner_motion, corners_of, plausible, refine
from luxel.dataset.align.tones import Tones, ranks, similarity, tones
from luxel.photometry import FloatArray

STILL = 0.3
"""Pixels at a corner below which a frame counts as not moved and is left as it is: resampling would only blur it."""

FEATURE_SIDE = 384
"""Short side at which features are looked for."""

MIN_GAIN = 1 / 3
"""Share of the missing SSIM that a homography must win over a simpler motion to be believed. Motions that matched
features confirm win more than half on the development brackets, fits to noise less than a quarter."""

MIN_GAIN_RIGID = 1 / 6
"""The same for shift and turn over no motion: three numbers fit less noise than eight. Known motions of 0.8 px win 18 %
or more. On the three tripod brackets one frame moves more than STILL, by half a pixel, which features confirm; it wins
22 %, every other frame at most 8 %."""

_FEATURES = 1500
_MIN_MATCHES = 12


def smoothed(frame: Tones) -> Tones:
    """Tones with a little blur, so that the blur of resampling wins no SSIM by hiding noise."""
    return Tones(np.asarray(cv2.GaussianBlur(frame.lightness, (0, 0), 1.0)), frame.seen)


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """SIFT features of a frame's ranks: points float32 [n, 2] (x, y) and descriptors float32 [n, 128]."""

    points: FloatArray
    words: FloatArray


def find_features(frame: npt.NDArray[np.uint8]) -> Keypoints:
    """Features of what a frame shows, in its coordinates; ranks make dark frames as rich in them as bright ones.

    frame: uint8 [H, W, 3]. They are looked for at a short side of at most FEATURE_SIDE: sharp enough, and fast.
    """
    small = tones(frame, FEATURE_SIDE)
    image = np.rint(ranks(small.lightness, small.seen) * 255).astype(np.uint8)
    points, words = cv2.SIFT.create(_FEATURES).detectAndCompute(image, small.seen.astype(np.uint8))
    if not points:
        return Keypoints(np.zeros((0, 2), dtype=np.float32), np.zeros((0, 128), dtype=np.float32))
    scale = np.array(frame.shape[1::-1], dtype=np.float32) / np.array(image.shape[::-1], dtype=np.float32)
    places = np.array([p.pt for p in points], dtype=np.float32)
    return Keypoints(((places + 0.5) * scale - 0.5).astype(np.float32), np.asarray(words, dtype=np.float32))


def match_features(fixed: Keypoints, moving: Keypoints, shape: tuple[int, ...]) -> tuple[FloatArray | None, FloatArray]:
    """Homography by matched features and RANSAC, None if they are too few; and the matches that RANSAC kept.

    Returns float32 [3, 3] from `fixed` to `moving` coordinates, and float32 [n, 2, 2]: x, y in `fixed`, in `moving`.
    """
    none = np.zeros((0, 2, 2), dtype=np.float32)
    if min(len(fixed.points), len(moving.points)) < _MIN_MATCHES:
        return None, none
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(fixed.words, moving.words, k=2)
    good = [m[0] for m in pairs if len(m) == 2 and m[0].distance < 0.8 * m[1].distance]
    if len(good) < _MIN_MATCHES:
        return None, none
    points = np.stack([fixed.points[[m.queryIdx for m in good]], moving.points[[m.trainIdx for m in good]]], axis=1)
    cv2.setRNGSeed(0)  # RANSAC draws at random; the same bracket is to give the same dataset
    homography, kept = cv2.findHomography(points[:, 0], points[:, 1], cv2.USAC_MAGSAC, 2.0, maxIters=5000)
    if homography is None or kept.sum() < _MIN_MATCHES:
        return None, none
    found = np.asarray(homography, dtype=np.float32)
    return (found, points[kept.ravel() > 0]) if plausible(found, shape) else (None, none)


def register(fixed: Tones, moving: Tones, guess: npt.NDArray[np.float32] | None = None) -> FloatArray:
    """Homography from coordinates of `fixed` to coordinates of `moving`, both of one size; float32 [3, 3].

    guess: where to start, from matched features; None: no motion. The simplest motion that explains the frames is
    taken: none, then shift and turn, then a homography, each only if it closes MIN_GAIN (shift and turn:
    MIN_GAIN_RIGID) of what the simpler one leaves between its SSIM of ranks and 1. Where a frame shows little, a
    homography would fit its noise.
    """
    still = np.eye(3, dtype=np.float32)
    shape = fixed.lightness.shape
    start = still if guess is None or corner_motion(guess, shape) < 1 else guess
    turned = refine(fixed, moving, still if start is still else nearest_rigid(start, shape), "rigid")
    bent = refine(fixed, moving, start if turned is None or start is not still else turned)
    best, best_ssim = still, _ssim(fixed, moving, still)
    for candidate, gain in ((turned, MIN_GAIN_RIGID), (guess, MIN_GAIN), (bent, MIN_GAIN)):
        if candidate is None or corner_motion(candidate, shape) < STILL:
            continue
        ssim = _ssim(fixed, moving, candidate)
        if np.isnan(best_ssim) or ssim > best_ssim + gain * (1 - best_ssim):
            best, best_ssim = candidate, ssim
    return best


def nearest_rigid(homography: npt.NDArray[np.float32], shape: tuple[int, ...]) -> FloatArray:
    """The shift and turn nearest to a homography at the corners of the picture; float32 [3, 3]."""
    corners = corners_of(shape)
    moved = cv2.perspectiveTransform(corners[None], homography.astype(np.float64))[0]
    a, b = corners - corners.mean(axis=0), moved - moved.mean(axis=0)
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum())
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    result = np.eye(3, dtype=np.float32)
    result[:2, :2], result[:2, 2] = turn, moved.mean(axis=0) - turn @ corners.mean(axis=0)
    return result


def feature_distance(points: npt.NDArray[np.float32], homography: npt.NDArray[np.float32]) -> float:
    """Median distance in pixels between features, the first of each pair moved by the homography; NaN if none."""
    if not len(points):
        return float("nan")
    moved = cv2.perspectiveTransform(points[None, :, 0], homography)[0]
    return float(np.median(np.hypot(*(points[:, 1] - moved).T)))


def _ssim(fixed: Tones, moving: Tones, homography: npt.NDArray[np.float32]) -> float:
    return similarity(fixed, moving.warped(homography)).ssim
