"""What of a frame can be compared with another exposure of the scene: its tones, and their ranks.

A longer exposure changes lightness by a rising curve, so it keeps the order of the pixels that neither frame clips.
Each of these pixels is replaced by its rank, in (0, 1), among them: two exposures of one scene then give the same
picture, whatever the camera's tone curve and whatever the distance in stops. SSIM compares the ranks.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from luxel.photometry import FloatArray, Mask, as_unit_float, lightness, to_linear, to_srgb

DARKEST, BRIGHTEST = 10 / 255, 250 / 255
"""Lightness and largest channel between which a pixel can be compared: below is noise, above is clipped."""

MIN_COMMON = 0.02
"""Share of pixels that two frames must both show; with less, nothing can be said."""

_LEVELS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Tones:
    """What of a frame is compared: lightness Y' float32 [H, W], and the pixels that are neither noise nor clipped."""

    lightness: FloatArray
    seen: Mask

    def warped(self, to_source: npt.NDArray[np.float32]) -> "Tones":
        """Tones seen through a homography from result to source coordinates; what lies outside is not seen."""
        height, width = self.lightness.shape
        size = (width, height)
        moved = cv2.warpPerspective(self.lightness, to_source, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        # A pixel that is mixed from a seen and an unseen one is not seen.
        share = cv2.warpPerspective(
            self.seen.astype(np.float32), to_source, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        return Tones(np.asarray(moved), share > 0.99)

    def turned(self, quarters: int) -> "Tones":
        """Tones turned counterclockwise by quarter turns."""
        light, seen = (np.rot90(part, quarters) for part in (self.lightness, self.seen))
        return Tones(np.ascontiguousarray(light, dtype=np.float32), np.ascontiguousarray(seen, dtype=np.bool_))

    def shrunk(self, short_side: int) -> "Tones":
        """Seen tones averaged down to a short side; a pixel is seen if most of what it averages is."""
        height, width = self.lightness.shape
        scale = short_side / min(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        weight = self.seen.astype(np.float32)
        share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
        total = cv2.resize(self.lightness * weight, size, interpolation=cv2.INTER_AREA)
        return Tones(np.asarray(total / np.maximum(share, 1e-6), dtype=np.float32), share > 0.5)


def tones(frame: npt.NDArray[np.generic], short_side: int | None = None) -> Tones:
    """Tones of a frame, averaged down in linear light first if `short_side` is given and smaller than the frame's.

    frame: [H, W, 3] sRGB-encoded, uint8, uint16 or float in [0, 1].
    """
    image = as_unit_float(frame)
    height, width = image.shape[:2]
    scale = 1.0 if short_side is None else short_side / min(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = to_srgb(cv2.resize(to_linear(image), size, interpolation=cv2.INTER_AREA))
    light = lightness(image)
    return Tones(light, (light > DARKEST) & (image.max(axis=-1) < BRIGHTEST))


def ranks(values: npt.NDArray[np.float32], among: Mask) -> FloatArray:
    """Rank of every value among the marked ones, in (0, 1), ties at their middle; 0.5 where not marked.

    values: [H, W] in [0, 1], distinguished to 1/4095. among: bool [H, W]. Returns float32 [H, W].
    """
    levels = np.rint(values * (_LEVELS - 1)).astype(np.int32)
    counts = np.bincount(levels[among], minlength=_LEVELS)
    rank = ((np.cumsum(counts) - 0.5 * counts) / max(1, int(counts.sum()))).astype(np.float32)
    return np.where(among, rank[levels], np.float32(0.5))


def common_ranks(a: Tones, b: Tones) -> tuple[FloatArray, FloatArray, Mask]:
    """Ranks of two frames among the pixels that both show, and these pixels."""
    both = a.seen & b.seen
    return ranks(a.lightness, both), ranks(b.lightness, both), both


def masked_ssim(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32], mask: Mask) -> float:
    """Mean SSIM over the marked pixels, from marked pixels only (11 x 11 Gaussian, sigma 1.5, data range 1).

    a, b: [H, W] in [0, 1]. Returns a number in [-1, 1], NaN for an empty mask. With a full mask this is ordinary SSIM.
    Source: Wang et al. 2004, Eq. 13, with windows weighted by the mask.
    """
    if not mask.any():
        return float("nan")
    weight = mask.astype(np.float32)
    total = np.maximum(_blur(weight), 1e-6)
    mean_a, mean_b = _blur(a * weight) / total, _blur(b * weight) / total
    var_a = np.maximum(_blur(a * a * weight) / total - mean_a**2, 0)
    var_b = np.maximum(_blur(b * b * weight) / total - mean_b**2, 0)
    both = _blur(a * b * weight) / total - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(score[mask].mean())


def _blur(values: npt.NDArray[np.float32]) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))


class Similarity(NamedTuple):
    """ssim: of ranks, NaN if too little is common. common: share of pixels that both frames show."""

    ssim: float
    common: float


def similarity(a: Tones, b: Tones) -> Similarity:
    """Similarity of two frames of one size as they lie."""
    ranks_a, ranks_b, both = common_ranks(a, b)
    common = float(both.mean())
    return Similarity(masked_ssim(ranks_a, ranks_b, both) if common >= MIN_COMMON else float("nan"), common)
