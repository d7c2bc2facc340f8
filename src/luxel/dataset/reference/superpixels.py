"""Blocks of a reference picture: SLIC superpixels on lightness and structure (paper 4.2). Owner of scikit-image."""

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.segmentation import slic

from luxel.photometry import FloatArray, lightness

BLOCKS = 150
"""Blocks per picture, about 20 x 20 pixels each at a short side of 256."""

COMPACTNESS = 20.0
"""CIELAB units that count as much as the distance between two block centres: larger values give squarer blocks."""

STRUCTURE_WEIGHT = 150.0
"""CIELAB units per unit of structure: a texture whose gradients are 0.1 counts as much as 15 units of colour."""

STRUCTURE_WINDOW = 9
"""Side of the window that texture is measured in, pixels: a texture belongs to a neighbourhood, not to a pixel."""

MAX_STRUCTURE = 0.2
"""Slope from which all textures count alike, lightness per pixel."""


def structure(y: npt.NDArray[np.float32]) -> FloatArray:
    """Texture of a picture: the median slope of lightness around every pixel.

    The median, not the mean: an edge is steep in a small part of any window, a texture in most of it, and an edge is
    lightness already.

    y: [H, W] float32 lightness in [0, 1]. Returns float32 [H, W], lightness per pixel, in [0, 0.2].
    """
    down, right = np.gradient(y)
    slope = np.minimum(np.hypot(down, right) / MAX_STRUCTURE, 1)
    median = cv2.medianBlur(np.rint(255 * slope).astype(np.uint8), STRUCTURE_WINDOW)
    return np.asarray(median * np.float32(MAX_STRUCTURE / 255), dtype=np.float32)


def blocks(image: npt.NDArray[np.float32], *, count: int = BLOCKS) -> npt.NDArray[np.int32]:
    """Block label of every pixel, 0 ... n-1; blocks are connected and similar in lightness, colour and structure.

    image: [H, W, 3] float32, sRGB-encoded, in [0, 1].
    count: blocks asked for; SLIC returns about as many.
    Returns int32 [H, W]. Source: paper 4.2, superpixels "based on lightness and structure"; Achanta et al. 2012.
    """
    texture = structure(lightness(image))
    colour = ndimage.gaussian_filter(rgb2lab(image), (1, 1, 0))
    features = np.dstack([colour, STRUCTURE_WEIGHT * texture]).astype(np.float64)
    # scikit-image brings the whole array to [0, 1] before it measures distances: compactness has to shrink with it, or
    # blocks become a square grid.
    scale = float(np.ptp(features)) or 1.0
    labels = slic(
        features, n_segments=count, compactness=COMPACTNESS / scale, start_label=0, convert2lab=False, channel_axis=-1,
        enforce_connectivity=True,
    )  # fmt: skip
    return np.asarray(labels, dtype=np.int32)


def block_mean(values: npt.ArrayLike, labels: npt.NDArray[np.int32]) -> FloatArray:
    """Mean of a map over each block: [H, W] and int labels [H, W], every label 0 ... n-1 used, to float32 [n]."""
    flat = labels.ravel()
    return (np.bincount(flat, np.asarray(values).ravel()) / np.bincount(flat)).astype(np.float32)
