"""Shrinking a picture to the size the network works at, fast and without a full-size float copy.

Averages are taken of the encoded values, as in training: a picture of 8-bit values reduced by any viewer or camera.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel.photometry import FloatArray, as_unit_float

GRID = 32
"""The network continues its input to multiples of this in height and width; thinner pictures cost as much as this."""

MAX_ASPECT = 3.0
"""A working picture has at most this many times working_size^2 pixels, so cost stays bounded for panoramas too."""

GAP = 2.0
"""Whole-pixel averaging stops at this many times the working size; a smooth filter does the rest without aliasing."""

STRIP_ROWS = 64


def working_shape(height: int, width: int, working_size: int) -> tuple[int, int]:
    """Size [h, w] at which a picture of [height, width] is given to the network.

    The short side becomes working_size; pictures longer than 3 : 1 keep their pixel count at 3 * working_size^2
    instead, which leaves their short side more than a limit on the long side would; a side below the network's grid
    counts as the grid. Never larger than the picture.
    """
    pixels, short, long = MAX_ASPECT * working_size**2, min(height, width), max(height, width)
    scale = min(1.0, working_size / short, (pixels / (height * width)) ** 0.5, pixels / (GRID * long))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink(image: npt.NDArray[Any], shape: tuple[int, int]) -> FloatArray:
    """A picture or a map reduced to `shape` with antialiasing.

    image: [H, W, 3] uint8, uint16 (full scale) or float, or one plane [H, W]; in the encoding it has.
    shape: [h, w], not above [H, W]. Returns float32 [h, w, 3] or [h, w]; unsigned integers come back in [0, 1].
    Memory: [h, w] times GAP^2, and a strip of the picture.
    """
    (height, width), (low_height, low_width) = image.shape[:2], shape
    if shape == (height, width):
        return as_unit_float(image)
    across, down = (max(1, int(full / low / GAP)) for full, low in ((width, low_width), (height, low_height)))
    rows = max(1, STRIP_ROWS // down) * down  # Whole cells, so that strips equal the whole.
    strips = [_reduce(image[top : top + rows], (across, down)) for top in range(0, height, rows)]
    # The last cell of a row or column may be a partial one: the box says how far the picture itself reaches.
    box = (0.0, 0.0, width / across, height / down)
    planes = [
        Image.fromarray(np.concatenate(plane)).resize((low_width, low_height), Image.Resampling.BILINEAR, box=box)
        for plane in zip(*strips, strict=True)
    ]
    small = np.stack([np.asarray(plane) for plane in planes], axis=-1)
    if image.dtype.kind == "u":
        small /= np.float32(np.iinfo(image.dtype).max)
    return small if image.ndim == 3 else small[..., 0]


def _reduce(strip: npt.NDArray[Any], factors: tuple[int, int]) -> list[FloatArray]:
    """Means over cells of `factors` = (across, down) pixels: a float32 plane per channel, in the strip's own scale."""
    if strip.dtype == np.uint8 and strip.ndim == 3:  # Pillow's 8-bit path, three times as fast; rounds to 1/255.
        means = np.asarray(Image.fromarray(np.ascontiguousarray(strip)).reduce(factors), dtype=np.float32)
        return [np.ascontiguousarray(means[..., c]) for c in range(3)]
    planes = [strip] if strip.ndim == 2 else [strip[..., c] for c in range(3)]
    return [np.asarray(Image.fromarray(np.ascontiguousarray(p, dtype=np.float32)).reduce(factors)) for p in planes]
