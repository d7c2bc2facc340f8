"""The labels that the authors' released checkpoint implies: our nearest stand-in for IEA40K's own.

The checkpoint was trained on the real residual maps. Run on the nine frames of one scene it makes nine estimates of the
same reference, frame lightness plus map. Their mean over the frames, weighing clipped and black pixels down, is the
**implied reference**, and `implied reference - frame` are the **implied labels**. Needs torch.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from luxel.benchmark.protocol.released import SIDE, Released
from luxel.dataset.reference.bracket import LEVELS, frame
from luxel.errors import LuxelError
from luxel.jobs.atomic import writing_file
from luxel.photometry import FloatArray, as_unit_float, lightness

MIN_WEIGHT = 0.02
"""Weight of a pixel that its frame shows as black or white: such a frame says little about it, but not nothing."""

_VERSION = 1
"""Part of the name of every stored implied reference; another way of computing them needs another number."""


def implied_reference(predict: Callable[[FloatArray], FloatArray], linear: npt.NDArray[np.float32]) -> FloatArray:
    """Lightness of the reference that a network's maps of a scene's nine frames imply.

    predict: image [h, w, 3] float32, sRGB-encoded, in [0, 1], to its residual map [h, w].
    linear: [h, w, 3] linear light, 1.0 = saturation at EV 0.
    Returns float32 [h, w]: the mean of frame lightness plus map over N4 ... P4, weighed by 4 Y' (1 - Y') of the frame.
    """
    total, weights = np.zeros(linear.shape[:2], np.float64), np.zeros(linear.shape[:2], np.float64)
    for ev in LEVELS.values():
        image = as_unit_float(frame(linear, ev))
        y = lightness(image)
        weight = MIN_WEIGHT + 4 * y * (1 - y)
        total += weight * (y + predict(image))
        weights += weight
    return (total / weights).astype(np.float32)


def stored_implied_reference(released: Released, linear: npt.NDArray[np.float32], folder: Path) -> FloatArray:
    """`implied_reference` by the released checkpoint at 256 x 256, computed once and kept in a folder.

    linear: [256, 256, 3] linear light. folder: made if it is not there; one .npy file a scene, named by its pixels.
    Returns float32 [256, 256]. The checkpoint takes about a second a frame on one core.
    """
    assert linear.shape[:2] == (SIDE, SIDE)
    digest = hashlib.sha256(np.ascontiguousarray(linear, dtype=np.float32).tobytes()).hexdigest()[:16]
    path = folder / f"implied-{_VERSION}-{digest}.npy"
    if path.is_file():
        return np.asarray(np.load(path), dtype=np.float32)
    reference = implied_reference(released.predict_alone, linear)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with writing_file(path) as file:
            np.save(file, reference)
    except OSError as error:
        raise LuxelError(f"{path}: cannot be written ({error.strerror}); free some space or choose another") from error
    return reference
