"""The map of a task: signed codes and what was done to each cell, packed and hashed the same in browser and server.

A cell is a pixel of a residual map or a fine segment of a reference. code = round(value * 32767), value in [-1, 1].
"""

import hashlib
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from luxel.photometry import FloatArray
from luxel.residual_files import SCALE

UNTOUCHED, TOUCHED, NOT_JUDGED = 0, 1, 2
"""States of a cell: as it started, changed by the person, outside of what the person wants to judge."""

Codes = npt.NDArray[np.int16]
StatusMap = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TaskMap:
    """codes: int16, any shape, value * 32767. status: uint8 of the same shape."""

    codes: Codes
    status: StatusMap

    @property
    def values(self) -> FloatArray:
        """float32 in [-1, 1]."""
        return self.codes.astype(np.float32) / np.float32(SCALE)

    @property
    def sha256(self) -> str:
        """SHA-256 of the codes (little-endian) and then the states, 64 hex digits."""
        return hashlib.sha256(_plain(self)).hexdigest()


def blank_map(shape: tuple[int, ...]) -> TaskMap:
    """A map of zeros that nobody touched."""
    return TaskMap(np.zeros(shape, dtype=np.int16), np.zeros(shape, dtype=np.uint8))


def map_from(values: npt.ArrayLike) -> TaskMap:
    """An untouched map of these values; values outside [-1, 1] are clipped.

    values: float, any shape. Raises ValueError for a value that is not a number.
    """
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a map holds values that are not numbers")
    codes = np.floor(np.clip(array, -1, 1) * SCALE + 0.5).astype(np.int16)
    return TaskMap(codes, np.zeros(codes.shape, dtype=np.uint8))


def pack(task_map: TaskMap) -> bytes:
    """The map as compressed bytes, without its shape."""
    return zlib.compress(_plain(task_map), 6)


def unpack(data: bytes, shape: tuple[int, ...]) -> TaskMap:
    """The map of `pack`. Raises ValueError for bytes of another size."""
    plain = zlib.decompress(data)
    cells = int(np.prod(shape))
    if len(plain) != 3 * cells:
        raise ValueError(f"{len(plain)} bytes for {cells} cells of a map")
    codes = np.frombuffer(plain, dtype="<i2", count=cells).astype(np.int16).reshape(shape)
    return TaskMap(codes, np.frombuffer(plain, dtype=np.uint8, offset=2 * cells).reshape(shape).copy())


def _plain(task_map: TaskMap) -> bytes:
    return np.ascontiguousarray(task_map.codes, dtype="<i2").tobytes() + np.ascontiguousarray(task_map.status).tobytes()
