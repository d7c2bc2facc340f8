"""Exposure judged block by block, so that a picture may be dark in one place and burnt out in another.

The two papers' formulas could not be read; what they say of themselves is kept, the numbers are ours.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from luxel.benchmark.methods.statistical.planes import TOP, Image, luma
from luxel.errors import LuxelError
from luxel.photometry import Float64Array, to_linear
from luxel.zones import luminance_of

GRID = 8
"""Blocks along each side of the picture (ours)."""

DARK_MEDIAN, BRIGHT_MEDIAN = 0.2, 0.8
"""A block whose median luma lies beyond these is dark or bright (Efimov; ours)."""

VISIBLE = (float(luminance_of(2)), float(to_linear(0.97)))
"""Linear light between which a pixel is visible: from zone II, where Adams' textural range begins, to just below
clipping (Dong; ours)."""

STOPS = np.arange(-3.0, 4.0)
"""Exposures a block may be given: zones of Adams' system are one stop apart (Dong; steps and ends are ours)."""

REACH = float(STOPS[-1])
"""Pixels farther outside the visible range than this, in stops, count as just so far: the largest change shows them. So
do clipped pixels, whose true light is not known (ours)."""

NEIGHBOUR_WEIGHT = 0.5
"""What two neighbouring blocks pay for exposures six stops apart, against 1 for a block of which nothing is visible
(Dong; ours)."""


def block_classes(image: Image) -> npt.NDArray[np.int8]:
    """Class of every block by its luma histogram: 1 dark, 0 normal, -1 bright, with the sign of the residual.

    image: [H, W, 3] float in [0, 1], H and W >= 8. Returns int8 [8, 8]. Raises LuxelError for a smaller picture.
    Source: Efimov et al. 2007, as the paper's related work sums it up; grid and thresholds are ours.
    """
    classes = np.zeros((GRID, GRID), dtype=np.int8)
    for place, block in _blocks(luma(image)):
        median = np.median(block)
        classes[place] = int(median < DARK_MEDIAN) - int(median > BRIGHT_MEDIAN)
    return classes


def normal_share(image: Image) -> float:
    """Share of the 64 blocks that are neither dark nor bright, in [0, 1]; larger is better.

    image: [H, W, 3] float in [0, 1], H and W >= 8. Source: as `block_classes`.
    """
    return float(np.mean(block_classes(image) == 0))


def normal_share_score(image: Image) -> float:
    """10 times the share of normal blocks, in [0, 10]; ours. image: [H, W, 3] float in [0, 1], H and W >= 8."""
    return 10.0 * normal_share(image)


def hidden_shares(image: Image) -> Float64Array:
    """Share of every block's pixels that are not visible after each exposure change, float64 [7, 8, 8] in [0, 1].

    The change scales the linear light that has a pixel's luma; visible is what then lies in `VISIBLE`. First axis:
    `STOPS`. image: [H, W, 3] float in [0, 1], H and W >= 8. Raises LuxelError for a smaller picture.
    """
    plane = luma(image)
    low, high = (float(np.log2(end)) for end in VISIBLE)
    stops = np.log2(np.maximum(to_linear(plane), np.finfo(np.float32).tiny)).astype(np.float64)
    stops[plane > 1.0 - 0.5 / TOP] = np.inf
    stops = np.clip(stops, low - REACH, high + REACH)
    # The ends themselves are visible: rounding must not push a pixel that was moved onto them outside.
    low, high = low - 1e-6, high + 1e-6
    shares = np.empty((len(STOPS), GRID, GRID))
    for place, block in _blocks(stops):
        moved = block[None] + STOPS[:, None, None]
        shares[(slice(None), *place)] = np.mean((moved < low) | (moved > high), axis=(1, 2))
    return shares


def block_energy(hidden: Float64Array, chosen: npt.NDArray[np.intp]) -> float:
    """What a choice of exposures costs: hidden shares, and 0.5 |difference| / 6 stops for every two neighbours.

    hidden: [7, 8, 8] of `hidden_shares`. chosen: [8, 8], indices into `STOPS`.
    """
    data = float(np.take_along_axis(hidden, chosen[None], axis=0).sum())
    stops = STOPS[chosen]
    return data + NEIGHBOUR_WEIGHT * float(
        _apart(stops[1:], stops[:-1]).sum() + _apart(stops[:, 1:], stops[:, :-1]).sum()
    )


def block_exposures(image: Image) -> Float64Array:
    """Exposure change that every block needs, in stops: above 0 it is underexposed.

    Each block starts at what shows most of it (the smallest change among equals); then the block that gains most is
    changed, one at a time, until no change of one block lowers `block_energy`. The temporal term of the source is 0 for
    one picture. image: [H, W, 3] float in [0, 1], H and W >= 8. Returns float64 [8, 8] in [-3, 3].
    Source: Dong et al. 2015, abstract; the terms are ours.
    """
    hidden = hidden_shares(image)
    smallest_first = np.argsort(np.abs(STOPS), kind="stable")
    chosen = smallest_first[np.argmin(hidden[smallest_first], axis=0)]
    while True:
        cost = hidden + NEIGHBOUR_WEIGHT * _neighbour_cost(STOPS[chosen])
        gain = np.take_along_axis(cost, chosen[None], axis=0)[0] - cost.min(axis=0)
        row, column = divmod(int(np.argmax(gain)), GRID)
        # Only a real gain counts, so that equals cannot take turns for ever.
        if gain[row, column] < 1e-9:
            return np.asarray(STOPS[chosen])
        chosen[row, column] = np.argmin(cost[:, row, column])


def mean_block_change(image: Image) -> float:
    """Mean |exposure change| over the blocks, in [0, 3] stops; smaller is better.

    image: [H, W, 3] float in [0, 1], H and W >= 8. Source: as `block_exposures`.
    """
    return float(np.abs(block_exposures(image)).mean())


def block_change_score(image: Image) -> float:
    """10 (1 - mean |change| / 3 stops), in [0, 10]; ours. image: [H, W, 3] float in [0, 1], H and W >= 8."""
    return 10.0 * (1.0 - mean_block_change(image) / REACH)


def _neighbour_cost(stops: Float64Array) -> Float64Array:
    """What each exposure would cost each block against its neighbours as they are, [8, 8] -> [7, 8, 8]."""
    around = np.pad(stops, 1, constant_values=np.nan)
    neighbours = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
    return np.asarray(sum(np.nan_to_num(_apart(STOPS[:, None, None], other)) for other in neighbours))


def _apart(a: Float64Array, b: Float64Array) -> Float64Array:
    return np.asarray(np.abs(a - b) / (STOPS[-1] - STOPS[0]))


def _blocks(plane: Float64Array) -> Iterator[tuple[tuple[int, int], Float64Array]]:
    """Every block of the grid with its place; sizes differ by at most one pixel."""
    if min(plane.shape) < GRID:
        raise LuxelError(
            f"block method: picture of {plane.shape[0]} x {plane.shape[1]} pixels; give at least {GRID} x {GRID}"
        )
    rows, columns = (np.linspace(0, side, GRID + 1).round().astype(int) for side in plane.shape)
    for r, c in np.ndindex(GRID, GRID):
        yield (r, c), plane[rows[r] : rows[r + 1], columns[c] : columns[c + 1]]
