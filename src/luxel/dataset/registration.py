"""Registration of two exposures of one scene: matched features, refined by ECC, on the ranks of their pixels."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from luxel.dataset.same_scene import LEAST_COMMON, Tones, common_ranks, ranks, similarity, tones
from luxel.photometry import FloatArray

STILL = 0.3
"""Pixels at a corner below which a frame counts as not moved and is left as it is: resampling would only blur it."""

FEATURE_SIDE = 384
"""Short side at which features are looked for."""

LEAST_GAIN = 1 / 3
"""Share of the missing SSIM that a motion must win over a simpler one to be believed. Motions that matched features
confirm win more than half on the development brackets, ECC's fits to noise less than a quarter."""

_FEATURES = 1500
_LEAST_MATCHES = 12


def smoothed(frame: Tones) -> Tones:
    """Tones with a little blur, so that the blur of resampling wins no SSIM by hiding noise."""
    return Tones(np.asarray(cv2.GaussianBlur(frame.lightness, (0, 0), 1.0)), frame.seen)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """SIFT features of a frame's ranks: points float32 [n, 2] (x, y) and descriptors float32 [n, 128]."""

    points: FloatArray
    words: FloatArray


def find_features(frame: npt.NDArray[np.uint8]) -> Features:
    """Features of what a frame shows, in its coordinates; ranks make dark frames as rich in them as bright ones.

    frame: uint8 [H, W, 3]. They are looked for at a short side of at most FEATURE_SIDE: sharp enough, and fast.
    """
    small = tones(frame, FEATURE_SIDE)
    picture = np.rint(ranks(small.lightness, small.seen) * 255).astype(np.uint8)
    points, words = cv2.SIFT.create(_FEATURES).detectAndCompute(picture, small.seen.astype(np.uint8))
    if not points:
        return Features(np.zeros((0, 2), dtype=np.float32), np.zeros((0, 128), dtype=np.float32))
    scale = np.array(frame.shape[1::-1], dtype=np.float32) / np.array(picture.shape[::-1], dtype=np.float32)
    places = np.array([p.pt for p in points], dtype=np.float32)
    return Features(((places + 0.5) * scale - 0.5).astype(np.float32), np.asarray(words, dtype=np.float32))


def match_features(fixed: Features, moving: Features, shape: tuple[int, ...]) -> tuple[FloatArray | None, FloatArray]:
    """Homography by matched features and RANSAC, None if they are too few; and the matches that RANSAC kept.

    Returns float32 [3, 3] from `fixed` to `moving` coordinates, and float32 [n, 2, 2]: x, y in `fixed`, in `moving`.
    """
    none = np.zeros((0, 2, 2), dtype=np.float32)
    if min(len(fixed.points), len(moving.points)) < _LEAST_MATCHES:
        return None, none
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(fixed.words, moving.words, k=2)
    good = [m[0] for m in pairs if len(m) == 2 and m[0].distance < 0.8 * m[1].distance]
    if len(good) < _LEAST_MATCHES:
        return None, none
    points = np.stack([fixed.points[[m.queryIdx for m in good]], moving.points[[m.trainIdx for m in good]]], axis=1)
    cv2.setRNGSeed(0)  # RANSAC draws at random; the same bracket is to give the same dataset
    homography, kept = cv2.findHomography(points[:, 0], points[:, 1], cv2.USAC_MAGSAC, 2.0, maxIters=5000)
    if homography is None or kept.sum() < _LEAST_MATCHES:
        return None, none
    found = np.asarray(homography, dtype=np.float32)
    return (found, points[kept.ravel() > 0]) if plausible(found, shape) else (None, none)


def register(fixed: Tones, moving: Tones, guess: npt.NDArray[np.float32] | None = None) -> FloatArray:
    """Homography from coordinates of `fixed` to coordinates of `moving`, both of one size; float32 [3, 3].

    guess: where to start, from matched features; None: no motion. The simplest motion that explains the frames is
    taken: none, then shift and turn, then a homography, each only if it closes LEAST_GAIN of what the simpler one
    leaves between its SSIM of ranks and 1. Where a frame shows little, a homography would fit its noise.
    """
    still = np.eye(3, dtype=np.float32)
    shape = fixed.lightness.shape
    start = still if guess is None or corner_motion(guess, shape) < 1 else guess
    turned = refine(fixed, moving, still if start is still else nearest_rigid(start, shape), cv2.MOTION_EUCLIDEAN)
    bent = refine(fixed, moving, start if turned is None or start is not still else turned, cv2.MOTION_HOMOGRAPHY)
    best, best_ssim = still, _ssim(fixed, moving, still)
    for candidate in (turned, guess, bent):
        if candidate is None or corner_motion(candidate, shape) < STILL:
            continue
        ssim = _ssim(fixed, moving, candidate)
        if np.isnan(best_ssim) or ssim > best_ssim + LEAST_GAIN * (1 - best_ssim):
            best, best_ssim = candidate, ssim
    return best


