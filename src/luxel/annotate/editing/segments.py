"""Segments of a scene at three granularities, each nested in the next coarser: what a person clicks on.

Medium segments are the dataset's own blocks. Coarse ones are unions of them, merged where neighbours differ least; fine
ones are blocks divided by a finer SLIC. So a decision at any granularity is one for every fine segment.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from luxel.dataset.reference.superpixels import block_mean, blocks
from luxel.dataset.reference.zone_decisions import neighbours
from luxel.photometry import lightness

COARSE, FINE = 40, 1000
"""Segments asked for; there are as many medium ones as the dataset has blocks, about 150."""

MIN_FINE_SHARE = 0.1
"""Cuttings of a block below this share of the mean fine segment are joined to the largest one of the block."""

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Segmentation:
    """fine: int32 [H, W], 0 ... n-1. medium, coarse: int32 [n], the segment that holds each fine one."""

    fine: Labels
    medium: Labels
    coarse: Labels

    def parents_of(self, granularity: str) -> Labels:
        """int32 [n], the segment of this granularity for each fine one."""
        if granularity == "medium":
            return self.medium
        return self.coarse if granularity == "coarse" else np.arange(len(self.medium), dtype=np.int32)

    def labels(self, granularity: str) -> Labels:
        """int32 [H, W], the segment of this granularity of each pixel."""
        return self.parents_of(granularity)[self.fine]

    def members(self, granularity: str, segments: Sequence[int]) -> npt.NDArray[np.bool_]:
        """bool [H, W], the pixels of some segments."""
        return np.isin(self.parents_of(granularity), segments)[self.fine]

    @property
    def counts(self) -> dict[str, int]:
        """Granularity to number of segments."""
        return {
            "coarse": int(self.coarse.max()) + 1,
            "medium": int(self.medium.max()) + 1,
            "fine": len(self.medium),
        }

    def packed(self) -> tuple[bytes, bytes]:
        """Compressed uint16 [H, W] fine segments, and int32 [2, n] medium and coarse."""
        parents = np.stack([self.medium, self.coarse]).astype("<i4")
        return zlib.compress(self.fine.astype("<u2").tobytes(), 6), zlib.compress(parents.tobytes(), 6)


def unpack_segments(fine: bytes, parents: bytes, shape: tuple[int, int]) -> Segmentation:
    """The inverse of `Segmentation.packed`. shape: height, width."""
    labels = np.frombuffer(zlib.decompress(fine), dtype="<u2").astype(np.int32).reshape(shape)
    both = np.frombuffer(zlib.decompress(parents), dtype="<i4").astype(np.int32).reshape(2, -1)
    return Segmentation(labels, both[0].copy(), both[1].copy())


def segment(fused: npt.NDArray[np.float32], medium: Labels, *, coarse: int = COARSE, fine: int = FINE) -> Segmentation:
    """Three nested segmentations of a scene.

    fused: float32 [H, W, 3], sRGB-encoded. medium: int32 [H, W], the dataset's blocks, 0 ... n-1.
    coarse, fine: segments asked for.
    """
    labels = _divided(medium, blocks(fused, count=fine), MIN_FINE_SHARE * medium.size / fine)
    holder = np.zeros(int(labels.max()) + 1, dtype=np.int32)
    holder[labels] = medium
    return Segmentation(labels, holder, _merged(lightness(fused), medium, coarse)[holder])


def _divided(medium: Labels, finer: Labels, smallest: float) -> Labels:
    """Blocks cut by a finer segmentation, small cuttings joined to the largest of their block."""
    pair = medium.astype(np.int64) * (int(finer.max()) + 1) + finer
    _, first, inverse, sizes = np.unique(pair, return_index=True, return_inverse=True, return_counts=True)
    holder = medium.ravel()[first]
    order = np.lexsort((-sizes, holder))
    _, starts = np.unique(holder[order], return_index=True)
    largest = dict(zip(holder[order][starts].tolist(), order[starts].tolist(), strict=True))
    target = np.array(
        [largest[int(h)] if s < smallest else i for i, (h, s) in enumerate(zip(holder, sizes, strict=True))]
    )
    _, labels = np.unique(target[inverse], return_inverse=True)
    return labels.reshape(medium.shape).astype(np.int32)


def _merged(y: npt.NDArray[np.float32], medium: Labels, wanted: int) -> Labels:
    """For each block its coarse segment: neighbours are merged, those that differ least (weighed by size) first."""
    count = int(medium.max()) + 1
    pairs, _ = neighbours(medium)
    mean = block_mean(y, medium).astype(np.float64).tolist()
    size = np.bincount(medium.ravel(), minlength=count).astype(np.float64).tolist()
    beside: dict[int, set[int]] = {i: set() for i in range(count)}
    for a, b in pairs.tolist():
        beside[a].add(b)
        beside[b].add(a)
    group = list(range(count))

    def cost(a: int, b: int) -> float:
        return float((mean[a] - mean[b]) ** 2 * size[a] * size[b] / (size[a] + size[b]))

    while len(beside) > wanted:
        found = min(((cost(a, b), a, b) for a in beside for b in beside[a] if a < b), default=None)
        if found is None:
            break
        _, a, b = found
        mean[a] = (mean[a] * size[a] + mean[b] * size[b]) / (size[a] + size[b])
        size[a] += size[b]
        for other in beside.pop(b):
            beside[other].discard(b)
            if other != a:
                beside[other].add(a)
                beside[a].add(other)
        group = [a if g == b else g for g in group]
    return np.unique(group, return_inverse=True)[1].astype(np.int32)
