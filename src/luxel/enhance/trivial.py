"""Rows that enhance nothing and must be beaten: a gain, a gamma, and a lookup of the nearest training image.

Gain and gamma come in two versions: to one lightness for all, which is a method, and to the ground truth's mean, which
looks at the answer and shows how far exposure alone goes. The lookup scores like published networks where test scenes
are in the training part.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from luxel.enhance.measuring import with_mean_of
from luxel.enhance.pairs import Pair
from luxel.filters.shrink import shrink
from luxel.photometry import ByteArray, FloatArray, lightness

MIDDLE = 0.45
"""Mean lightness that `gain` and `gamma` go to, about that of LOL's ground truths."""

THUMBNAIL = (32, 48)
"""Rows and columns at which the lookup compares; from 8 x 12 to 64 x 96 it finds the same in LOL-v1."""

Trivial = Callable[[Pair], FloatArray]
"""From a pair to the output [H, W, 3] in [0, 1]; only what the name says may look at the ground truth."""


def unchanged(pair: Pair) -> FloatArray:
    """The dark image itself."""
    return unit(pair.low)


def gain(pair: Pair) -> FloatArray:
    """One factor for all pixels, to a mean lightness of 0.45 before clipping."""
    low = unit(pair.low)
    return np.asarray(np.clip(low * np.float32(MIDDLE / max(_mean(low), 1e-6)), 0, 1))


def gamma(pair: Pair) -> FloatArray:
    """One exponent for all pixels, to a mean lightness of 0.45."""
    return to_mean_by_power(unit(pair.low), MIDDLE)


def gain_to_truth(pair: Pair) -> FloatArray:
    """One factor for all pixels, to the ground truth's mean lightness before clipping."""
    return np.asarray(np.clip(with_mean_of(unit(pair.low), pair.high), 0, 1))


def gamma_to_truth(pair: Pair) -> FloatArray:
    """One exponent for all pixels, to the ground truth's mean lightness."""
    return to_mean_by_power(unit(pair.low), _mean(unit(pair.high)))


def ground_truth(pair: Pair) -> FloatArray:
    """The ground truth itself: what a perfect enhancer gives, and how well luxel finds it exposed."""
    return unit(pair.high)


TRIVIAL: dict[str, Trivial] = {
    "ground truth (GT)": ground_truth,
    "input": unchanged,
    "gain": gain,
    "gamma": gamma,
    "gain to GT mean": gain_to_truth,
    "gamma to GT mean": gamma_to_truth,
}


class Lookup:
    """The ground truth of the training pair whose dark image correlates most with the one asked for.

    train: pairs to choose from, at least one.
    """

    def __init__(self, train: Sequence[Pair]) -> None:
        self._train = train
        self._keys = np.stack([_key(pair.low) for pair in train])

    def __call__(self, pair: Pair) -> FloatArray:
        """float32 [H, W, 3] in [0, 1], of the pair's size: shrunk or enlarged where the nearest one has another."""
        nearest = self._train[int(np.argmax(self._keys @ _key(pair.low)))].high
        return resized(nearest, pair.low.shape[:2])


def unit(image: ByteArray) -> FloatArray:
    """uint8 to float32 in [0, 1]."""
    return np.asarray(image / np.float32(255), dtype=np.float32)


def to_mean_by_power(image: FloatArray, mean: float) -> FloatArray:
    """The image to the power at which its mean lightness is `mean`, found by halving an interval.

    image: [H, W, 3] in [0, 1].
    mean: in (0, 1); where no power between 1/64 and 64 gives it, the nearest one is taken.
    """
    low, high = -6.0, 6.0  # log2 of the exponent: lightness falls as it rises
    for _ in range(24):  # to one part in a million
        middle = (low + high) / 2
        low, high = (middle, high) if _mean(image ** np.float32(2.0**middle)) > mean else (low, middle)
    return np.asarray(image ** np.float32(2.0 ** ((low + high) / 2)))


def resized(image: ByteArray, shape: tuple[int, ...]) -> FloatArray:
    """An image at another size, [h, w, 3] float32 in [0, 1]: repeated where it is too small, then shrunk.

    image: [H, W, 3] uint8.
    shape: h and w.
    """
    height, width = shape[0], shape[1]
    rows, columns = (-(-new // old) for new, old in ((height, image.shape[0]), (width, image.shape[1])))
    return shrink(image.repeat(rows, axis=0).repeat(columns, axis=1), (height, width))


def _mean(image: FloatArray) -> float:
    return float(lightness(image).mean(dtype=np.float64))


def _key(image: ByteArray) -> npt.NDArray[np.float64]:
    """Lightness of a thumbnail with mean 0 and length 1; zeros for a flat image."""
    thumbnail = lightness(resized(image, THUMBNAIL)).astype(np.float64).ravel()
    centred = thumbnail - thumbnail.mean()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-12))
