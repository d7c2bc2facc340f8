"""The network at full resolution, tile by tile, so that memory does not grow with the picture.

What agreement to expect with one run over the whole picture: a network that sees at most HALO pixels to each side of a
pixel gives the same map to float32 rounding. One that looks further, or at the whole picture, as P-IEANet's
self-attention does, sees less of the scene in a tile, and its map differs from the whole run's by whatever that
context was worth; the blend only keeps the difference from showing as seams.
"""

from itertools import product

import numpy as np
import numpy.typing as npt

from luxel.assessment.runtime import Network, predict
from luxel.filters.shrink import GRID
from luxel.photometry import FloatArray, as_unit_float

TILE = 1024
"""Side of a tile in pixels (the last one of a row or column may be up to ALIGN - 1 longer)."""

ALIGN = GRID
"""Tiles start at multiples of this, the network's own grid, so that its halvings fall on the same pixels."""

HALO = 32
"""Pixels along an inner edge of a tile that are computed but not used: they saw padding instead of the picture."""

RAMP = 64
"""Pixels over which one tile fades into the next."""


def predict_tiled(network: Network, image: npt.NDArray[np.generic]) -> FloatArray:
    """Residual map of one picture at full resolution, in overlapping tiles blended into each other.

    image: [H, W, 3] uint8, uint16 or float in [0, 1], sRGB-encoded. Returns float32 [H, W].
    Memory: the map, and what the network needs for one tile. Raises WeightsError as `predict` does.
    """
    height, width = image.shape[:2]
    result = np.zeros((height, width), dtype=np.float32)
    for (rows, row_share), (columns, column_share) in product(_spans(height), _spans(width)):
        tile = predict(network, as_unit_float(image[rows, columns]))
        tile = tile * row_share[:, None]
        tile *= column_share
        result[rows, columns] += tile
    return result


def _spans(length: int) -> list[tuple[slice, FloatArray]]:
    """The tiles along one axis: where each lies, and its share of every pixel; the shares of a pixel sum to 1."""
    reach = TILE - ALIGN - 2 * HALO - RAMP  # From one tile's start to the next, at most, before alignment.
    gaps = max(0, -(-(length - TILE) // reach))
    starts = [i * (length - TILE) // gaps // ALIGN * ALIGN if gaps else 0 for i in range(gaps + 1)]
    spans = [slice(start, length if start == starts[-1] else start + TILE) for start in starts]
    total = np.zeros(length, dtype=np.float32)
    shares: list[FloatArray] = []
    for span in spans:
        pixel = np.arange(span.start, span.stop, dtype=np.float32) + np.float32(0.5)
        share = np.ones_like(pixel)
        if span.start > 0:
            share = np.clip((pixel - span.start - HALO) / RAMP, 0, 1)
        if span.stop < length:
            share = np.minimum(share, np.clip((span.stop - HALO - pixel) / RAMP, 0, 1))
        total[span] += share
        shares.append(share)
    return [(span, np.asarray(share / total[span])) for span, share in zip(spans, shares, strict=True)]
