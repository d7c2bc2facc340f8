"""Alignment of a bracket (paper 4.1): drop what shows another scene, register the rest, crop, check again.

Frames are compared by the ranks of their pixels (`tones`), so nothing here needs to know exposures or the camera's tone
curve. Starting from the best exposed frame, the frame most like one that is already placed is placed next: a motion
from matched features, refined pixel by pixel. A step between neighbours in exposure has more in common than a jump to
the middle of the bracket.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from luxel.dataset.align.refinement import corner_motion
from luxel.dataset.align.registration import (
    STILL,
    Keypoints,
    feature_distance,
    find_features,
    match_features,
    register,
    smoothed,
)
from luxel.dataset.align.same_scene import COARSE_SIDE, SAME_SCENE, SimilarityTable, scene_groups, similarity_table
from luxel.dataset.align.tones import MIN_COMMON, Similarity, Tones, similarity, tones
from luxel.errors import DatasetError
from luxel.photometry import FloatArray, Mask

MAX_ERROR = 1.5
"""Median distance of matched features, in pixels, above which a registered frame is dropped."""

MIN_CROP = 0.5
"""Share of the picture that all frames must have in common."""

_DIRECT = Similarity(ssim=0.8, common=0.25)  # enough to register a frame on the anchor itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How one frame was placed.

    index: of the frame in the input. anchor: whether the others were placed on it. onto: index of the frame it was
    compared with. same_scene: coarse similarity that let it in. coarse_after: the same after registration, without a
    search. ssim_before, ssim_after: of ranks against `onto`, at full size. error_before, error_after: median distance
    of matched features in pixels. motion: largest displacement of a corner in pixels. unseen: too little in common with
    any frame to tell, and taken as still because all others are. homography: float32 [3, 3], from anchor to frame
    coordinates. What cannot be measured is NaN.
    """

    index: int
    anchor: bool
    onto: int
    same_scene: float
    coarse_after: float
    ssim_before: float
    ssim_after: float
    error_before: float
    error_after: float
    motion: float
    unseen: bool
    homography: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """Aligned frames, of one size, in input order without the dropped ones.

    frames: uint8 [h, w, 3]. placements: one per frame. dropped: input index and reason. crop: rows and columns of the
    anchor frame that all frames show. moved: whether any frame was resampled.
    """

    frames: list[npt.NDArray[np.uint8]]
    placements: tuple[Placement, ...]
    dropped: tuple[tuple[int, str], ...]
    crop: tuple[slice, slice]
    moved: bool


def align(frames: Sequence[npt.NDArray[np.uint8]]) -> Alignment:
    """Frames of one scene brought onto the best exposed one.

    frames: uint8 [H, W, 3], sRGB-encoded, any order of exposures, one size. Raises DatasetError for no frames or
    frames of different sizes, and if what all frames show is less than half a picture.
    """
    if not frames or any(f.shape != frames[0].shape for f in frames):
        sizes = ", ".join(str(f.shape[:2]) for f in frames) or "no frames"
        raise DatasetError(f"bracket to align: {sizes}; give at least one frame, all of one size")
    coarse = [tones(f, COARSE_SIDE) for f in frames]
    table = similarity_table(coarse)
    scene, anchor = main_scene(coarse, table)
    full = [smoothed(tones(f)) for f in frames]
    found = [find_features(f) for f in frames]
    placed = {anchor: _unmoved(anchor, anchor=True)}
    dropped: dict[int, str] = {}
    waiting = set(scene) - {anchor}
    while waiting:
        index, onto = _next(waiting, placed, table, anchor)
        waiting.discard(index)
        if table[index, onto].ssim < SAME_SCENE:  # its only likeness was to a frame that has been dropped
            dropped[index] = f"nothing left to align it with: {_best_match(table, index, placed)}"
            continue
        placement = _place(index, onto, full, found, placed[onto].homography, table[index, onto].ssim)
        rejected = _second_check(placement)
        if rejected:
            dropped[index] = rejected
        else:
            placed[index] = placement
    _rest(frames, scene, table, placed, dropped)
    return _cut(frames, placed, dropped)


def _next(waiting: set[int], placed: dict[int, Placement], table: SimilarityTable, anchor: int) -> tuple[int, int]:
    """The frame to place next and the frame to place it on: the anchor if they have enough in common, else the most
    similar placed frame. Errors add up along a chain, so it is kept short."""
    index, onto = max(((i, p) for i in waiting for p in placed), key=lambda pair: np.nan_to_num(table[pair].ssim))
    direct = table[index, anchor]
    return index, anchor if direct.ssim >= _DIRECT.ssim and direct.common >= _DIRECT.common else onto


def main_scene(coarse: Sequence[Tones], table: SimilarityTable) -> tuple[list[int], int]:
    """Indices of the largest group of frames that show one scene, and of the best exposed frame in it.

    Of equally large groups the one with the best exposed frame is taken; best exposed is the largest share of pixels
    that can be seen and are neither very dark nor very bright.
    """
    quality = [exposure_quality(t) for t in coarse]
    largest = max(scene_groups(table), key=lambda g: (len(g), max(quality[i] for i in g)))
    return largest, max(largest, key=lambda i: quality[i])


def exposure_quality(frame: Tones) -> float:
    """How well a frame is exposed: the share of its pixels that are seen, neither very dark nor very bright."""
    return float(np.mean(frame.seen & (frame.lightness > 0.1) & (frame.lightness < 0.9)))


