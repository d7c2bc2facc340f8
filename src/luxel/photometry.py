"""Light and its encodings: sRGB <-> linear, lightness, luminance, exposure in stops.

Pure functions on NumPy arrays; `[..., 3]` means channel-last. Nothing here reads files or needs torch.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
ByteArray = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
"""True where a pixel belongs to something."""

LIGHTNESS_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of R'G'B' in lightness Y' (BT.601 luma, the convention of the released IEA40K labels)."""

LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Weights of linear RGB in luminance Y (BT.709 primaries, which sRGB shares)."""

MID_GREY = 0.18
"""Linear luminance of Adams' zone V."""


def to_linear(encoded: npt.ArrayLike) -> FloatArray:
    """Linear light of an sRGB-encoded array, float32 of the same shape in [0, 1].

    encoded: any shape, float, sRGB-encoded, in [0, 1]; values outside are clipped, they have no sRGB meaning.
    Source: IEC 61966-2-1.

    >>> round(float(to_linear(0.5)), 3)
    0.214
    """
    v = np.clip(np.asarray(encoded, dtype=np.float32), 0.0, 1.0)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(linear: npt.ArrayLike) -> FloatArray:
    """sRGB encoding of linear light, float32 of the same shape in [0, 1], clipped as a sensor and a display clip.

    linear: any shape, float, linear light; values above 1 become 1, below 0 become 0.
    Source: IEC 61966-2-1.

    >>> round(float(to_srgb(0.18)), 2), round(float(to_srgb(4.0)), 2)
    (0.46, 1.0)
    """
    v = np.clip(np.asarray(linear, dtype=np.float32), 0.0, 1.0)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055).astype(np.float32)


def lightness(image: npt.ArrayLike) -> FloatArray:
    """Lightness Y' = 0.299 R' + 0.587 G' + 0.114 B' of an image, float32 [...] in [0, 1].

    image: [..., 3] sRGB-encoded, float in [0, 1], or uint8 / uint16 at full scale.
    Source: the released IEA40K labels; BT.601.

    >>> lightness(np.full((2, 2, 3), 255, np.uint8)).round(3).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    array = np.asarray(image)
    scale = 1.0 / np.iinfo(array.dtype).max if array.dtype.kind == "u" else 1.0
    weights = np.asarray(LIGHTNESS_WEIGHTS, dtype=np.float32) * np.float32(scale)
    return np.asarray(array @ weights if array.dtype == np.float32 else array.astype(np.float32) @ weights)


def luminance(linear: npt.ArrayLike) -> FloatArray:
    """Luminance Y of linear RGB, float32 [...] in the scale of the input.

    linear: [..., 3] linear light, sRGB primaries, >= 0, any scale.
    Source: BT.709.

    >>> round(float(luminance([0.0, 1.0, 0.0])), 4)
    0.7152
    """
    return np.asarray(np.asarray(linear, dtype=np.float32) @ np.asarray(LUMINANCE_WEIGHTS, dtype=np.float32))


def expose(linear: npt.ArrayLike, ev: float) -> FloatArray:
    """Linear light after `ev` stops more exposure, float32 of the same shape, clipped at sensor saturation, 1.

    linear: any shape, linear light, >= 0.
    ev: stops; +1 doubles the light.

    >>> expose([0.25, 0.5, 0.75], 1.0).tolist()
    [0.5, 1.0, 1.0]
    """
    return np.asarray(np.clip(np.asarray(linear, dtype=np.float32) * np.float32(2.0**ev), 0.0, 1.0))


def as_unit_float(image: npt.ArrayLike) -> FloatArray:
    """An image as float32 of the same shape in [0, 1], whatever its storage type.

    image: any shape; uint8 or uint16, of which full scale becomes 1, or float, which stays as it is.

    >>> as_unit_float(np.array([0, 255], np.uint8)).tolist()
    [0.0, 1.0]
    """
    array = np.asarray(image)
    if array.dtype.kind == "u":
        return array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    return array.astype(np.float32)
