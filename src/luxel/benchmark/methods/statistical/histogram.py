"""Exposure read from the histogram of the whole picture: means, classes, an index, entropies, saturated ends."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from luxel.benchmark.methods.statistical.planes import LEVELS, TOP, Image, checked, histogram, levels, luma, value
from luxel.photometry import Float64Array

LOW_CENTROID, HIGH_CENTROID = 1 / 3, 2 / 3
"""Centroids beyond these are under- and overexposed (Liu; ours: the claims name no thresholds)."""

NARROW = 0.5
"""Histograms less wide than this need stretching (Liu; ours)."""

FULL_WIDTH = 0.8
"""Width from which on a histogram loses no score (Liu; ours)."""

TAIL = 0.01
"""Share of the pixels left out at each end of the effective width (Liu; ours)."""

SATURATED_LEVELS = 5
"""Levels beside black and beside white whose pixels count as saturated too: 0 ... 5, 250 ... 255 (Torres; ours)."""


class HistogramClass(StrEnum):
    """Liu's four classes."""

    stretch_needed = "stretch needed"
    underexposed = "underexposed"
    overexposed = "overexposed"
    normal = "normal"


@dataclass(frozen=True, slots=True)
class HistogramShape:
    """Centroid and effective width of the luma histogram, both in [0, 1]."""

    centroid: float
    width: float


def mean_intensity(image: Image) -> float:
    """Mean HSV value, in [0, 1]; without clipping it is linear in the gain of the encoded picture.

    image: [H, W, 3] float in [0, 1]. Source: Datta et al. 2006, feature f1.
    """
    return float(value(image).mean())


def mean_intensity_score(image: Image) -> float:
    """Mean intensity folded around 0.5, in [0, 10]; the fold is ours. image: [H, W, 3] float in [0, 1]."""
    return folded(mean_intensity(image))


def histogram_shape(image: Image) -> HistogramShape:
    """Centroid sum k p(k) / 255 and width (q99 - q1) / 255 of the luma histogram.

    image: [H, W, 3] float in [0, 1]. Source: Liu et al., US patent 7,359,572, claims 1-5, which name an effective width
    and a centroid without formulas; both formulas are ours.
    """
    p = histogram(luma(image))
    cumulated = np.cumsum(p)
    low, high = np.searchsorted(cumulated, TAIL), np.searchsorted(cumulated, 1.0 - TAIL)
    return HistogramShape(float(np.arange(LEVELS) @ p) / TOP, float(high - low) / TOP)


def histogram_centroid(image: Image) -> float:
    """Centroid of the luma histogram, in [0, 1]: the raw number of Liu's method. image: [H, W, 3] float in [0, 1]."""
    return histogram_shape(image).centroid


def histogram_class(image: Image) -> HistogramClass:
    """Liu's class of a picture: under- or overexposed by the centroid, else stretch needed by the width, else normal.

    image: [H, W, 3] float in [0, 1]. Source: Liu et al., claims 1-5; the thresholds are ours.
    """
    shape = histogram_shape(image)
    if shape.centroid < LOW_CENTROID:
        return HistogramClass.underexposed
    if shape.centroid > HIGH_CENTROID:
        return HistogramClass.overexposed
    return HistogramClass.stretch_needed if shape.width < NARROW else HistogramClass.normal


def histogram_score(image: Image) -> float:
    """Centroid folded around 0.5 times min(1, width / 0.8), in [0, 10]; ours. image: [H, W, 3] float in [0, 1]."""
    shape = histogram_shape(image)
    return folded(shape.centroid) * min(1.0, shape.width / FULL_WIDTH)


def saturated_share(image: Image) -> float:
    """Share of the pixels in the saturated ends of the luma histogram, in [0, 1].

    The ends are levels 0 ... 5 and 250 ... 255 (`SATURATED_LEVELS`). image: [H, W, 3] float in [0, 1].
    """
    p = histogram(luma(image))
    return float(p[: SATURATED_LEVELS + 1].sum() + p[-SATURATED_LEVELS - 1 :].sum())


