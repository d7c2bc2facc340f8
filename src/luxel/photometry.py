"""Light and its encodings: sRGB <-> linear, lightness, luminance, exposure in stops.

Pure functions on NumPy arrays; `[..., 3]` means channel-last. Nothing here reads files or needs torch.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

LIGHTNESS_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of R'G'B' in lightness Y' (BT.601 luma, the convention of the released IEA40K labels)."""

LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Weights of linear RGB in luminance Y (BT.709 primaries, which sRGB shares)."""

MID_GREY = 0.18
"""Linear luminance of Adams' zone V."""


def to_linear(encoded: npt.ArrayLike) -> FloatArray:
    """Linear light of an sRGB-encoded array.

    encoded: any shape, float, in [0, 1] (values outside are clipped: they have no sRGB meaning).
    Returns float32 of the same shape in [0, 1]. Source: IEC 61966-2-1.
    """
    v = np.clip(np.asarray(encoded, dtype=np.float32), 0.0, 1.0)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(linear: npt.ArrayLike) -> FloatArray:
    """sRGB encoding of linear light, clipped as a sensor and a display clip.

    linear: any shape, float, >= 0; values above 1 clip to 1, below 0 to 0.
    Returns float32 of the same shape in [0, 1]. Source: IEC 61966-2-1.
    """
    v = np.clip(np.asarray(linear, dtype=np.float32), 0.0, 1.0)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055).astype(np.float32)


def lightness(image: npt.ArrayLike) -> FloatArray:
    """Lightness Y' = 0.299 R' + 0.587 G' + 0.114 B' of a picture.

    image: [..., 3] sRGB-encoded, float in [0, 1], or uint8 / uint16 at full scale.
    Returns float32 [...] in [0, 1]. Source: the released IEA40K labels; BT.601.
    """
    array = np.asarray(image)
    scale = 1.0 / np.iinfo(array.dtype).max if array.dtype.kind == "u" else 1.0
    weights = np.asarray(LIGHTNESS_WEIGHTS, dtype=np.float32) * np.float32(scale)
    return np.asarray(array @ weights if array.dtype == np.float32 else array.astype(np.float32) @ weights)


def luminance(linear: npt.ArrayLike) -> FloatArray:
    """Luminance Y of linear RGB.

    linear: [..., 3] linear light, sRGB primaries, any non-negative scale. Returns float32 [...] in the same scale.
    Source: BT.709.
    """
    return np.asarray(np.asarray(linear, dtype=np.float32) @ np.asarray(LUMINANCE_WEIGHTS, dtype=np.float32))


def expose(linear: npt.ArrayLike, ev: float) -> FloatArray:
    """Linear light after `ev` stops more exposure, clipped at sensor saturation (1.0).

    linear: any shape, >= 0. ev: stops; +1 doubles the light. Returns float32 of the same shape in [0, 1].
    """
    return np.asarray(np.clip(np.asarray(linear, dtype=np.float32) * np.float32(2.0**ev), 0.0, 1.0))


def as_unit_float(image: npt.ArrayLike) -> FloatArray:
    """A picture as float32 in [0, 1], whatever its storage type.

    image: uint8, uint16 (full scale becomes 1.0) or float (taken as it is). Returns float32 of the same shape.
    """
    array = np.asarray(image)
    if array.dtype.kind == "u":
        return array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    return array.astype(np.float32)