def nearest_rigid(homography: npt.NDArray[np.float32], shape: tuple[int, ...]) -> FloatArray:
    """The shift and turn nearest to a homography at the corners of the picture; float32 [3, 3]."""
    corners = _corners(shape)
    moved = cv2.perspectiveTransform(corners[None], homography.astype(np.float64))[0]
    a, b = corners - corners.mean(axis=0), moved - moved.mean(axis=0)
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum())
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    result = np.eye(3, dtype=np.float32)
    result[:2, :2], result[:2, 2] = turn, moved.mean(axis=0) - turn @ corners.mean(axis=0)
    return result


def refine(
    fixed: Tones, moving: Tones, start: npt.NDArray[np.float32], model: int = cv2.MOTION_HOMOGRAPHY
) -> FloatArray | None:
    """A motion refined by ECC on the ranks of what both frames show; None if the search fails or runs away.

    start: homography to begin with. model: OpenCV's motion model of the correction. First at half size, then at full
    size. Source: Evangelidis, Psarakis 2008. ECC does not see gain and offset; the ranks take care of the tone curve.
    """
    ranks_f, ranks_m, both = common_ranks(fixed, moving.warped(start))
    if both.mean() < LEAST_COMMON:
        return None
    # The blur inside ECC would carry unseen pixels into their neighbours.
    mask = cv2.erode(both.astype(np.uint8), np.ones((3, 3), np.uint8))
    size = (ranks_f.shape[1] // 2, ranks_f.shape[0] // 2)
    even = (slice(0, 2 * size[1]), slice(0, 2 * size[0]))
    half_f, half_m = (cv2.resize(a[even], size, interpolation=cv2.INTER_AREA) for a in (ranks_f, ranks_m))
    half_mask = cv2.resize(mask[even], size, interpolation=cv2.INTER_NEAREST)
    to_half = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])  # pixel centres: x / 2 - 1 / 4
    how = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT
    rows = 3 if model == cv2.MOTION_HOMOGRAPHY else 2
    step = np.eye(3, dtype=np.float32)
    try:
        _, step[:rows] = cv2.findTransformECC(half_f, half_m, step[:rows].copy(), model, (how, 50, 1e-5), half_mask, 5)
        step = (np.linalg.inv(to_half) @ step @ to_half).astype(np.float32)
        step /= step[2, 2]
        _, step[:rows] = cv2.findTransformECC(ranks_f, ranks_m, step[:rows].copy(), model, (how, 8, 1e-5), mask, 5)
    except cv2.error:
        return None  # ECC raises where it does not converge; the caller has other candidates
    result = np.asarray(start @ step, dtype=np.float32)
    result /= result[2, 2]
    return result if plausible(result, fixed.lightness.shape) else None


def plausible(homography: npt.NDArray[np.floating], shape: tuple[int, ...]) -> bool:
    """Whether a homography is a hand's motion: corners stay in order, and none moves by more than a third of a side."""
    if not np.isfinite(homography).all() or abs(homography[2, 2]) < 1e-6:
        return False
    moved = cv2.perspectiveTransform(_corners(shape)[None], homography.astype(np.float64))[0].astype(np.float32)
    return bool(cv2.isContourConvex(moved)) and corner_motion(homography, shape) <= max(shape[:2]) / 3


def corner_motion(homography: npt.NDArray[np.floating], shape: tuple[int, ...]) -> float:
    """Largest displacement of a corner of the picture, in pixels."""
    corners = _corners(shape)
    moved = cv2.perspectiveTransform(corners[None], homography.astype(np.float64))[0]
    return float(np.hypot(*(moved - corners).T).max())


def _corners(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    bottom, right = shape[0] - 1.0, shape[1] - 1.0
    return np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]])


def feature_distance(points: npt.NDArray[np.float32], homography: npt.NDArray[np.float32]) -> float:
    """Median distance in pixels between features, the first of each pair moved by the homography; NaN if none."""
    if not len(points):
        return float("nan")
    moved = cv2.perspectiveTransform(points[None, :, 0], homography)[0]
    return float(np.median(np.hypot(*(points[:, 1] - moved).T)))


def _ssim(fixed: Tones, moving: Tones, homography: npt.NDArray[np.float32]) -> float:
    return similarity(fixed, moving.warped(homography)).ssim
