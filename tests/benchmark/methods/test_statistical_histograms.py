"""Statistical methods on histograms, beside SciPy."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from luxel.benchmark.methods.statistical import histogram
from luxel.benchmark.methods.statistical.planes import luma
from stand_ins.statistical_inputs import grey, noise


@pytest.mark.parametrize("gain", [0.1, 0.5, 1.0, 1.9])
def test_mean_intensity_is_linear_in_gain_without_clipping(gain: float) -> None:
    image = noise(high=0.5)
    assert histogram.mean_intensity(image * np.float32(gain)) == pytest.approx(
        gain * histogram.mean_intensity(image), rel=1e-5
    )


def test_entropy_of_every_level_once_is_eight_bits_and_of_one_level_zero() -> None:
    every = grey(np.random.default_rng(0).permutation(256).reshape(16, 16))
    assert histogram.luma_entropy(every) == pytest.approx(8.0)
    assert histogram.luma_entropy_score(every) == pytest.approx(10.0)
    assert histogram.rgb_entropy(every) == pytest.approx(3 * np.log(256))
    assert histogram.rgb_entropy_score(every) == pytest.approx(10.0)
    flat = grey(np.full((16, 16), 77))
    assert histogram.luma_entropy(flat) == histogram.rgb_entropy(flat) == 0.0


def test_entropies_like_scipy() -> None:
    image = noise()
    levels = np.rint(image * 255).astype(int)
    counts = [np.bincount(levels[..., c].ravel(), minlength=256) for c in range(3)]
    assert histogram.rgb_entropy(image) == pytest.approx(sum(scipy.stats.entropy(c) for c in counts))
    luma_counts = np.bincount(np.rint(luma(image) * 255).astype(int).ravel())
    assert histogram.luma_entropy(image) == pytest.approx(scipy.stats.entropy(luma_counts, base=2))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=40))
def test_exposure_index_lies_above_0_and_at_most_1(levels: list[int]) -> None:
    image = grey(np.array([levels]))
    assert histogram.exposure_index(image) == pytest.approx((np.mean(levels) + 1) / 256)
    assert 0.0 < histogram.exposure_index(image) <= 1.0


def test_underexposed_part_ends_at_the_divider() -> None:
    image = grey(np.arange(256).reshape(16, 16))
    index = histogram.exposure_index(image)
    assert index == pytest.approx(257 / 512)
    assert histogram.underexposed_part(image).sum() == np.ceil(256 * (1 - index))
    darker = grey(np.arange(256).reshape(16, 16) // 2)
    assert histogram.underexposed_part(darker).mean() > histogram.underexposed_part(image).mean()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 120, "underexposed"), (180, 255, "overexposed"), (100, 160, "stretch needed"), (10, 245, "normal")],
)
def test_histogram_classes(low: int, high: int, expected: str) -> None:
    image = grey(np.linspace(low, high, 4096).round().reshape(64, 64))
    assert histogram.histogram_class(image) == expected
    shape = histogram.histogram_shape(image)
    assert shape.centroid == pytest.approx((low + high) / 510, abs=0.002)
    assert shape.width == pytest.approx(0.98 * (high - low) / 255, abs=0.01)


@pytest.mark.parametrize("score", [histogram.mean_intensity_score, histogram.exposure_index_score])
def test_folded_scores_are_best_in_the_middle_and_worst_at_both_ends(score: object) -> None:
    black, dark, middle, light, white = (score(grey(np.full((8, 8), v))) for v in (0, 64, 127, 191, 255))  # type: ignore[operator]
    assert middle > 9.9
    assert black < 0.1 > white
    assert dark == pytest.approx(light, abs=0.1)


def test_a_narrow_histogram_costs_score() -> None:
    wide, narrow = grey(np.linspace(0, 255, 256).reshape(16, 16)), grey(np.linspace(115, 140, 256).reshape(16, 16))
    assert histogram.histogram_score(wide) > 9.9
    assert histogram.histogram_score(narrow) < 2.0


def test_torres_is_best_for_a_histogram_in_the_middle_and_falls_as_it_moves_to_either_end() -> None:
    middle = np.linspace(78, 177, 1024).round().reshape(32, 32)
    best = histogram.moment_score(grey(middle))
    assert best > 9.9
    for sign in (-1, 1):
        moved = [histogram.moment_score(grey(np.clip(middle + sign * shift, 0, 255))) for shift in range(0, 260, 20)]
        assert np.all(np.diff(moved[:10]) < 0), "falls while anything of it is left between the ends"
        assert np.all(np.diff(moved) <= 0)
        assert moved[-1] == 0.0


def test_torres_counts_the_saturated_ends_at_an_equal_mean() -> None:
    scores = []
    for ends in (0, 64, 128, 256):  # of 256 pixels, `ends` saturated, half dark and half bright; the others mid-grey
        levels = np.full(256, 127.5)
        levels[: ends // 2], levels[256 - ends // 2 :] = 5, 250
        image = grey(levels.reshape(16, 16))
        assert histogram.saturated_share(image) == ends / 256
        scores.append(histogram.moment_score(image))
    assert scores == pytest.approx([10.0, 7.5, 5.0, 0.0], abs=0.05)
    assert histogram.saturated_share(grey(np.array([[6, 249]]))) == 0.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=40))
def test_torres_treats_a_picture_and_its_negative_alike(levels: list[int]) -> None:
    image, negative = grey(np.array([levels])), grey(255 - np.array([levels]))
    assert 0.0 <= histogram.moment_quality(image) <= 1.0
    assert histogram.moment_quality(image) == pytest.approx(histogram.moment_quality(negative), abs=1e-9)
