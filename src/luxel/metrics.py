"""How well a predicted residual map, or a score, agrees with the true one.

Pure NumPy functions, one metric each, computed in float64. The map metrics take one pair of 2-D maps and know no
batches: the figure for a data set is the mean over its pictures. Not-a-number anywhere in the input is an error, so a
broken prediction cannot hide in a mean.
"""

import numpy as np
import numpy.typing as npt

from luxel.errors import LuxelError
from luxel.filters.gaussian import gaussian_weights, smooth_valid
from luxel.photometry import Float64Array

RESIDUAL_RANGE = 2.0
"""Width of the range [-1, 1] of residual maps, the default `data_range`. The authors' released code uses 1."""

ACCEPTABLE_SCORE = 5.0
"""The holistic score from which on a picture counts as well exposed (ACC)."""

SIGN_THRESHOLD = 0.1
"""|r| above which a pixel counts for `sign_agreement`: below it, the direction hardly matters."""

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_K1, SSIM_K2 = 0.01, 0.03


def mae(residual: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean absolute error of a predicted map, in [0, 2] for residual maps; 0 is perfect.

    residual: [H, W], the true map, finite.
    prediction: [H, W], the predicted map, finite.
    Raises LuxelError for maps of two shapes, empty ones, and values that are nan or infinite.
    Source: paper 5.1.

    >>> mae([[0.0, 0.5]], [[0.1, 0.5]])
    0.05
    """
    true, predicted = _two_maps("mae", residual, prediction)
    return float(np.mean(np.abs(true - predicted)))


def psnr(residual: npt.ArrayLike, prediction: npt.ArrayLike, *, data_range: float = RESIDUAL_RANGE) -> float:
    """Peak signal-to-noise ratio, 10 log10(data_range^2 / MSE), in dB; infinite for equal maps.

    residual: [H, W], the true map, finite.
    prediction: [H, W], the predicted map, finite.
    data_range: width of the range of values, > 0.
    Raises LuxelError for maps of two shapes, empty ones, values that are not finite, and a range of 0 or below.
    Source: paper 5.1.

    >>> round(psnr([[0.0, 0.5]], [[0.2, 0.3]]), 2)  # 10 log10(4 / 0.04)
    20.0
    """
    true, predicted = _two_maps("psnr", residual, prediction)
    _check_range("psnr", data_range)
    mean_square = float(np.mean(np.square(true - predicted)))
    if mean_square == 0.0:
        return float("inf")
    return float(10.0 * np.log10(data_range**2 / mean_square))


def ssim(residual: npt.ArrayLike, prediction: npt.ArrayLike, *, data_range: float = RESIDUAL_RANGE) -> float:
    """Mean structural similarity of two maps, in [-1, 1]; 1 for equal maps.

    The window is an 11 x 11 Gaussian of sigma 1.5, with K1 = 0.01, K2 = 0.03 and population covariances. The mean is
    over the pixels whose window lies wholly inside the map ("valid"), so no border rule enters the figure; scikit-image
    does the same, torchmetrics 1.9 also counts mirrored borders and prints a slightly different mean.

    residual: [H, W] with H, W >= 11, the true map, finite.
    prediction: [H, W], the predicted map, finite.
    data_range: width of the range of values, > 0.
    Raises LuxelError for maps of two shapes, smaller than the window, values that are not finite, and a range of 0 or
    below.
    Source: Wang et al., Image quality assessment: from error visibility to structural similarity, 2004, Eq. 13;
    paper 5.1.

    >>> map_ = np.linspace(-1, 1, 400).reshape(20, 20)
    >>> ssim(map_, map_)
    1.0
    >>> round(ssim(map_, map_ * 0.5), 2)
    0.66
    """
    x, y = _two_maps("ssim", residual, prediction)
    _check_range("ssim", data_range)
    if min(x.shape) < SSIM_WINDOW:
        raise LuxelError(
            f"ssim: map of {x.shape[0]} x {x.shape[1]} pixels is smaller than the {SSIM_WINDOW} x {SSIM_WINDOW} "
            "window; give larger maps"
        )
    weights = gaussian_weights(SSIM_SIGMA, SSIM_WINDOW // 2)
    c1, c2 = (SSIM_K1 * data_range) ** 2, (SSIM_K2 * data_range) ** 2
    mean_x, mean_y = smooth_valid(x, weights), smooth_valid(y, weights)
    product = mean_x * mean_y
    squares = mean_x**2 + mean_y**2
    # Only the sum of the two variances enters, so four filtered maps are enough, not five.
    covariance = smooth_valid(x * y, weights) - product
    variances = smooth_valid(x * x + y * y, weights) - squares
    similarity = (2.0 * product + c1) * (2.0 * covariance + c2) / ((squares + c1) * (variances + c2))
    return float(np.mean(similarity))


def sign_agreement(residual: npt.ArrayLike, prediction: npt.ArrayLike, *, threshold: float = SIGN_THRESHOLD) -> float:
    """Share of the wrongly exposed pixels whose direction (over or under) is predicted right, in [0, 1].

    Wrongly exposed are the pixels with |residual| > threshold; a prediction of exactly 0 there is not right.
    The result is nan where the true map has no such pixel.

    residual: [H, W], the true map, finite.
    prediction: [H, W], the predicted map, finite.
    threshold: |residual| above which a pixel counts, in lightness, >= 0.
    Raises LuxelError for maps of two shapes, empty ones, values that are not finite, and a threshold below 0.

    >>> sign_agreement([[-0.5, 0.5, 0.05]], [[-0.1, -0.1, -0.1]])
    0.5
    """
    true, predicted = _two_maps("sign_agreement", residual, prediction)
    if not threshold >= 0.0:
        raise LuxelError(f"sign_agreement: threshold {threshold} is not a number >= 0; 0.1 is usual")
    wrong = np.abs(true) > threshold
    if not wrong.any():
        return float("nan")
    return float(np.mean(np.sign(predicted[wrong]) == np.sign(true[wrong])))


def lcc(scores: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Linear (Pearson) correlation of scores, in [-1, 1]; nan where either side is constant. The paper prints LRCC.

    scores: [N] with N >= 2, the true scores, finite.
    predicted: [N], the predicted scores, finite.
    Raises LuxelError for lists of two lengths, shorter ones, and values that are not finite.
    Source: paper 5.1.

    >>> round(lcc([2.0, 5.0, 8.0], [1.0, 4.0, 7.0]), 6)
    1.0
    """
    return _pearson(*_two_score_lists("lcc", scores, predicted, at_least=2))


def srcc(scores: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Rank (Spearman) correlation of scores, in [-1, 1]; nan where either side is constant.

    Equal values share the mean of their ranks.

    scores: [N] with N >= 2, the true scores, finite.
    predicted: [N], the predicted scores, finite.
    Raises LuxelError for lists of two lengths, shorter ones, and values that are not finite.
    Source: paper 5.1.

    >>> round(srcc([2.0, 5.0, 8.0], [1.0, 9.0, 4.0]), 6)
    0.5
    """
    true, guessed = _two_score_lists("srcc", scores, predicted, at_least=2)
    return _pearson(_mean_ranks(true), _mean_ranks(guessed))


def acc(scores: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Share of images on which both sides agree whether the score is at least 5, in [0, 1].

    scores: [N] with N >= 1, the true scores in [0, 10], finite.
    predicted: [N], the predicted scores in [0, 10], finite.
    Raises LuxelError for lists of two lengths, empty ones, and values that are not finite.
    Source: paper 5.1.

    >>> acc([4.0, 6.0], [4.9, 4.9])
    0.5
    """
    true, guessed = _two_score_lists("acc", scores, predicted, at_least=1)
    return float(np.mean((true >= ACCEPTABLE_SCORE) == (guessed >= ACCEPTABLE_SCORE)))


def _pearson(a: Float64Array, b: Float64Array) -> float:
    # Rounding in the mean leaves a constant list a tiny variance, so constancy is asked of the values themselves.
    if np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    return float(np.clip(np.dot(a / np.linalg.norm(a), b / np.linalg.norm(b)), -1.0, 1.0))


def _mean_ranks(values: Float64Array) -> Float64Array:
    """Ranks 1 ... N; equal values get the mean of the ranks they occupy."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2.0)[group])


def _two_maps(metric: str, residual: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    true, predicted = np.asarray(residual, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if true.ndim != 2 or true.shape != predicted.shape or true.size == 0:
        raise LuxelError(
            f"{metric}: maps of shape {true.shape} and {predicted.shape}; give two [H, W] maps of one size, not empty"
        )
    _check_finite(metric, true, predicted)
    return true, predicted


def _two_score_lists(
    metric: str, scores: npt.ArrayLike, predicted: npt.ArrayLike, *, at_least: int
) -> tuple[Float64Array, Float64Array]:
    true, guessed = np.asarray(scores, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if true.ndim != 1 or true.shape != guessed.shape or true.size < at_least:
        raise LuxelError(
            f"{metric}: scores of shape {true.shape} and {guessed.shape}; give two lists of one length >= {at_least}"
        )
    _check_finite(metric, true, guessed)
    return true, guessed


def _check_finite(metric: str, true: Float64Array, predicted: Float64Array) -> None:
    for which, values in (("true", true), ("predicted", predicted)):
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            raise LuxelError(f"{metric}: {bad} of {values.size} {which} values are nan or infinite; fix them first")


def _check_range(metric: str, data_range: float) -> None:
    if not 0.0 < data_range < float("inf"):
        raise LuxelError(f"{metric}: data_range {data_range} is not a number > 0; residual maps span {RESIDUAL_RANGE}")
