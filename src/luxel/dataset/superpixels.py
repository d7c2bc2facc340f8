"""Blocks of a reference picture: SLIC superpixels on lightness and structure (paper 4.2). Owner of scikit-image."""

import numpy as np
import numpy.typing as npt
from skimage.segmentation import slic

from luxel.photometry import FloatArray

BLOCKS = 150
"""Blocks per picture, about 20 x 20 pixels each at a short side of 256."""


def blocks(image: npt.NDArray[np.float32], *, count: int = BLOCKS) -> npt.NDArray[np.int32]:
    """Block label of every pixel, 0 ... n-1, blocks connected and similar in lightness and colour.

    image: [H, W, 3] float32, sRGB-encoded, in [0, 1]. count: blocks asked for; SLIC returns about as many.
    Returns int32 [H, W].
    """
    labels = slic(image, n_segments=count, compactness=10, sigma=1, start_label=0)
    return np.asarray(labels, dtype=np.int32)


def block_mean(values: npt.ArrayLike, labels: npt.NDArray[np.int32]) -> FloatArray:
    """Mean of a map over each block: [H, W] and int labels [H, W], every label 0 ... n-1 used, to float32 [n]."""
    flat = labels.ravel()
    return (np.bincount(flat, np.asarray(values).ravel()) / np.bincount(flat)).astype(np.float32)
