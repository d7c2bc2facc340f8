"""The planes the statistics are taken from: luma, HSV value, 8-bit levels and their histogram."""

import numpy as np
import numpy.typing as npt

from luxel.errors import LuxelError
from luxel.photometry import Float64Array, lightness

Image = npt.NDArray[np.floating]
"""[H, W, 3] float, sRGB-encoded, in [0, 1]."""


LEVELS = 256
"""Levels of an 8-bit histogram."""

TOP = LEVELS - 1


def luma(image: Image) -> Float64Array:
    """Luma Y' = 0.299 R' + 0.587 G' + 0.114 B' of a picture, float64 [H, W] in [0, 1].

    Raises LuxelError for anything but [H, W, 3] float in [0, 1].
    """
    return lightness(checked(image)).astype(np.float64)


def value(image: Image) -> Float64Array:
    """HSV value max(R', G', B') of a picture, float64 [H, W] in [0, 1]. Raises LuxelError as `luma` does."""
    return np.asarray(checked(image).max(axis=2), dtype=np.float64)


def levels(plane: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """The nearest 8-bit levels of values in [0, 1], uint8 of the same shape."""
    return np.asarray(np.rint(plane * TOP), dtype=np.uint8)


def histogram(plane: npt.NDArray[np.floating]) -> Float64Array:
    """Shares of the 256 levels in a plane in [0, 1], float64 [256] with sum 1."""
    return np.bincount(levels(plane).ravel(), minlength=LEVELS) / plane.size


def checked(image: Image) -> Image:
    """The picture as it is. Raises LuxelError for anything but [H, W, 3] float in [0, 1], not empty."""
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or array.size == 0 or array.dtype.kind != "f":
        raise LuxelError(
            f"statistical method: image of shape {array.shape} and type {array.dtype}; give [H, W, 3] float in [0, 1]"
        )
    low, high = float(array.min()), float(array.max())
    if not 0.0 <= low <= high <= 1.0:
        raise LuxelError(f"statistical method: image with values {low:g} to {high:g}; give [H, W, 3] float in [0, 1]")
    return array
