"""What an exposure of some stops would change in a pixel's lightness, as one table for browser and server."""

from functools import cache

import numpy as np
import numpy.typing as npt

from luxel.photometry import LIGHTNESS_WEIGHTS, to_linear, to_srgb
from luxel.residual_files import SCALE

MAX_THIRDS = 12
"""Four stops either way."""


@cache
def exposure_table() -> npt.NDArray[np.int16]:
    """Codes of the residual that a grey has which needs some stops of light: int16 [25, 256].

    Row i is for (i - 12) / 3 stops, column y for a grey of lightness y / 255: its lightness after that exposure minus
    the one before.
    """
    grey = np.arange(256) / 255.0
    thirds = np.arange(-MAX_THIRDS, MAX_THIRDS + 1)
    after = to_srgb(to_linear(grey)[None, :] * np.exp2(thirds / 3.0)[:, None])
    return np.asarray(np.floor((after - grey) * SCALE + 0.5), dtype=np.int16)


def grey_codes(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Lightness in 255ths, rounded in whole numbers as the browser rounds it: uint8 [H, W, 3] to uint8 [H, W]."""
    weights = np.rint(np.asarray(LIGHTNESS_WEIGHTS) * 1000).astype(np.int64)
    return np.asarray((image.astype(np.int64) @ weights + 500) // 1000, dtype=np.uint8)
