"""How much of the detail of an original an enhanced version keeps: a uniform grey picture is "well exposed" too.

Both pictures are reduced to a short side of 256 and compared by the gradients of their lightness, in two scales: as
they are, and relative to the lightness around (of its logarithm). A change of exposure leaves the second alone, a
change of tone trades one for the other, and what removes contrast lowers both.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel.filters.gaussian import blur
from luxel.filters.shrink import shrink, working_shape
from luxel.photometry import Float64Array, FloatArray, lightness

MIN_DETAIL = 0.5
"""A version that keeps less than this has lost detail and is ranked last."""

MATCH = 0.2
"""Pictures whose structure correlates less than this do not show the same scene.

Measured on 40 photographs: the same scene 5 stops brighter 0.84 and more, moved by 1.5 % of the short side 0.33 and
more; another scene 0.13 in 98 % of the pairs.
"""

WORKING_SIDE = 256
"""Short side in pixels at which detail is compared."""

_MATCH_SIDE = 96
"""Short side for the question whether two pictures show the same: coarse, so that a small shift is allowed."""

_SHIFT = 6  # pixels of the working size by which a version may be moved (cropping, alignment)
_FINE_SIGMA, _MATCH_SIGMA = 1.0, 1.5  # pixels: noise and the blocks of a JPEG are not detail
_DARK = 0.02  # lightness added before the logarithm, or noise in black would count most
_NOTHING = 5e-4  # root mean square gradient, in lightness per pixel, below which a picture is flat
_SMALLEST = 4  # pixels of a side that has gradients


def reduced(image: npt.NDArray[Any]) -> FloatArray:
    """A picture at the size at which detail is compared, float32 [h, w, 3]; never larger than it was.

    image: [H, W, 3], sRGB-encoded, uint8, uint16 or float in [0, 1].
    """
    return shrink(image, working_shape(image.shape[0], image.shape[1], WORKING_SIDE))


def kept_detail(original: npt.NDArray[Any], version: npt.NDArray[Any]) -> float:
    """The share of the original's detail that a version keeps, in [0, 1]; 1 for the original itself.

    The correlation of the two gradient fields times the ratio of their strengths, which counts up to 1; a small shift
    between the pictures does not count. A change of exposure by one stop keeps 0.8 or more of a picture that does not
    clip; a flat version keeps 0. An original that is flat itself has nothing to lose: 1.

    original, version: [H, W, 3], sRGB-encoded, uint8, uint16 or float in [0, 1]; sizes may differ.
    """
    before, after = _planes(original, version, WORKING_SIDE, _FINE_SIGMA)
    if min(before.shape) < _SMALLEST:
        return 1.0
    plain, relative = (_gradients(before), _gradients(after)), (_gradients(_log(before)), _gradients(_log(after)))
    if _strength(plain[0]) < _NOTHING:
        return 1.0
    correlation = max(_correlation(*plain, shift=_SHIFT), _correlation(*relative, shift=_SHIFT))
    ratios = [_strength(b) / max(_strength(a), 1e-12) for a, b in (plain, relative)]
    strength = min(1.0, float(np.sqrt(ratios[0] * ratios[1])))
    return float(np.clip(correlation * strength, 0.0, 1.0))


def same_scene(original: npt.NDArray[Any], version: npt.NDArray[Any]) -> bool:
    """Whether two pictures can show the same scene: False only where both have structure and it does not correlate.

    original, version: as for `kept_detail`.
    """
    before, after = _planes(original, version, _MATCH_SIDE, _MATCH_SIGMA)
    if min(before.shape) < _SMALLEST:
        return True
    plain, relative = (_gradients(before), _gradients(after)), (_gradients(_log(before)), _gradients(_log(after)))
    if min(_strength(part) for part in plain) < _NOTHING:
        return True
    return max(_correlation(*plain), _correlation(*relative)) >= MATCH


def _planes(
    original: npt.NDArray[Any], version: npt.NDArray[Any], side: int, sigma: float
) -> tuple[Float64Array, Float64Array]:
    """Lightness of both at the size of the reduced original, smoothed."""
    before = lightness(shrink(original, working_shape(original.shape[0], original.shape[1], side)))
    after = lightness(shrink(version, working_shape(version.shape[0], version.shape[1], side)))
    if after.shape != before.shape:
        size = (before.shape[1], before.shape[0])
        after = np.asarray(Image.fromarray(after).resize(size, Image.Resampling.BILINEAR))
    return blur(before, sigma), blur(after, sigma)


def _log(plane: Float64Array) -> Float64Array:
    return np.asarray(np.log(np.maximum(plane, 0.0) + _DARK))


def _gradients(plane: Float64Array) -> Float64Array:
    """Differences across and down, [2, h - 1, w - 1]."""
    return np.stack([np.diff(plane, axis=1)[:-1], np.diff(plane, axis=0)[:, :-1]])


def _strength(field: Float64Array) -> float:
    return float(np.sqrt(np.mean(field**2)))


def _correlation(one: Float64Array, other: Float64Array, *, shift: int = 0) -> float:
    """Correlation of two fields, the best of all shifts of up to `shift` pixels; 0 where one of them is flat."""
    scale = _strength(one) * _strength(other)
    if scale < 1e-15:
        return 0.0
    if shift == 0:
        return float(np.mean(one * other)) / scale
    height, width = one.shape[1:]
    spectrum = np.fft.rfft2(one) * np.conj(np.fft.rfft2(other))
    products = np.fft.irfft2(spectrum.sum(axis=0), s=(height, width)) / one.size
    down, across = min(shift, height // 2), min(shift, width // 2)
    near = products[np.ix_(np.arange(-down, down + 1), np.arange(-across, across + 1))]
    return float(near.max()) / scale
