"""Metrics: laws first, then scikit-image, SciPy and torchmetrics, then a printed number."""

import math

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from luxel import metrics
from luxel.errors import LuxelError
from luxel.filters.gaussian import blur, gaussian_weights, smooth_valid

SHAPES = [(11, 11), (11, 64), (40, 33), (256, 384)]
MAP_METRICS = [metrics.mae, metrics.psnr, metrics.ssim, metrics.sign_agreement]
SCORE_METRICS = [metrics.lcc, metrics.srcc, metrics.acc]


def maps(shape: tuple[int, int], seed: int = 0, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """A smooth residual map with structure and a noisy prediction of it, both float32 in [-1, 1]."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    true = 0.6 * np.sin(rows / 7.0) * np.cos(columns / 5.0) + 0.2 * rng.uniform(-1, 1, shape)
    predicted = true + rng.normal(0.0, noise, shape)
    return np.clip(true, -1, 1).astype(np.float32), np.clip(predicted, -1, 1).astype(np.float32)


# Laws of the map metrics


def test_equal_maps_are_perfect() -> None:
    true, _ = maps((32, 40))
    assert metrics.mae(true, true) == 0.0
    assert metrics.psnr(true, true) == math.inf
    assert metrics.ssim(true, true) == pytest.approx(1.0, abs=1e-12)
    assert metrics.sign_agreement(true, true) == 1.0
    assert metrics.sign_agreement(true, -true) == 0.0


@pytest.mark.parametrize("metric", [metrics.mae, metrics.psnr, metrics.ssim])
def test_symmetric(metric) -> None:
    true, predicted = maps((32, 40))
    assert metric(true, predicted) == pytest.approx(metric(predicted, true), rel=1e-12)


@pytest.mark.parametrize("metric", [metrics.mae, metrics.psnr, metrics.ssim])
def test_flipping_both_maps_changes_nothing(metric) -> None:
    true, predicted = maps((32, 40))
    expected = metric(true, predicted)
    assert metric(true[::-1], predicted[::-1]) == pytest.approx(expected, rel=1e-9)
    assert metric(true.T, predicted.T) == pytest.approx(expected, rel=1e-9)
    assert metric(-true, -predicted) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 2.0))
def test_bounds(seed: int, noise: float) -> None:
    true, predicted = maps((16, 20), seed, noise)
    assert 0.0 <= metrics.mae(true, predicted) <= 2.0
    assert -1.0 <= metrics.ssim(true, predicted) <= 1.0 + 1e-12
    assert 0.0 <= metrics.sign_agreement(true, predicted) <= 1.0
    assert metrics.psnr(true, predicted) >= 0.0


def test_more_noise_is_worse() -> None:
    pairs = [maps((64, 64), noise=noise) for noise in (0.02, 0.1, 0.3)]
    assert sorted(metrics.mae(*pair) for pair in pairs) == [metrics.mae(*pair) for pair in pairs]
    for metric in (metrics.psnr, metrics.ssim, metrics.sign_agreement):
        assert sorted((metric(*pair) for pair in pairs), reverse=True) == [metric(*pair) for pair in pairs]


@pytest.mark.parametrize("shift", [-0.25, 0.1])
def test_shift_law(shift: float) -> None:
    true = maps((32, 40))[0].astype(np.float64) / 2.0
    assert metrics.mae(true, true + shift) == pytest.approx(abs(shift), rel=1e-9)
    assert metrics.psnr(true, true + shift) == pytest.approx(20.0 * math.log10(2.0 / abs(shift)), rel=1e-9)
    # A common shift leaves MAE and PSNR alone.
    assert metrics.mae(true + shift, true + shift + 0.1) == pytest.approx(0.1, rel=1e-9)


def test_ssim_of_two_constants_is_its_lightness_term() -> None:
    a, b, c1 = 0.2, -0.5, (0.01 * 2.0) ** 2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert metrics.ssim(np.full((16, 16), a), np.full((16, 16), b)) == pytest.approx(expected, rel=1e-9)


def test_scaling_maps_and_range_together_changes_nothing() -> None:
    true, predicted = maps((32, 40))
    for metric in (metrics.ssim, metrics.psnr):
        halved = metric(true / 2, predicted / 2, data_range=1.0)
        assert halved == pytest.approx(metric(true, predicted), rel=1e-5)


def test_sign_agreement_counts_only_pixels_beyond_the_threshold() -> None:
    true = np.array([[0.5, -0.5, 0.05, -0.11]])
    predicted = np.array([[0.1, 0.1, -1.0, -0.01]])
    assert metrics.sign_agreement(true, predicted) == pytest.approx(2 / 3)
    assert metrics.sign_agreement(true, predicted, threshold=0.2) == 0.5
    assert metrics.sign_agreement(true, predicted, threshold=0.0) == 0.5
    assert metrics.sign_agreement(true, np.zeros((1, 4))) == 0.0  # zero has no direction
    assert math.isnan(metrics.sign_agreement(true, predicted, threshold=0.5))


# Laws of the score metrics


@pytest.mark.parametrize("metric", [metrics.lcc, metrics.srcc])
def test_correlation_laws(metric) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.uniform(0, 10, 50), rng.uniform(0, 10, 50)
    assert metric(a, a) == pytest.approx(1.0, abs=1e-12)
    assert metric(a, -a) == pytest.approx(-1.0, abs=1e-12)
    assert metric(a, b) == pytest.approx(metric(b, a), abs=1e-12)
    assert metric(3 * a + 7, b) == pytest.approx(metric(a, b), abs=1e-12)
    assert -1.0 <= metric(a, b) <= 1.0


def test_srcc_sees_only_order() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.uniform(0, 10, 50), rng.uniform(0, 10, 50)
    assert metrics.srcc(np.exp(a), b) == pytest.approx(metrics.srcc(a, b), abs=1e-12)


@pytest.mark.parametrize("metric", [metrics.lcc, metrics.srcc])
def test_correlation_with_a_constant_is_nan(metric) -> None:
    assert math.isnan(metric([0.1] * 7, [1, 2, 3, 4, 5, 6, 7]))
    assert math.isnan(metric([1, 2, 3], [4.7, 4.7, 4.7]))


def test_acc_counts_five_as_well_exposed() -> None:
    assert metrics.acc([5.0, 4.999, 9.0, 0.0], [5.0, 4.0, 4.9, 0.1]) == 0.75


# Errors


@pytest.mark.parametrize("metric", MAP_METRICS)
@pytest.mark.parametrize(
    ("true", "predicted", "said"),
    [
        (np.zeros((12, 12)), np.zeros((12, 13)), r"\(12, 12\) and \(12, 13\)"),
        (np.zeros((1, 12, 12)), np.zeros((1, 12, 12)), "one size"),
        (np.zeros((0, 12)), np.zeros((0, 12)), "not empty"),
        (np.zeros((12, 12)), np.full((12, 12), np.nan), "144 of 144 predicted values"),
        (np.full((12, 12), np.inf), np.zeros((12, 12)), "true values are nan or infinite"),
    ],
)
def test_bad_maps(metric, true: np.ndarray, predicted: np.ndarray, said: str) -> None:
    with pytest.raises(LuxelError, match=said) as error:
        metric(true, predicted)
    assert metric.__name__ in str(error.value)


@pytest.mark.parametrize("metric", SCORE_METRICS)
@pytest.mark.parametrize(
    ("true", "predicted"), [([1, 2], [1, 2, 3]), ([], []), ([[1, 2]], [[1, 2]]), ([1, math.nan], [1, 2])]
)
def test_bad_scores(metric, true: list, predicted: list) -> None:
    with pytest.raises(LuxelError, match=metric.__name__):
        metric(true, predicted)


def test_bad_parameters() -> None:
    true, predicted = maps((16, 16))
    with pytest.raises(LuxelError, match="10 x 16"):
        metrics.ssim(true[:10], predicted[:10])
    for data_range in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(LuxelError, match="data_range"):
            metrics.ssim(true, predicted, data_range=data_range)
        with pytest.raises(LuxelError, match="data_range"):
            metrics.psnr(true, predicted, data_range=data_range)
    for threshold in (-0.1, math.nan):
        with pytest.raises(LuxelError, match="threshold"):
            metrics.sign_agreement(true, predicted, threshold=threshold)


# Against other implementations


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("data_range", [1.0, 2.0])
def test_ssim_and_psnr_like_skimage(shape: tuple[int, int], data_range: float) -> None:
    true, predicted = (m.astype(np.float64) for m in maps(shape))
    expected = structural_similarity(
        true,
        predicted,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        win_size=11,
    )
    assert metrics.ssim(true, predicted, data_range=data_range) == pytest.approx(expected, abs=1e-10)
    expected = peak_signal_noise_ratio(true, predicted, data_range=data_range)
    assert metrics.psnr(true, predicted, data_range=data_range) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_ssim_and_psnr_like_torchmetrics(shape: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    image = pytest.importorskip("torchmetrics.functional.image", reason="torchmetrics is not installed")
    true, predicted = maps(shape)
    pair = [torch.from_numpy(m).double()[None, None] for m in (predicted, true)]
    # torchmetrics takes the mean over mirrored borders too; without them its map is what ours and skimage's covers.
    _, full = image.structural_similarity_index_measure(*pair, data_range=2.0, return_full_image=True)
    expected = full[..., 5:-5, 5:-5].mean().item()
    assert metrics.ssim(true, predicted) == pytest.approx(expected, abs=1e-6)
    expected = image.peak_signal_noise_ratio(*pair, data_range=2.0).item()
    assert metrics.psnr(true, predicted) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("decimals", [0, 1, 8])  # 0 and 1: many ties, as scores of experts have
def test_correlations_like_scipy(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    a = rng.uniform(0, 10, 200).round(decimals)
    b = (a + rng.normal(0, 2, 200)).round(decimals)
    assert metrics.srcc(a, b) == pytest.approx(scipy.stats.spearmanr(a, b).statistic, abs=1e-12)
    assert metrics.lcc(a, b) == pytest.approx(scipy.stats.pearsonr(a, b).statistic, abs=1e-12)


# The Gaussian under them


def test_gaussian_weights_sum_to_one_and_are_symmetric() -> None:
    weights = gaussian_weights(1.5, 5)
    assert weights.sum() == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_array_equal(weights, weights[::-1])
    assert weights[5] / weights[4] == pytest.approx(math.exp(0.5 / 1.5**2))


@pytest.mark.parametrize("shape", [(11, 11), (200, 150), (12, 30_000)])  # one band, several, bands of one row
def test_smooth_valid_like_scipy(shape: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).uniform(size=shape)
    weights = gaussian_weights(1.5, 5)
    expected = scipy.ndimage.correlate1d(scipy.ndimage.correlate1d(plane, weights, axis=0), weights, axis=1)
    np.testing.assert_allclose(smooth_valid(plane, weights), expected[5:-5, 5:-5], atol=1e-14)


@pytest.mark.parametrize(("shape", "sigma"), [((40, 61), 2.0), ((64, 96), 16.0), ((7, 90), 12.5)])
def test_blur_like_scipy(shape: tuple[int, int], sigma: float) -> None:
    plane = np.random.default_rng(1).uniform(size=shape)
    np.testing.assert_allclose(blur(plane, sigma), scipy.ndimage.gaussian_filter(plane, sigma), atol=1e-13)


def test_blur_keeps_constants_and_the_mean() -> None:
    plane = np.random.default_rng(2).uniform(size=(30, 50))
    np.testing.assert_allclose(blur(np.full((30, 50), 0.3), 8.0), 0.3, atol=1e-13)
    assert blur(plane, 3.0).mean() == pytest.approx(plane.mean(), abs=1e-13)  # mirrored borders lose nothing


# A printed number


def test_psnr_of_one_level_in_255() -> None:
    """48.13 dB, the figure every text prints for an error of one 8-bit level."""
    assert metrics.psnr(np.zeros((8, 8)), np.full((8, 8), 1 / 255), data_range=1.0) == pytest.approx(48.1308, abs=1e-4)
