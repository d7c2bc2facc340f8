"""Scene-disjoint splits: no group of scenes is ever in two of train, val and test."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from luxel.dataset.folder.manifest import SEEDS, FrameRow
from luxel.errors import DatasetError

NAMES = ("train", "val", "test")
SHARES = (0.8, 0.1, 0.1)
"""Default shares of train, val and test, counted in groups."""


def assign(groups: Iterable[str], *, seed: int, shares: Sequence[float] = SHARES) -> dict[str, str]:
    """Split of every group under one seed.

    groups: names; scenes that show the same place (views of one panorama) share one. shares: of train, val and test,
    summing to 1. The groups are ordered by a hash of seed and name and cut by the shares, so the result depends on
    nothing else, not even their order; a split with a share above 0 gets at least one group as long as there are
    enough. Returns group -> "train", "val" or "test". Raises DatasetError for shares that make no sense.
    """
    if len(shares) != len(NAMES) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise DatasetError(
            f"split shares {tuple(shares)}: give three numbers >= 0 for train, val and test that sum to 1"
        )
    ordered = sorted(set(groups), key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).digest())
    n = len(ordered)
    counts = [int(n * share) for share in shares]
    # What rounding left goes to the largest remainders, and each wanted split gets one before train keeps the rest.
    remainders = sorted(range(3), key=lambda i: (counts[i] - n * shares[i], i))
    for i in remainders[: n - sum(counts)]:
        counts[i] += 1
    for i in (0, 1, 2):
        if shares[i] > 0 and counts[i] == 0 and max(counts) > 1:
            counts[counts.index(max(counts))] -= 1
            counts[i] = 1
    result: dict[str, str] = {}
    for name, count in zip(NAMES, counts, strict=True):
        result.update(dict.fromkeys(ordered[len(result) : len(result) + count], name))
    return result


def split_rows(rows: Sequence[FrameRow], *, seed: int = 0, shares: Sequence[float] = SHARES) -> list[FrameRow]:
    """The rows with split_0 ... split_4 assigned by seeds `seed` ... `seed + 4`.

    `split` becomes split_0, except where it is set already: that is the list an imported frame came in.
    """
    groups = {row.group for row in rows}
    splits = [assign(groups, seed=seed + i, shares=shares) for i in range(SEEDS)]
    result = []
    for row in rows:
        names = [split[row.group] for split in splits]
        columns: dict[str, Any] = {f"split_{i}": name for i, name in enumerate(names)}
        result.append(replace(row, split=row.split or names[0], **columns))
    return result


def leaks(rows: Iterable[FrameRow]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Groups and scenes that are in more than one split: (column, name, splits), empty for a sound dataset."""
    seen: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        for column, split in [("split", row.split), *((f"split_{i}", s) for i, s in enumerate(row.splits))]:
            for name in {f"group {row.group}", f"scene {row.scene_id}"}:
                seen.setdefault((column, name), set()).add(split)
    return [(column, name, tuple(sorted(s))) for (column, name), s in sorted(seen.items()) if len(s) > 1]
