"""The exposure residual map and what follows from it directly.

Sign (paper Fig. 7): r > 0 underexposed, r < 0 overexposed, 0 ideal.
"""

import numpy as np
import numpy.typing as npt

from luxel.photometry import FloatArray, lightness

DEFAULT_THRESHOLD = 0.1
"""|r| above which a pixel counts as over- or underexposed, unless the criteria say otherwise."""


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


def over_area(residual: npt.ArrayLike, threshold: float = DEFAULT_THRESHOLD) -> float:
    """Share of pixels with r < -threshold, in [0, 1]. residual: [H, W] in [-1, 1]."""
    return float(np.mean(np.asarray(residual) < -threshold))


def under_area(residual: npt.ArrayLike, threshold: float = DEFAULT_THRESHOLD) -> float:
    """Share of pixels with r > +threshold, in [0, 1]. residual: [H, W] in [-1, 1]."""
    return float(np.mean(np.asarray(residual) > threshold))
