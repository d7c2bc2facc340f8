"""The exposure residual map and what follows from it directly.

Sign (paper Fig. 7): r > 0 underexposed, r < 0 overexposed, 0 ideal.
"""

import numpy as np
import numpy.typing as npt

from luxel.photometry import FloatArray, lightness

DEFAULT_THRESHOLD = 0.2
"""|r| above which a pixel counts as over- or underexposed, unless the criteria say otherwise. Areas
at 0.15 to 0.25 rank pictures most as people do; at 0.1 an ordinary good photograph is mostly "wrong"."""

SCORE_BEST = 8.0
"""Score of a picture that is ideal everywhere, on the scale of the people who scored IEA40K."""

SCORE_UNDER = 14.0
"""Points lost for a mean underexposure, mean max(r, 0), of 1."""

SCORE_OVER = 10.0
"""Points lost for a mean overexposure, mean max(-r, 0), of 1."""

SCORE_VERSION = 3
"""Changes with the meaning of `people_score` or of the advice: rows of another version are assessed again."""


def residual_map(reference: npt.ArrayLike, image: npt.ArrayLike) -> FloatArray:
    """Exposure residual r = Y'(reference) - Y'(image), float32 [H, W] in [-1, 1].

    reference: [H, W, 3] sRGB-encoded, float in [0, 1] or full-scale uint8 / uint16: the ideally exposed image.
    image: [H, W, 3] as the reference: the image that is judged.
    Source: paper 4.2, Fig. 7.

    >>> dark, ideal = np.full((4, 6, 3), 0.25), np.full((4, 6, 3), 0.5)
    >>> float(residual_map(ideal, dark).mean())  # above 0: underexposed
    0.25
    """
    return np.asarray(lightness(reference) - lightness(image))


def mean_residual_score(residual: npt.ArrayLike) -> float:
    """The paper's score without fine-tuning, taken literally: 10 * (1 - mean |r|), in [0, 10].

    The score shown to people is `people_score`.

    residual: [H, W], in [-1, 1], in lightness.
    Source: paper 5.2, "without fine-tuning".

    >>> mean_residual_score([[0.0, 0.5]])
    7.5
    """
    return float(10.0 * (1.0 - np.mean(np.abs(np.asarray(residual, dtype=np.float64)))))


def people_score(residual: npt.ArrayLike) -> float:
    """Score on people's scale: clip(8 - 14 mean max(r, 0) - 10 mean max(-r, 0), 0, 10).

    The constants are fitted to real IEA40K scores of the development scenes.

    residual: [H, W], in [-1, 1], in lightness.
    Source: paper 5.2, with a stated deviation: the paper maps to a scale of 0-10 without stating its mapping. Its
    literal form, `mean_residual_score`, has a larger error against people's scores than a constant.

    >>> people_score([[0.0, 0.0]]), people_score([[-0.2, -0.2]])
    (8.0, 6.0)
    """
    r = np.asarray(residual, dtype=np.float64)
    return score_of(float(np.mean(np.maximum(r, 0))), float(np.mean(np.maximum(-r, 0))))


def score_of(under: float, over: float) -> float:
    """`people_score` from the two means of a map, in [0, 10].

    under: mean underexposure, mean max(r, 0), in [0, 1], in lightness.
    over: mean overexposure, mean max(-r, 0), in [0, 1], in lightness.

    >>> score_of(under=0.1, over=0.1)
    5.6
    """
    return float(np.clip(SCORE_BEST - SCORE_UNDER * under - SCORE_OVER * over, 0, 10))


def over_area(residual: npt.ArrayLike, threshold: float = DEFAULT_THRESHOLD) -> float:
    """Share of pixels with r < -threshold, in [0, 1].

    residual: [H, W], in [-1, 1], in lightness.
    threshold: |r| above which a pixel counts, in lightness, in [0, 1].

    >>> over_area([[-0.5, -0.1, 0.0, 0.5]])
    0.25
    """
    return float(np.mean(np.asarray(residual) < -threshold))


def under_area(residual: npt.ArrayLike, threshold: float = DEFAULT_THRESHOLD) -> float:
    """Share of pixels with r > +threshold, in [0, 1].

    residual: [H, W], in [-1, 1], in lightness.
    threshold: |r| above which a pixel counts, in lightness, in [0, 1].

    >>> under_area([[-0.5, 0.1, 0.3, 0.5]])
    0.5
    """
    return float(np.mean(np.asarray(residual) > threshold))
