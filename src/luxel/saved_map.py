"""Residual maps from files: luxel's 16-bit PNG, or a NumPy array."""

from pathlib import Path

import numpy as np

from luxel import images
from luxel.errors import ImageError
from luxel.photometry import FloatArray
from luxel.residual_png import decode_residual

ENDINGS = (".residual.png", ".npy")
"""File names that end so are taken for saved maps without being told."""

RELEASED_SCALE = 255
"""The released IEA40K maps hold residual x 255 as signed integers."""

_ROUNDING = 1e-3


def is_saved_map(path: str | Path) -> bool:
    """Whether the name of a file says that it is a saved map."""
    return Path(path).name.lower().endswith(ENDINGS)


def read_saved_map(path: str | Path) -> FloatArray:
    """A saved residual map, float32 [H, W] in [-1, 1].

    path: 16-bit grey PNG as `luxel assess --residual` writes it (`luxel.residual_png`), or .npy with float [H, W] in
    [-1, 1], or with signed integers as the released IEA40K maps (residual x 255).
    Raises ImageError: missing, damaged, a PNG of 8 bit or of colours, another shape, values that are no residuals.
    """
    path = Path(path)
    if path.suffix.lower() != ".npy":
        picture = images.read(path)
        pixels = picture.pixels
        if picture.format != "PNG" or pixels.dtype != np.uint16:
            raise ImageError(f"{path}: {picture.format} of {picture.bits} bit; a saved map is PNG of 16 bit, or .npy")
        # A map has one channel. A photograph would show itself here by its colours.
        if not ((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all()):
            raise ImageError(f"{path}: a picture in colour, not a saved map; leave --maps away")
        return decode_residual(np.ascontiguousarray(pixels[..., 0]))
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except (OSError, ValueError, EOFError) as error:
        raise ImageError(f"{path}: cannot be read as a NumPy array: {' '.join(str(error).split())[:120]}") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.size == 0 or values.dtype.kind not in "if":
        what = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else "a bundle of arrays"
        raise ImageError(f"{path}: is {what}; a map is float or signed integers, [H, W]")
    residual = values.astype(np.float32)
    if values.dtype.kind == "i":
        residual /= RELEASED_SCALE
    low, high = float(residual.min()), float(residual.max())
    if not (low >= -1 - _ROUNDING and high <= 1 + _ROUNDING):  # NaN fails too
        raise ImageError(f"{path}: values run from {low:g} to {high:g}; a residual stays in [-1, 1]")
    return np.clip(residual, -1, 1)
