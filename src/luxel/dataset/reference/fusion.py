"""Multi-exposure fusion of a bracket: the preliminary reference (paper 4.2). Owner of OpenCV's Mertens fusion."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from luxel.dataset.reference.bracket import FUSION_EVS, frame
from luxel.errors import DatasetError
from luxel.photometry import FloatArray


def fuse(frames: Sequence[npt.NDArray[np.uint8]]) -> FloatArray:
    """Exposure fusion with contrast, saturation and well-exposedness weights all 1.

    frames: aligned exposures of one scene, uint8 [H, W, 3], sRGB-encoded. Returns float32 [H, W, 3], sRGB-encoded, in
    [0, 1]. OpenCV's default leaves well-exposedness out (weight 0), which is not Mertens' method; it is set here.
    Raises DatasetError for an empty bracket or frames of different sizes. Source: Mertens et al. 2007.
    """
    if not frames or any(f.shape != frames[0].shape for f in frames):
        sizes = ", ".join(str(f.shape[:2]) for f in frames) or "no frames"
        raise DatasetError(f"bracket to fuse: {sizes}; give at least one frame, all of one size (align them first)")
    merge = cv2.createMergeMertens(1.0, 1.0, 1.0)
    return np.clip(merge.process([np.ascontiguousarray(f) for f in frames]), 0.0, 1.0).astype(np.float32)


def fuse_linear(linear: npt.ArrayLike, evs: Sequence[float] = FUSION_EVS) -> FloatArray:
    """Fusion of the bracket that linear light holds.

    linear: [H, W, 3] linear light, 1.0 = saturation at EV 0. evs: stops of the frames. Returns as `fuse`.
    """
    return fuse([frame(linear, ev) for ev in evs])
