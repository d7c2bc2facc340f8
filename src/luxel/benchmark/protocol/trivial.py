"""Trivial predictors of the residual map. A network earns its keep only where it beats every one of them.

None looks at content: each wants the picture, or each neighbourhood, at one fixed lightness.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from luxel.errors import LuxelError
from luxel.filters.gaussian import blur
from luxel.photometry import FloatArray, lightness

UnitPredictor = Callable[[npt.NDArray[np.floating]], FloatArray]
"""image [H, W, 3] float, sRGB-encoded, in [0, 1] -> residual float32 [H, W] in [-1, 1]."""

MID_LIGHTNESS = 0.475
"""Mean lightness of the references that IEA40K's labels imply."""

LOCAL_SIGMA = 16.0
"""Sigma of the local mean in pixels where the short side has `LOCAL_SIGMA_SIDE`; it grows with the picture."""

LOCAL_SIGMA_SIDE = 256


def zero(image: npt.NDArray[np.floating]) -> FloatArray:
    """The zero map: every pixel is ideal. image: [H, W, 3] in [0, 1]. Returns float32 [H, W]."""
    return np.zeros_like(_lightness_of(image))


def constant(image: npt.NDArray[np.floating]) -> FloatArray:
    """The constant map 0.475 - mean(Y'). image: [H, W, 3] in [0, 1]. Returns float32 [H, W]."""
    plane = _lightness_of(image)
    return np.full_like(plane, MID_LIGHTNESS - np.mean(plane, dtype=np.float64))


def mid_grey(image: npt.NDArray[np.floating]) -> FloatArray:
    """Every pixel to mid-grey, 0.475 - Y'. image: [H, W, 3] in [0, 1]. Returns float32 [H, W]."""
    return np.asarray(np.float32(MID_LIGHTNESS) - _lightness_of(image))


def local_mid_grey(image: npt.NDArray[np.floating]) -> FloatArray:
    """Every neighbourhood to mid-grey: 0.475 - Gaussian local mean of Y', borders mirrored.

    Sigma is 16 pixels where the short side has 256 and grows with it. image: [H, W, 3] in [0, 1].
    Returns float32 [H, W].
    """
    plane = _lightness_of(image)
    sigma = LOCAL_SIGMA * min(plane.shape) / LOCAL_SIGMA_SIDE
    return (MID_LIGHTNESS - blur(plane, sigma)).astype(np.float32)


TRIVIAL: dict[str, UnitPredictor] = {
    "zero": zero,
    "constant": constant,
    "mid_grey": mid_grey,
    "local_mid_grey": local_mid_grey,
}


def _lightness_of(image: npt.NDArray[np.floating]) -> FloatArray:
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or array.size == 0 or array.dtype.kind != "f":
        raise LuxelError(
            f"trivial predictor: image of shape {array.shape} and type {array.dtype}; give [H, W, 3] float in [0, 1]"
        )
    return lightness(array)
