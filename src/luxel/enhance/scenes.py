"""Which images show the same scene: a perceptual hash, and the training images to leave out of a scene-clean run.

14 of the 15 scenes of LOL-v1's test part are in its training part too, so that its figures reward memory.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from luxel.enhance.pairs import Pair
from luxel.filters.shrink import shrink
from luxel.photometry import ByteArray, lightness

SIDE, KEPT = 64, 16
"""Pixels of the thumbnail, and how many frequencies of each direction make the hash."""

SAME_SCENE = 16
"""Hashes that differ in so many of their 256 bits, or fewer, are of one scene. In LOL-v1 the next differs in 25."""


def perceptual_hash(image: ByteArray) -> npt.NDArray[np.bool_]:
    """256 bits: which low frequencies of a thumbnail's lightness are above their median. Exposure hardly changes it.

    image: [H, W, 3] sRGB-encoded, H and W >= 1; below 64 pixels it is repeated up to that.
    Returns bool [256].
    """
    repeats = [-(-SIDE // side) for side in image.shape[:2]]
    large = image.repeat(repeats[0], axis=0).repeat(repeats[1], axis=1)
    thumbnail = lightness(shrink(large, (SIDE, SIDE))).astype(np.float64)
    turns = np.outer(np.arange(KEPT), np.arange(SIDE) + 0.5) * (np.pi / SIDE)
    frequencies = (np.cos(turns) @ thumbnail @ np.cos(turns).T).ravel()
    # The mean's coefficient is left out of the median, or it alone would move it in flat images.
    return np.asarray(frequencies > np.median(frequencies[1:]))


def sharing_a_scene(train: Sequence[Pair], test: Sequence[Pair]) -> list[str]:
    """Names of the training pairs whose ground truth shows the scene of a test pair's.

    train: pairs to look at.
    test: at least one pair.
    """
    hashes = np.stack([perceptual_hash(pair.high) for pair in test])
    return [
        pair.name
        for pair in train
        if np.count_nonzero(hashes != perceptual_hash(pair.high), axis=1).min() <= SAME_SCENE
    ]
