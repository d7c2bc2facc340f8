"""Residual maps as files: luxel's 16-bit grey PNG, the one place that says how, and NumPy arrays.

code = round(r * 32767) + 32768: 32768 is exactly 0 (ideal), 1 is -1 (overexposed), 65535 is +1 (underexposed); code 0
is not used. One step is 1 / 32767, so a map comes back to within 1.6e-5.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel import images
from luxel.errors import ImageError, LuxelError
from luxel.jobs.records import open_regular
from luxel.photometry import FloatArray

ENDINGS = (".residual.png", ".npy")
"""File names that end so are taken for saved maps without an option."""

RELEASED_SCALE = 255
"""The released IEA40K maps hold residual x 255 as signed integers."""

_ROUNDING = 1e-3

ZERO = 32768
SCALE = 32767

_STRIP_ROWS = 256


def encode_residual(residual: npt.ArrayLike) -> npt.NDArray[np.uint16]:
    """Codes of a residual map, uint16 [H, W].

    residual: [H, W] in [-1, 1]; values outside are clipped.
    Raises ValueError for another shape or a value that is not a number.

    >>> encode_residual([[-1.0, 0.0, 1.0]]).tolist()
    [[1, 32768, 65535]]
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
    """Residual map of its codes, float32 [H, W] in [-1, 1]; the inverse of `encode_residual`.

    codes: uint16 [H, W]; the unused code 0 counts as -1.
    Raises ValueError for another dtype or shape, such as a PNG read as 8 bit.

    >>> decode_residual(encode_residual([[-1.0, 0.0, 1.0]])).tolist()
    [[-1.0, 0.0, 1.0]]
    """
    if codes.dtype != np.uint16 or codes.ndim != 2:
        raise ValueError(f"codes are {codes.dtype} {codes.shape}; give uint16 [H, W], read at 16 bit")
    residual = codes.astype(np.float32)
    residual -= ZERO
    residual /= SCALE
    return np.maximum(residual, -1, out=residual)


def read_npy(path: Path, *, kind: type[LuxelError] = ImageError) -> npt.NDArray[Any]:
    """The array of a .npy file. What its header promises is compared with the file's size before memory is asked for.

    path: the file.
    kind: class of the error.
    Raises `kind` for a file that is missing, damaged, not an array of numbers, or not a file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/map.npy", np.zeros((2, 3), np.float32))
    ...     read_npy(Path(folder) / "map.npy").shape
    (2, 3)
    """
    try:
        with open_regular(path):
            pass
        with np.errstate(over="ignore"):  # of sizes that no file has; NumPy rejects them after that
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(mapped, np.ndarray):
            raise ValueError("it is a bundle of arrays")
        return np.array(mapped)
    except FileNotFoundError as error:
        raise kind(f"{path}: no such file") from error
    except Exception as error:  # NumPy evaluates the header as Python, so that a damaged one raises nearly anything
        reason = "it holds Python objects" if "pickle" in str(error) else " ".join(str(error).split())[:120]
        raise kind(f"{path}: cannot be read as a NumPy array: {reason}") from error


def is_saved_map(path: str | Path) -> bool:
    """Whether the name of a file says that it is a saved map: it ends in .residual.png or .npy.

    path: the file, which need not exist.

    >>> is_saved_map("IMG_1.residual.png"), is_saved_map("IMG_1.png")
    (True, False)
    """
    return Path(path).name.lower().endswith(ENDINGS)


def read_saved_map(path: str | Path) -> FloatArray:
    """A saved residual map, float32 [H, W] in [-1, 1].

    path: 16-bit grey PNG as `luxel assess --residual` writes it (`luxel.residual_files`), or .npy with float [H, W] in
        [-1, 1], or with signed integers as the released IEA40K maps (residual x 255).
    Raises ImageError: missing, damaged, a PNG of 8 bit or of colours, another shape, values that are not residuals.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images.write(f"{folder}/a.residual.png", encode_residual(np.full((2, 2), 0.25)))
    ...     read_saved_map(f"{folder}/a.residual.png").round(3).tolist()
    [[0.25, 0.25], [0.25, 0.25]]
    """
    path = Path(path)
    if path.suffix.lower() != ".npy":
        picture = images.read(path)
        pixels = picture.pixels
        if picture.format != "PNG" or pixels.dtype != np.uint16:
            raise ImageError(f"{path}: {picture.format} of {picture.bits} bit; a saved map is PNG of 16 bit, or .npy")
        # A map has one channel. A photograph would show itself here by its colours.
        if not ((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all()):
            raise ImageError(f"{path}: a picture in colour, not a saved map; remove --maps")
        return decode_residual(np.ascontiguousarray(pixels[..., 0]))
    values = read_npy(path, kind=ImageError)
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "if":
        raise ImageError(
            f"{path}: is {values.dtype} of shape {values.shape}; a map is float or signed integers, [H, W]"
        )
    residual = values.astype(np.float32)
    if values.dtype.kind == "i":
        residual /= RELEASED_SCALE
    low, high = float(residual.min()), float(residual.max())
    if not (low >= -1 - _ROUNDING and high <= 1 + _ROUNDING):  # NaN fails too
        raise ImageError(f"{path}: values run from {low:g} to {high:g}; a residual stays in [-1, 1]")
    return np.clip(residual, -1, 1)
