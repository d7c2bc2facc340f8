"""Residual maps as 16-bit grey PNG, the one place that says how.

code = round(r * 32767) + 32768: 32768 is exactly 0 (ideal), 1 is -1 (overexposed), 65535 is +1 (underexposed); code 0
is not used. One step is 1 / 32767, so a map comes back to within 1.6e-5.
"""

import numpy as np
import numpy.typing as npt

from luxel.photometry import FloatArray

ZERO = 32768
SCALE = 32767

_STRIP_ROWS = 256


def encode_residual(residual: npt.ArrayLike) -> npt.NDArray[np.uint16]:
    """Codes of a residual map.

    residual: [H, W] in [-1, 1]; values outside are clipped. Returns uint16 [H, W].
    Raises ValueError for another shape or a value that is not a number.
    """
    values = np.asarray(residual)
    if values.ndim != 2:
        raise ValueError(f"residual has shape {values.shape}; give [H, W]")
    codes = np.empty(values.shape, dtype=np.uint16)
    for top in range(0, len(values), _STRIP_ROWS):  # No float copy of a whole large map.
        strip = values[top : top + _STRIP_ROWS].astype(np.float32)
        if np.isnan(strip).any():
            raise ValueError("residual holds values that are not numbers")
        np.clip(strip, -1, 1, out=strip)
        strip *= SCALE
        codes[top : top + _STRIP_ROWS] = np.rint(strip, out=strip) + ZERO
    return codes


def decode_residual(codes: npt.NDArray[np.uint16]) -> FloatArray:
    """Residual map of its codes; the inverse of `encode_residual`.

    codes: uint16 [H, W]. Returns float32 [H, W] in [-1, 1] (the unused code 0 counts as -1).
    Raises ValueError for another dtype or shape, such as a PNG read as 8 bit.
    """
    if codes.dtype != np.uint16 or codes.ndim != 2:
        raise ValueError(f"codes are {codes.dtype} {codes.shape}; give uint16 [H, W], read at 16 bit")
    residual = codes.astype(np.float32)
    residual -= ZERO
    residual /= SCALE
    return np.maximum(residual, -1, out=residual)
