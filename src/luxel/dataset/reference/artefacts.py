"""What a local change of exposure can do wrong, measured: gradients turned around, halos along edges (paper 4.2)."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from luxel.photometry import FloatArray, lightness

NOISE = 0.02
"""Difference of lightness between neighbours from which a gradient counts: five 8-bit codes."""

HALO_REACH = 24
"""Pixels from an edge within which a halo is looked for."""

_EDGE = 0.06
_FLAT = 0.004


@dataclass(frozen=True, slots=True)
class Artefacts:
    """Artefacts of a changed picture against the one it was made from.

    reversed_fine, reversed_coarse: share of gradients above noise whose sign has turned, between neighbouring pixels
    and after a blur of 4 pixels. halo: lightness by which the change drifts over 24 pixels in flat surfaces beside
    strong edges, mean; drift: the same in flat surfaces away from edges, what the change does anyway. texture: what is
    left of the contrast of fine texture, 1.0 = all of it.
    """

    reversed_fine: float
    reversed_coarse: float
    halo: float
    drift: float
    texture: float


def measure_artefacts(before: npt.ArrayLike, after: npt.ArrayLike) -> Artefacts:
    """Artefacts that a change of exposure has brought into a picture.

    before, after: [H, W, 3], sRGB-encoded, float in [0, 1] or uint8. NaN where there is nothing to measure on.
    """
    old, new = lightness(before), lightness(after)
    halo, drift = halos(old, new)
    return Artefacts(
        reversed_share(old, new),
        reversed_share(_blur(old, 4.0), _blur(new, 4.0), NOISE / 4),
        halo,
        drift,
        texture_kept(old, new),
    )


def reversed_share(before: npt.NDArray[np.float32], after: npt.NDArray[np.float32], noise: float = NOISE) -> float:
    """Share of horizontal and vertical differences above `noise` whose sign has turned; NaN if none is above.

    before, after: lightness [H, W]. A difference that falls to nothing (half an 8-bit code) is not turned around.
    """
    seen = turned = 0
    for axis in (0, 1):
        old, new = np.diff(before, axis=axis), np.diff(after, axis=axis)
        counts = np.abs(old) > noise
        seen += int(counts.sum())
        turned += int((counts & (old * new < 0) & (np.abs(new) > 0.5 / 255)).sum())
    return turned / seen if seen else float("nan")


def halos(before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Drift of lightness in flat surfaces, beside edges and away from them; see `Artefacts`.

    A halo is a gradient that the change puts where there was none, beside an edge that it smeared over.
    """
    slope = _slope(_blur(before, 2.0))
    edges = (_slope(_blur(before, 1.0)) > _EDGE).astype(np.uint8)
    distance = cv2.distanceTransform(1 - edges, cv2.DIST_L2, 5) if edges.any() else np.full(before.shape, np.inf)
    added = _slope(_blur(after - before, 2.0)) * HALO_REACH
    flat = slope < _FLAT
    beside = flat & (distance > 5) & (distance <= HALO_REACH)
    away = flat & (distance > 2 * HALO_REACH)
    return tuple(float(added[m].mean()) if m.sum() > 100 else float("nan") for m in (beside, away))  # type: ignore[return-value]


def texture_kept(before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> float:
    """Contrast of fine texture afterwards as a share of what it was; NaN where there is none.

    before, after: lightness [H, W]. Texture is what a Gaussian of 3 pixels takes away, between 0.01 and 0.06; the share
    is the slope of the one against the other.
    """
    old, new = before - _blur(before, 3.0), after - _blur(after, 3.0)
    texture = (np.abs(old) > 0.01) & (np.abs(old) < 0.06)
    power = float((old[texture] ** 2).sum())
    return float((old[texture] * new[texture]).sum()) / power if power else float("nan")


def _blur(values: npt.NDArray[np.float32], sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma))


def _slope(values: npt.NDArray[np.float32]) -> FloatArray:
    """Length of the gradient per pixel."""
    down, right = np.gradient(values)
    return np.asarray(np.hypot(down, right), dtype=np.float32)
