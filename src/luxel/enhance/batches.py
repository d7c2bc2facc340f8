"""Training batches from pairs: batch number n of a seed is the same in every run, whatever its loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from luxel.enhance.pairs import Pair
from luxel.enhance.recipe import PairsSection
from luxel.photometry import ByteArray


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Dark images and ground truths, [B, 3, crop, crop] float32 in [0, 1]. mixed: whether mixup made them."""

    low: Tensor
    high: Tensor
    mixed: bool


def make_batch(pairs: Sequence[Pair], data: PairsSection, seed: int, step: int, *, mixup: bool = True) -> PairBatch:
    """Batch number `step`: windows at random places, turned, and for a share of the batches mixed.

    pairs: at least one.
    data: size of windows and batch, and what is done to them.
    seed: of the run.
    step: number of the batch, from 0.
    mixup: False leaves mixing out, as for measuring.
    Source of mixup: Zhang et al., ICLR 2018, with one factor for the whole batch.
    """
    rng = np.random.default_rng((seed, step))
    windows = [_window(pairs[int(rng.integers(len(pairs)))], data, rng) for _ in range(data.batch)]
    low, high = (
        torch.from_numpy(np.stack(side)).permute(0, 3, 1, 2).float() / 255 for side in zip(*windows, strict=True)
    )
    mixed = mixup and bool(rng.random() < data.mixup)
    if mixed:
        share, order = float(rng.beta(data.mixup_beta, data.mixup_beta)), rng.permutation(data.batch)
        low, high = (share * side + (1 - share) * side[order] for side in (low, high))
    return PairBatch(low, high, mixed)


def _window(pair: Pair, data: PairsSection, rng: np.random.Generator) -> tuple[ByteArray, ByteArray]:
    """The same window of both images, in the same position; an image smaller than the window is mirrored up to it."""
    crop = data.crop
    missing = [(0, max(0, crop - side)) for side in pair.low.shape[:2]]
    low, high = (
        np.pad(side, [*missing, (0, 0)], mode="symmetric") if any(after for _, after in missing) else side
        for side in (pair.low, pair.high)
    )
    top, left = (int(rng.integers(side - crop + 1)) for side in low.shape[:2])
    position = int(rng.integers({"all": 8, "mirror": 2, "none": 1}[data.turns]))
    quarter, mirrored = (position % 4, position >= 4) if data.turns == "all" else (0, position == 1)
    low, high = (np.rot90(side[top : top + crop, left : left + crop], quarter) for side in (low, high))
    return (low[:, ::-1], high[:, ::-1]) if mirrored else (low, high)