def moment_quality(image: Image) -> float:
    """(1 - |2 m - 1|) (1 - s), in [0, 1]; larger is better. m is the first moment, s the share in the saturated ends.

    1 where the mean of the luma histogram is in the middle and no pixel is saturated, 0 where the mean is at an end or
    every pixel is saturated. image: [H, W, 3] float in [0, 1]. Source: after Torres and Menendez 2015, a re-creation:
    of the paper only the abstract was read (indicators of the histogram's position and shape; neither under- nor
    overexposed). The formula and its constant are ours. The paper's preference of under- to overexposure is left out.
    """
    position = 1.0 - abs(2.0 * histogram_centroid(image) - 1.0)
    return position * max(0.0, 1.0 - saturated_share(image))


def moment_score(image: Image) -> float:
    """10 times `moment_quality`, in [0, 10]; ours. image: [H, W, 3] float in [0, 1]."""
    return 10.0 * moment_quality(image)


def exposure_index(image: Image) -> float:
    """Exposure = (1/L) sum_k k p(k) over levels k = 1 ... L of the HSV value, in (0, 1]; above 0.5 is overexposed.

    image: [H, W, 3] float in [0, 1]. Source: Hanmandlu et al. 2009, in the form later histogram methods use (L = 256).
    """
    return float(np.arange(1, LEVELS + 1) @ histogram(value(image))) / LEVELS


def exposure_index_score(image: Image) -> float:
    """Exposure index folded around 0.5, in [0, 10]; the fold is ours. image: [H, W, 3] float in [0, 1]."""
    return folded(exposure_index(image))


def underexposed_part(image: Image) -> npt.NDArray[np.bool_]:
    """Hanmandlu's underexposed part: value levels 0 ... a - 1 with a = L (1 - exposure); the rest is overexposed.

    image: [H, W, 3] float in [0, 1]. Returns bool [H, W].
    """
    divider = LEVELS * (1.0 - exposure_index(image))
    return np.asarray(levels(value(image)) < divider)


def luma_entropy(image: Image) -> float:
    """Entropy of the luma histogram, -sum p log2 p, in [0, 8] bits.

    image: [H, W, 3] float in [0, 1]. Source: Rahman et al. 2011, who take the exposure where it is largest.
    """
    return entropy(histogram(luma(image))) / math.log(2.0)


def luma_entropy_score(image: Image) -> float:
    """Luma entropy as a share of its maximum of 8 bits, in [0, 10]; ours. image: [H, W, 3] float in [0, 1]."""
    return 10.0 * luma_entropy(image) / math.log2(LEVELS)


def rgb_entropy(image: Image) -> float:
    """Sum of the entropies of the three channels, -sum p ln p, in [0, 3 ln 256] nats.

    image: [H, W, 3] float in [0, 1]. Source: Lu et al. 2010.
    """
    channels = np.moveaxis(checked(image), 2, 0)
    return sum(entropy(histogram(channel)) for channel in channels)


def rgb_entropy_score(image: Image) -> float:
    """RGB entropy as a share of its maximum of 3 ln 256, in [0, 10]; ours. image: [H, W, 3] float in [0, 1]."""
    return 10.0 * rgb_entropy(image) / (3.0 * math.log(LEVELS))


def entropy(p: Float64Array) -> float:
    """Entropy of probabilities, -sum p ln p in nats; empty bins contribute nothing. p: any shape, sum 1."""
    filled = p[p > 0.0]
    return float(np.abs(filled @ np.log(filled)))


def folded(x: float) -> float:
    """10 (1 - 2 |x - 0.5|): a number whose ideal is the middle of [0, 1] as a score in [0, 10]."""
    return 10.0 * (1.0 - 2.0 * abs(x - 0.5))
