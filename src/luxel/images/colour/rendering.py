"""Scene light to a picture: clean the light, expose it by one stated rule, encode it."""

import numpy as np

from luxel.photometry import MID_GREY, Array, expose, luminance, to_srgb

_STOPS_FROM_MEDIAN = 10.0


def clean(light: Array, notes: list[str]) -> Array:
    """Light that is finite and >= 0, in place; what had to be changed is counted in `notes`.

    light: float32, any shape. NaN and negative become 0; +inf becomes the largest finite value of the picture.
    """
    finite = np.isfinite(light)
    if not finite.all():
        nan, infinite = int(np.isnan(light).sum()), int(np.isinf(light).sum())
        top = float(light.max(where=finite, initial=0.0))
        np.nan_to_num(light, copy=False, nan=0.0, posinf=top, neginf=0.0)
        notes.append(f"{nan} NaN values set to 0, {infinite} infinite values set to the largest finite value or 0")
    negative = int(np.count_nonzero(light < 0))
    if negative:
        np.maximum(light, 0.0, out=light)
        notes.append(f"{negative} negative values set to 0")
    return light


def auto_exposure(light: Array) -> float:
    """Stops that bring the log-average luminance of scene light to 18 % grey; 0 for a black picture.

    light: [H, W, 3] float32, linear, sRGB primaries, >= 0. Pixels without light are left out, and those more than ten
    stops from the median count as ten stops, so that a sun or an empty border does not decide.
    Source: Reinhard et al. 2002, Eq. 1, with the bounds added.
    """
    seen = luminance(light)
    seen = seen[seen > 0]
    if seen.size == 0:
        return 0.0
    stops = np.log2(seen)
    median = float(np.median(stops))
    mean = float(np.clip(stops, median - _STOPS_FROM_MEDIAN, median + _STOPS_FROM_MEDIAN).mean(dtype=np.float64))
    return float(np.log2(MID_GREY)) - mean


def display(light: Array, notes: list[str]) -> Array:
    """Scene light as a picture: `auto_exposure`, clipped at 1, sRGB curve; no tone mapping.

    light: [H, W, 3] float32, linear, sRGB primaries, >= 0. Returns float32 in [0, 1], sRGB-encoded.
    """
    stops = auto_exposure(light)
    notes.append(f"scene light exposed by {stops:+.2f} EV (log-average to 18 % grey), clipped, sRGB curve")
    return to_srgb(expose(light, stops))