def _unmoved(index: int, *, anchor: bool) -> Placement:
    """The placement of the anchor, or of a frame that shows too little to be placed."""
    measured = 1.0 if anchor else float("nan")
    return Placement(
        index=index,
        anchor=anchor,
        onto=index,
        same_scene=measured,
        coarse_after=measured,
        ssim_before=measured,
        ssim_after=measured,
        error_before=float("nan"),
        error_after=float("nan"),
        motion=0.0,
        unseen=not anchor,
        homography=np.eye(3, dtype=np.float32),
    )


def _place(
    index: int,
    onto: int,
    full: Sequence[Tones],
    found: Sequence[Keypoints],
    base: npt.NDArray[np.float32],
    same_scene: float,
) -> Placement:
    """Register frame `index` on frame `onto`, whose homography from anchor coordinates is `base`."""
    fixed, moving = full[onto], full[index]
    shape = moving.lightness.shape
    guess, points = match_features(found[onto], found[index], shape)
    step = register(fixed, moving, guess)
    homography = np.asarray(step @ base, dtype=np.float32)
    homography /= homography[2, 2]
    moved = moving.warped(step)
    return Placement(
        index=index,
        anchor=False,
        onto=onto,
        same_scene=same_scene,
        coarse_after=similarity(fixed.shrunk(COARSE_SIDE), moved.shrunk(COARSE_SIDE)).ssim,
        ssim_before=similarity(fixed, moving).ssim,
        ssim_after=similarity(fixed, moved).ssim,
        error_before=feature_distance(points, np.eye(3, dtype=np.float32)),
        error_after=feature_distance(points, step),
        motion=corner_motion(homography, shape),
        unseen=False,
        homography=homography,
    )


def _second_check(placement: Placement) -> str | None:
    """Why a registered frame must go, or None: the SSIM of the first filter again, and the distance of features."""
    if placement.coarse_after < SAME_SCENE:
        return (
            f"misaligned after registration: similarity {placement.coarse_after:.2f} as it lies, needs {SAME_SCENE:g}"
        )
    if placement.error_after > MAX_ERROR:
        return (
            f"misaligned after registration: matched features are {placement.error_after:.1f} px apart "
            f"(limit {MAX_ERROR:g})"
        )
    return None


def _rest(
    frames: Sequence[npt.NDArray[np.uint8]],
    scene: list[int],
    table: SimilarityTable,
    placed: dict[int, Placement],
    dropped: dict[int, str],
) -> None:
    """Frames outside the main scene: dropped, unless they show too little to tell and nothing else has moved."""
    still = all(p.motion < STILL for p in placed.values()) and len(placed) > 1
    for index in sorted(set(range(len(frames))) - set(scene)):
        known = [s.ssim for (i, j), s in table.items() if i == index and j in placed and not np.isnan(s.ssim)]
        if known:
            dropped[index] = f"shows another scene: {_best_match(table, index, placed)}"
        elif still:
            placed[index] = _unmoved(index, anchor=False)
        else:
            dropped[index] = (
                f"shows too little to be aligned: less than {MIN_COMMON:.0%} of the picture is neither black nor "
                "clipped in it and in another frame"
            )


def _best_match(table: SimilarityTable, index: int, others: dict[int, Placement]) -> str:
    best = np.nanmax([table[index, j].ssim for j in others])
    return f"similarity {best:.2f} with the bracket, needs {SAME_SCENE:g}"


def _cut(frames: Sequence[npt.NDArray[np.uint8]], placed: dict[int, Placement], dropped: dict[int, str]) -> Alignment:
    """Warp the moved frames, and cut all frames to what every one of them shows."""
    height, width = frames[0].shape[:2]
    order = sorted(placed)
    seen = np.ones((height, width), dtype=bool)
    warped = []
    for index in order:
        homography = placed[index].homography
        if placed[index].motion < STILL:
            warped.append(frames[index])
            continue
        flags, border = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
        moved = cv2.warpPerspective(frames[index], homography, (width, height), flags=flags, borderMode=border)
        warped.append(np.asarray(moved, dtype=np.uint8))
        seen &= inside(homography, (height, width))
    rows, columns = common_area(seen)
    share = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    if share < MIN_CROP:
        raise DatasetError(
            f"aligned frames share only {share:.0%} of the picture (limit {MIN_CROP:.0%}); "
            "leave the frame that moved most out of the bracket"
        )
    return Alignment(
        frames=[np.ascontiguousarray(f[rows, columns]) for f in warped],
        placements=tuple(placed[i] for i in order),
        dropped=tuple(sorted(dropped.items())),
        crop=(rows, columns),
        moved=any(placed[i].motion >= STILL for i in order),
    )


def inside(homography: npt.NDArray[np.float32], shape: tuple[int, int]) -> Mask:
    """Pixels whose place in the source picture lies inside it, half a pixel of tolerance; bool [H, W]."""
    height, width = shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    h = homography.astype(np.float64)
    u, v, w = (h[i, 0] * x + h[i, 1] * y + h[i, 2] for i in range(3))
    u, v = u / w, v / w
    return np.asarray((u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5))


def common_area(seen: Mask) -> tuple[slice, slice]:
    """A large rectangle inside the mask: the side with the largest unseen share is taken off until none is left."""
    top, bottom, left, right = 0, seen.shape[0], 0, seen.shape[1]
    while top < bottom and left < right and not seen[top:bottom, left:right].all():
        window = ~seen[top:bottom, left:right]
        sides = [window[0].mean(), window[-1].mean(), window[:, 0].mean(), window[:, -1].mean()]
        worst = int(np.argmax(sides))
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)
    return slice(top, bottom), slice(left, right)
