"""The evaluator: laws of its measures, and rows that enhance nothing."""

import math

import numpy as np
import pytest

from luxel.enhance.measuring import decibels, measure, rounded, with_mean_of
from luxel.enhance.pairs import Pair
from luxel.enhance.trivial import TRIVIAL, Lookup, to_mean_by_power, unit
from luxel.errors import LuxelError
from luxel.photometry import lightness
from stand_ins.low_light import pair, truth


def test_a_perfect_enhancer() -> None:
    found = measure(unit(truth(1)), truth(1))
    assert found.psnr == found.gt_mean_psnr == math.inf
    assert found.ssim == found.gt_mean_ssim == found.detail == 1.0
    assert found.lightness_error == found.lightness_shift == 0.0


def test_psnr_by_hand() -> None:
    """One code too bright everywhere: the mean square error is 1 of 255 squared."""
    image = np.full((16, 16, 3), 100, np.uint8)
    found = measure(unit(image + np.uint8(1)), image)
    assert found.psnr == pytest.approx(20 * math.log10(255))
    assert found.lightness_error == pytest.approx(1 / 255, rel=1e-4)
    assert found.lightness_shift == pytest.approx(1 / 255, rel=1e-4)
    assert decibels(0.0) == math.inf


def test_gt_mean_does_not_see_a_gain() -> None:
    rng = np.random.default_rng(0)
    output = np.clip(unit(truth(2)) + 0.05 * rng.standard_normal((40, 48, 3)).astype(np.float32), 0.02, 0.9)
    one, other = measure(output, truth(2)), measure(output * np.float32(0.3), truth(2))
    assert one.gt_mean_mse == pytest.approx(other.gt_mean_mse, rel=1e-3)
    assert one.gt_mean_ssim == pytest.approx(other.gt_mean_ssim, abs=1e-4)
    assert one.mse < 0.1 * other.mse
    assert other.lightness_shift < -0.2


def test_gt_mean_gives_the_mean_and_leaves_black_alone() -> None:
    output = unit(pair(3).low)
    assert lightness(with_mean_of(output, truth(3))).mean() == pytest.approx(lightness(truth(3)).mean(), abs=1e-6)
    assert not with_mean_of(np.zeros((12, 12, 3), np.float32), truth(3)).any()


def test_ssim_agrees_with_scikit_image() -> None:
    similarity = pytest.importorskip("skimage.metrics").structural_similarity
    output = rounded(0.8 * unit(truth(4)) + np.float32(0.05))
    expected = similarity(
        truth(4), output, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert measure(unit(output), truth(4)).ssim == pytest.approx(expected, abs=1e-6)


def test_outputs_that_cannot_be_measured() -> None:
    with pytest.raises(LuxelError, match="give one size"):
        measure(unit(truth(1, 20, 24)), truth(1))
    with pytest.raises(LuxelError, match="nan or infinite"):
        measure(np.full((40, 48, 3), np.nan, np.float32), truth(1))


@pytest.mark.parametrize("name", ["gain to GT mean", "gamma to GT mean"])
def test_trivial_rows_reach_the_mean(name: str) -> None:
    output = TRIVIAL[name](pair(5))
    assert output.shape == (40, 48, 3)
    assert lightness(output).mean() == pytest.approx(lightness(truth(5)).mean(), abs=0.01)


def test_only_rows_that_say_so_look_at_the_ground_truth() -> None:
    one = pair(6)
    other = Pair(one.name, one.low, 255 - one.high)
    for name, trivial in TRIVIAL.items():
        assert np.array_equal(trivial(one), trivial(other)) == ("GT" not in name)


def test_gamma_finds_its_exponent() -> None:
    image = unit(pair(7).low)
    assert lightness(to_mean_by_power(image, 0.45)).mean() == pytest.approx(0.45, abs=1e-4)
    assert not to_mean_by_power(np.zeros((12, 12, 3), np.float32), 0.45).any()


def test_the_lookup_returns_the_nearest_ground_truth() -> None:
    train = [pair(1), pair(2), pair(3)]
    darker = Pair("9", np.asarray(pair(2).low * 0.7, dtype=np.uint8), truth(2))
    np.testing.assert_array_equal(rounded(Lookup(train)(darker)), truth(2))
    other_size = Pair("9", pair(2, 30, 36).low, truth(2, 30, 36))
    assert Lookup(train)(other_size).shape == (30, 36, 3)
