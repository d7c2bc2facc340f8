"""Exposures of one scene: the levels of the released dataset and the frames that linear light holds."""

import numpy as np
import numpy.typing as npt

from luxel.photometry import MID_GREY, FloatArray, expose, luminance, to_srgb

LEVELS = {"N4": -4, "N3": -3, "N2": -2, "N1": -1, "P0": 0, "P1": 1, "P2": 2, "P3": 3, "P4": 4}
"""Exposure levels of the released IEA40K, in stops."""

FUSION_EVS = tuple(float(ev) for ev in range(-6, 7))
"""Stops of the bracket that is fused into a reference: the nine levels and two more at each end, so that what clips
at the last level is still seen."""


def frame(linear: npt.ArrayLike, ev: float) -> npt.NDArray[np.uint8]:
    """The 8-bit picture a camera makes of linear light at `ev` stops: clipped, sRGB-encoded, quantised.

    linear: [H, W, 3] linear light, sRGB primaries, 1.0 = saturation at EV 0. Returns uint8 [H, W, 3].
    """
    return np.rint(to_srgb(expose(linear, ev)) * 255).astype(np.uint8)


def metered_gain(linear: npt.ArrayLike) -> float:
    """The factor by which `metered` scales light; its log2 is how far the light as given is from EV 0, in stops."""
    y = luminance(np.asarray(linear, dtype=np.float32))
    low, high = np.quantile(y, (0.01, 0.99))
    log_mean = float(np.mean(np.log(np.clip(y, max(float(low), 1e-6), max(float(high), 1e-6)))))
    return float(MID_GREY / np.exp(log_mean))


def metered(linear: npt.ArrayLike) -> FloatArray:
    """Linear light scaled as a centre-blind average meter sets it: log-average luminance becomes mid-grey (0.18).

    linear: [H, W, 3], >= 0, any scale (HDR panorama, RAW). Returns float32 [H, W, 3], 1.0 = saturation.
    The darkest and brightest percent do not count, so that one lamp or one black hole does not set the exposure.
    """
    light = np.asarray(linear, dtype=np.float32)
    return light * np.float32(metered_gain(light))
