"""Shrinking a picture to the size the network works at, fast and without a full-size float copy.

Averages are taken of the encoded values, as in training: a picture of 8-bit values reduced by any viewer or camera.
"""

from functools import lru_cache
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

BLOCKS = {8: 4.0, 4: 2.9, 2: GAP}
"""Sides of blocks whose means stand for a picture, and how many of them a working pixel must be high at least."""

_SMALL_PRODUCT = 200_000
"""Multiplications of one product at most: above about 260,000 NumPy's BLAS starts threads, which wait in a busy loop
and cost several times the product as soon as anything else runs."""

_CHUNK = 32  # working rows or columns that are made at a time: each needs only the blocks around it


def working_shape(height: int, width: int, working_size: int) -> tuple[int, int]:
    """Size (h, w) at which an image of height x width pixels is given to the network; never larger than the image.

    The short side becomes working_size; images longer than 3 : 1 keep their pixel count at 3 * working_size^2
    instead, which leaves their short side more than a limit on the long side would; a side below the network's grid
    counts as the grid.

    height: of the image, in pixels.
    width: of the image, in pixels.
    working_size: short side in pixels at which the network sees an image.

    >>> working_shape(3000, 4000, 256)
    (256, 341)
    """
    pixels, short, long = MAX_ASPECT * working_size**2, min(height, width), max(height, width)
    scale = min(1.0, working_size / short, (pixels / (height * width)) ** 0.5, pixels / (GRID * long))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink(image: npt.NDArray[Any], shape: tuple[int, int]) -> FloatArray:
    """An image or a map reduced to `shape` with antialiasing: float32 [h, w, 3] or [h, w].

    Unsigned integers come back in [0, 1]. Memory: [h, w] times GAP^2, and a strip of the image.

    image: [H, W, 3] uint8, uint16 (full scale) or float, or one plane [H, W]; in the encoding it has.
    shape: (h, w), not above (H, W).

    >>> small = shrink(np.full((30, 40, 3), 255, np.uint8), (3, 4))
    >>> small.shape, round(float(small.mean()), 3)
    ((3, 4, 3), 1.0)
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


def block_side(height: int, width: int, working_size: int) -> int:
    """Side of the largest blocks whose means are enough to give the network an image of height x width pixels.

    Returns 8, 4 or 2 where blocks of that size are small beside a working pixel (`BLOCKS`), else 1.

    height: of the image, in pixels.
    width: of the image, in pixels.
    working_size: short side in pixels at which the network sees an image.

    >>> block_side(3000, 4000, 256), block_side(448, 600, 256)
    (4, 1)
    """
    low_height, low_width = working_shape(height, width, working_size)
    ratio = min(height / low_height, width / low_width)
    return next((side for side, blocks in BLOCKS.items() if ratio / side >= blocks), 1)


def block_means(image: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """An image as means over blocks of pixels, [ceil(H / side), ceil(W / side), 3].

    uint8 stays uint8, all else becomes float32; uint16 comes back in [0, 1].

    image: [H, W, 3] uint8, uint16 (full scale) or float, in the encoding it has.
    side: of a block, in pixels; 1 returns the image itself.

    >>> block_means(np.full((5, 8, 3), 7, np.uint8), 4).shape
    (2, 2, 3)
    """
    if side == 1:
        return image
    if image.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).reduce(side))
    rows = max(1, STRIP_ROWS // side) * side
    strips = [np.dstack(_reduce(image[top : top + rows], (side, side))) for top in range(0, len(image), rows)]
    means = np.concatenate(strips)
    if image.dtype.kind == "u":
        means /= np.float32(np.iinfo(image.dtype).max)
    return means


def shrink_blocks(
    image: npt.NDArray[Any],
    size: tuple[int, int],
    shape: tuple[int, int],
    side: int,
    *,
    partial_first: tuple[bool, bool] = (False, False),
) -> FloatArray:
    """An image known by means of blocks, reduced to `shape` as `shrink` reduces the image itself: float32 [h, w, 3].

    Unsigned integers come back in [0, 1]. Equal to `shrink` where the cells that it averages are whole blocks;
    elsewhere blocks on the border of two cells count to both by their area.

    image: [ceil(H / side), ceil(W / side), 3] uint8, uint16 (full scale) or float: means over side x side pixels; in
        the last row and column over what is left of the image.
    size: (H, W) of the image, in pixels.
    shape: (h, w), not above (H, W).
    side: of a block, in pixels.
    partial_first: for rows and for columns, whether it is the first block, not the last, that is over what is left:
        as in an image that was rotated.

    >>> image = np.arange(64 * 64 * 3, dtype=np.float32).reshape(64, 64, 3)
    >>> blocks = block_means(image, 2)
    >>> bool(np.allclose(shrink_blocks(blocks, (64, 64), (8, 8), 2), shrink(image, (8, 8))))
    True
    """
    rows = _weights(size[0], shape[0], side, partial_first[0])
    columns = _weights(size[1], shape[1], side, partial_first[1])
    blocks_high, blocks_wide, channels = image.shape
    lines = np.ascontiguousarray(image).reshape(blocks_high, -1)
    low = _weigh(rows, lines).reshape(shape[0], blocks_wide, channels)
    planes = np.ascontiguousarray(low.transpose(1, 0, 2)).reshape(blocks_wide, -1)
    small = np.ascontiguousarray(_weigh(columns, planes).reshape(shape[1], shape[0], channels).transpose(1, 0, 2))
    if image.dtype.kind == "u":
        small /= np.float32(np.iinfo(image.dtype).max)
    return small


@lru_cache(maxsize=8)  # pictures of one camera have one size
def _weights(full: int, low: int, side: int, partial_first: bool) -> FloatArray:
    """[low, ceil(full / side)]: how much each block counts in each working pixel, along one axis, as in `shrink`.

    Means over cells of whole pixels, then a triangle over cells; a partial cell at the end has its whole place.
    """
    across = max(1, int(full / low / GAP))
    cells, blocks = -(-full // across), -(-full // side)
    cell_ends = np.minimum(np.arange(cells + 1) * across, full)
    block_ends = np.minimum(np.arange(blocks + 1) * side, full)
    if partial_first:
        block_ends = full - block_ends[::-1]
    shared = np.minimum(cell_ends[1:, None], block_ends[1:]) - np.maximum(cell_ends[:-1, None], block_ends[:-1])
    means = np.maximum(shared, 0) / np.diff(cell_ends)[:, None]
    step = full / across / low
    distance = np.arange(cells) + 0.5 - (np.arange(low)[:, None] + 0.5) * step
    triangle = np.maximum(0, 1 - np.abs(distance) / max(1.0, step))
    triangle /= triangle.sum(axis=1, keepdims=True)
    return _weigh(triangle.astype(np.float32), means)


def _weigh(weights: FloatArray, lines: npt.NDArray[Any]) -> FloatArray:
    """weights [m, n] times lines [n, k] as float32 [m, k], leaving out the zeros away from the diagonal."""
    result = np.empty((len(weights), lines.shape[1]), np.float32)
    for top in range(0, len(weights), _CHUNK):
        part = weights[top : top + _CHUNK]
        used = np.flatnonzero(part.any(axis=0))
        inside = slice(int(used[0]), int(used[-1]) + 1)
        block, source = part[:, inside], lines[inside].astype(np.float32)
        width = max(1, _SMALL_PRODUCT // block.size)
        for left in range(0, source.shape[1], width):
            columns = slice(left, left + width)
            result[top : top + _CHUNK, columns] = block @ source[:, columns]
    return result


def _reduce(strip: npt.NDArray[Any], factors: tuple[int, int]) -> list[FloatArray]:
    """Means over cells of `factors` = (across, down) pixels: a float32 plane per channel, in the strip's own scale."""
    if strip.dtype == np.uint8 and strip.ndim == 3:  # Pillow's 8-bit path, three times as fast; rounds to 1/255.
        means = np.asarray(Image.fromarray(np.ascontiguousarray(strip)).reduce(factors), dtype=np.float32)
        return [np.ascontiguousarray(means[..., c]) for c in range(3)]
    planes = [strip] if strip.ndim == 2 else [strip[..., c] for c in range(3)]
    return [np.asarray(Image.fromarray(np.ascontiguousarray(p, dtype=np.float32)).reduce(factors)) for p in planes]
