"""Adams' zones: 0 to X, one stop apart in linear luminance, zone V is 18 % grey."""

import numpy as np
import numpy.typing as npt

from luxel.photometry import MID_GREY, FloatArray, luminance, to_linear

ROMAN = ("0", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")


def zone_of(linear_luminance: npt.ArrayLike) -> FloatArray:
    """Zone as a real number, 5 + log2(Y / 0.18), float32 of the same shape, limited to [0, 10].

    linear_luminance: any shape, linear light with display white at 1.
    Source: A. Adams, The Negative (paper Fig. 1c).

    >>> zone_of([0.09, 0.18, 0.36]).round(3).tolist()
    [4.0, 5.0, 6.0]
    """
    y = np.maximum(np.asarray(linear_luminance, dtype=np.float32), 1e-6)
    return np.clip(5.0 + np.log2(y / np.float32(MID_GREY)), 0.0, 10.0).astype(np.float32)


def luminance_of(zone: npt.ArrayLike) -> FloatArray:
    """Linear luminance of a zone, 0.18 * 2^(zone - 5), the inverse of `zone_of` inside [0, 10]; float32.

    zone: any shape, stops with zone V at 18 % grey; zone X is 5.76, far above display white.

    >>> round(float(luminance_of(6)), 4)
    0.36
    """
    return np.asarray(MID_GREY * np.exp2(np.asarray(zone, dtype=np.float32) - 5.0), dtype=np.float32)


def zone_histogram(image: npt.ArrayLike) -> FloatArray:
    """Share of pixels in each zone 0 ... X (nearest whole zone), float32 [11] that sums to 1.

    image: [H, W, 3] float, sRGB-encoded, in [0, 1].

    >>> zone_histogram(np.full((4, 4, 3), 0.46, np.float32)).tolist().index(1.0)  # 18 % grey
    5
    """
    zones = np.rint(zone_of(luminance(to_linear(image)))).astype(np.int64)
    return (np.bincount(zones.ravel(), minlength=len(ROMAN)) / zones.size).astype(np.float32)
