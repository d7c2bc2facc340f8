"""Pairs of dark images and ground truths drawn by a program, in memory and as datasets on disk."""

from pathlib import Path

import numpy as np

from luxel.enhance.pairs import Pair
from luxel.images import write
from luxel.photometry import ByteArray


def truth(seed: int, height: int = 40, width: int = 48) -> ByteArray:
    """A ground truth with smooth parts, edges and fine detail, mean about 0.45."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((5, 6, 3)).repeat(-(-height // 5), axis=0).repeat(-(-width // 6), axis=1)[:height, :width]
    return np.asarray(255 * (0.1 + 0.6 * coarse + 0.1 * rng.random((height, width, 3))), dtype=np.uint8)


def pair(seed: int, height: int = 40, width: int = 48) -> Pair:
    """A ground truth and what an eighth of its light leaves of it."""
    high = truth(seed, height, width)
    return Pair(str(seed), np.asarray(high / 8, dtype=np.uint8), high)


def dataset(folder: Path, *, train: int = 3, test: int = 2, height: int = 40, width: int = 48) -> Path:
    """LOL-v1's layout with training pairs 1 ... and test pairs 101 ..., no scene in both."""
    for part, numbers in (("our485", range(1, train + 1)), ("eval15", range(101, 101 + test))):
        for number in numbers:
            write_pair(folder / part / "low", folder / part / "high", pair(number, height, width))
    return folder


def write_pair(low: Path, high: Path, one: Pair, *, prefixes: tuple[str, str] = ("", ""), digits: int = 1) -> None:
    """The two files of a pair, each with a prefix before its number."""
    for side, image, prefix in ((low, one.low, prefixes[0]), (high, one.high, prefixes[1])):
        side.mkdir(parents=True, exist_ok=True)
        write(side / f"{prefix}{int(one.name):0{digits}}.png", image)
