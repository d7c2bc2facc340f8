"""The exposure residual map and what follows from it directly.

Sign (paper Fig. 7): r > 0 underexposed, r < 0 overexposed, 0 ideal.
"""

import numpy as np
import numpy.typing as npt

from luxel.photometry import FloatArray, lightness

DEFAULT_THRESHOLD = 0.2
"""|r| above which a pixel counts as over- or underexposed, unless the criteria say otherwise. Areas
at 0.15 to 0.25 rank pictures most as people do; at 0.1 an ordinary good photograph is mostly "wrong"."""

BEST_SCORE, UNDER_COST, OVER_COST = 8.0, 14.0, 10.0
"""Score of a picture that is ideal everywhere, and points lost for a mean under- and overexposure of 1."""


SCORE_VERSION = 2
"""Changes with the meaning of `people_score` or of the advice: rows of another version are assessed again."""


def residual_map(reference: npt.ArrayLike, image: npt.ArrayLike) -> FloatArray:
    """Exposure residual r = Y'(reference) - Y'(image).

    reference, image: [H, W, 3] sRGB-encoded, float in [0, 1] or full-scale uint8 / uint16.
    Returns float32 [H, W] in [-1, 1]. Source: paper 4.2, Fig. 7.
    """
    return np.asarray(lightness(reference) - lightness(image))


def holistic_score(residual: npt.ArrayLike) -> float:
    """Holistic score without fine-tuning, 10 * (1 - mean |r|), in [0, 10].

    residual: [H, W] in [-1, 1]. Source: paper 5.2, "without fine-tuning".
    """
    return float(10.0 * (1.0 - np.mean(np.abs(np.asarray(residual, dtype=np.float64)))))


def people_score(residual: npt.ArrayLike) -> float:
    """Score on the scale of the people who scored IEA40K, 8 - 14 mean max(r, 0) - 10 mean max(-r, 0), in [0, 10].

    residual: [H, W] in [-1, 1].
    Deviation from paper 5.2, which states no mapping beyond "a scale of 0-10": its literal form is `holistic_score`,
    and its error against people is larger than a constant's. The numbers are a fit to people's scores of the
    development scenes.
    """
    r = np.asarray(residual, dtype=np.float64)
    return score_of(float(np.mean(np.maximum(r, 0))), float(np.mean(np.maximum(-r, 0))))


def score_of(under: float, over: float) -> float:
    """`people_score` from the mean underexposure max(r, 0) and overexposure max(-r, 0), both in [0, 1]."""
    return float(np.clip(BEST_SCORE - UNDER_COST * under - OVER_COST * over, 0, 10))


def over_area(residual: npt.ArrayLike, threshold: float = DEFAULT_THRESHOLD) -> float:
    """Share of pixels with r < -threshold, in [0, 1]. residual: [H, W] in [-1, 1]."""
    return float(np.mean(np.asarray(residual) < -threshold))


def under_area(residual: npt.ArrayLike, threshold: float = DEFAULT_THRESHOLD) -> float:
    """Share of pixels with r > +threshold, in [0, 1]. residual: [H, W] in [-1, 1]."""
    return float(np.mean(np.asarray(residual) > threshold))
