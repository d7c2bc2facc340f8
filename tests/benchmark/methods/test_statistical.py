"""Statistical methods: the laws of each formula, SciPy beside them, brackets and half-dark pictures."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from luxel.benchmark.methods.statistical import STATISTICAL, blocks, gradient, histogram
from luxel.benchmark.methods.statistical.planes import luma
from luxel.dataset.reference.bracket import LEVELS, frame, metered
from luxel.errors import LuxelError
from luxel.photometry import as_unit_float
from luxel.samples.procedural import procedural_scene, smooth_noise


def grey(levels: np.ndarray) -> np.ndarray:
    """A grey picture of 8-bit levels."""
    return np.repeat(np.asarray(levels, dtype=np.float32)[..., None] / np.float32(255), 3, axis=2)


def noise(shape: tuple[int, int] = (40, 56), seed: int = 0, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, (*shape, 3)).astype(np.float32)


def half_dark(dark: float = 0.02, light: float = 0.5, side: int = 64) -> np.ndarray:
    image = np.full((side, side, 3), light, dtype=np.float32)
    image[:, : side // 2] = dark
    return image


def textured_bracket(seed: int = 3) -> list[np.ndarray]:
    """The nine levels of a scene of about four stops, full of texture, whose mean is mid-grey at EV 0."""
    rng = np.random.default_rng(seed)
    stops = 0.7 * smooth_noise(rng, 128, 128, 40) + 0.3 * smooth_noise(rng, 128, 128, 90)
    light = metered(np.repeat(np.exp2(stops)[..., None], 3, axis=2))
    return [as_unit_float(frame(light, ev)) for ev in LEVELS.values()]


# Every method ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STATISTICAL)
@pytest.mark.parametrize("image", [noise((33, 48)), grey(np.zeros((16, 20))), grey(np.full((16, 20), 255))])
def test_numbers_are_finite_and_scores_in_range(name: str, image: np.ndarray) -> None:
    method, before = STATISTICAL[name], image.copy()
    assert type(method.statistic(image)) is float
    assert np.isfinite(method.statistic(image))
    if method.score is not None:
        assert 0.0 <= method.score(image) <= 10.0
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", STATISTICAL)
def test_turning_and_mirroring_the_picture_changes_nothing(name: str) -> None:
    image = as_unit_float(frame(procedural_scene(np.random.default_rng(1), height=64, width=64), 0))
    expected = STATISTICAL[name].statistic(image)
    for turned in (image[::-1], image[:, ::-1], image.transpose(1, 0, 2)):
        assert STATISTICAL[name].statistic(np.ascontiguousarray(turned)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", STATISTICAL)
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((16, 16), np.float32),
        np.zeros((16, 16, 3), np.uint8),
        np.zeros((0, 16, 3), np.float32),
        np.full((16, 16, 3), 1.5, np.float32),
        np.full((16, 16, 3), np.nan, np.float32),
    ],
)
def test_what_is_not_an_image_is_rejected(name: str, image: np.ndarray) -> None:
    with pytest.raises(LuxelError, match=r"give \[H, W, 3\] float in \[0, 1\]"):
        STATISTICAL[name].statistic(image)


def test_the_registry_says_whose_formula_and_what_is_ours() -> None:
    assert " ".join(STATISTICAL) == "datta liu torres hanmandlu rahman lu shim2014 shim2018 zhang kim efimov dong"
    for name, method in STATISTICAL.items():
        assert method.name == name
        assert all((method.title, method.reference, method.source, method.meaning))
    assert {name for name, method in STATISTICAL.items() if method.folded} == {"datta", "liu", "hanmandlu", "shim2018"}


def test_torch_stays_out() -> None:
    code = "import sys, luxel.benchmark.methods.statistical; print('torch' in sys.modules or 'scipy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


# Histograms -----------------------------------------------------------------------------------------------------------


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


# Gradients ------------------------------------------------------------------------------------------------------------


def test_gradient_magnitude_like_scipy_and_never_above_1() -> None:
    plane = np.random.default_rng(0).integers(0, 2, (30, 41)).astype(float)
    both = [scipy.ndimage.sobel(plane, axis=axis, mode="nearest") for axis in (0, 1)]
    np.testing.assert_allclose(gradient.gradient_magnitude(plane), np.hypot(*both) / np.sqrt(32), atol=1e-12)
    assert gradient.gradient_magnitude(plane).max() <= 1.0
    step = np.zeros((9, 9))
    step[:, 5:] = 1.0
    assert gradient.gradient_magnitude(step).max() == pytest.approx(1 / np.sqrt(2))


def test_shims_information_is_zero_below_sigma_and_monotone_in_gradient_and_lambda() -> None:
    m = np.linspace(0, 1, 501)
    lambdas = (1.0, 10.0, 1e3, 1e5)
    curves = np.array([gradient.information(m, lam=lam) for lam in lambdas])
    assert not curves[:, m <= gradient.SHIM_SIGMA].any()
    np.testing.assert_allclose(curves[:, -1], 1.0)
    assert np.all(np.diff(curves, axis=1) >= 0)
    above = (m > gradient.SHIM_SIGMA + 1e-9) & (m < 1)
    assert np.all(np.diff(curves[:, above], axis=0) > 0)


def test_a_picture_without_edges_has_no_information_and_wants_no_change() -> None:
    flat = grey(np.full((16, 16), 90))
    assert gradient.gradient_information(flat) == 0.0
    assert gradient.best_gamma(flat) == 1.0
    assert gradient.wanted_change(flat) == 0.0


def test_shims_updates_meet_at_the_ideal_and_turn_the_right_way() -> None:
    assert gradient.linear_update(1.0) == gradient.nonlinear_update(1.0) == 1.0
    np.testing.assert_allclose([gradient.update_ratio(g) for g in (0.0, 1.0, 2.0)], [2.0, 1.0, 0.0], atol=1e-12)
    assert gradient.linear_update(0.5) == pytest.approx(1.1)
    assert gradient.linear_update(1.5) == pytest.approx(0.95)
    gammas = np.linspace(0.5, 1.9, 30)
    for law in (gradient.linear_update, gradient.nonlinear_update):
        assert np.all(np.diff([law(g) for g in gammas]) < 0)
    # The smaller d, the gentler near the ideal.
    assert 0 < gradient.update_ratio(0.8, d=0.2) - 1 < gradient.update_ratio(0.8, d=5.0) - 1


def test_shim_asks_for_light_in_the_dark_and_for_less_in_the_light() -> None:
    bracket = textured_bracket()
    wanted = [gradient.wanted_change(image) for image in bracket]
    assert min(wanted[:3]) > 0.15
    assert max(wanted[6:]) < -0.3


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.floats(0.0, 0.99), st.floats(0.5, 10.0))
def test_zhangs_weights_sum_to_1_and_peak_at_p(count: int, p: float, order: float) -> None:
    weights = gradient.percentile_weights(count, p=p, order=order)
    peak = int(p * count)
    assert weights.sum() == pytest.approx(1.0)
    assert weights.min() >= 0.0
    assert int(np.argmax(weights)) == peak
    assert np.all(np.diff(weights[: peak + 1]) >= 0)
    assert np.all(np.diff(weights[peak:]) <= 0)


def test_zhangs_measure_nears_the_percentile_as_the_order_grows() -> None:
    squared = np.sort(np.random.default_rng(0).exponential(size=20_000))
    far, near = (abs(gradient.percentile_weights(20_000, order=k) @ squared - squared[14_000]) for k in (5, 5000))
    assert near < 0.01 < far


def test_local_entropy_of_windows_counted_one_by_one() -> None:
    plane = np.random.default_rng(0).integers(0, 12, (13, 17)) / 255
    padded = np.pad(np.rint(plane * 255).astype(int), 2, mode="symmetric")
    expected = [
        [scipy.stats.entropy(np.bincount(padded[r : r + 5, c : c + 5].ravel()), base=25) for c in range(17)]
        for r in range(13)
    ]
    np.testing.assert_allclose(gradient.local_entropy(plane, window=5), expected, atol=1e-9)
    assert not gradient.local_entropy(np.full((9, 9), 0.3)).any()
    ramp = np.arange(256).reshape(16, 16) / 255
    assert gradient.local_entropy(ramp, window=9)[8, 8] == pytest.approx(1.0)


def test_kims_sign_turns_the_weights_round() -> None:
    entropies = np.random.default_rng(0).normal(0.5, 0.1, (20, 20))
    usual, rare = (gradient.entropy_weights(entropies, sign=sign) for sign in (-1, 1))
    assert usual.sum() == pytest.approx(1.0)
    assert rare.sum() == pytest.approx(1.0)
    by_distance = np.argsort(np.abs(entropies - entropies.mean()), axis=None)
    assert np.all(np.diff(usual.ravel()[by_distance]) <= 0)
    assert np.all(np.diff(rare.ravel()[by_distance]) >= 0)
    np.testing.assert_allclose(usual * rare, (usual * rare)[0, 0])
    np.testing.assert_allclose(gradient.entropy_weights(np.full((4, 5), 0.2)), 1 / 20)


def test_kims_activation_changes_sign_at_a_quarter() -> None:
    assert gradient.activation(0.25) == pytest.approx(0.0)
    assert gradient.activation(0.0) < 0 < gradient.activation(1.0)
    assert np.all(np.diff(gradient.activation(np.linspace(0, 1, 50))) > 0)


def test_kim_subtracts_where_the_picture_is_saturated() -> None:
    image = noise((48, 64), low=0.2, high=0.8)
    image[:, 32:] = 1.0
    parts = gradient.entropy_weighted_map(image)
    assert np.all(parts[:, 44:] < 0)
    assert np.all(parts[:, :24] >= 0)
    assert gradient.entropy_weighted_gradient(image) == pytest.approx(parts.sum())
    assert gradient.entropy_weighted_gradient(image, sign=1) != pytest.approx(parts.sum())


@pytest.mark.parametrize("name", ["shim2014", "zhang", "kim"])
@pytest.mark.parametrize("seed", [3, 4])
def test_gradient_measures_peak_near_the_true_exposure(name: str, seed: int) -> None:
    values = [STATISTICAL[name].statistic(image) for image in textured_bracket(seed)]
    best = list(LEVELS.values())[int(np.argmax(values))]
    # Edges grow with the light until they clip, so the peak lies at or a little above the metered exposure.
    assert 0 <= best <= 2
    assert values[0] < 0.5 * max(values)
    assert values[-1] < 0.5 * max(values)


# Blocks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [64, 61])
def test_half_dark_pictures_are_dark_by_half(side: int) -> None:
    image = half_dark(side=side)
    expected = np.zeros((8, 8))
    expected[:, :4] = 1
    np.testing.assert_array_equal(blocks.block_classes(image), expected)
    assert blocks.normal_share(image) == 0.5
    exposures = blocks.block_exposures(image)
    assert np.all(exposures[:, :4] == 3)
    assert not exposures[:, 4:].any()
    assert blocks.mean_block_change(image) == 1.5
    assert blocks.block_change_score(image) == pytest.approx(5.0)


def test_half_bright_pictures_have_the_other_sign() -> None:
    image = half_dark(dark=1.0)
    assert np.all(blocks.block_classes(image)[:, :4] == -1)
    assert np.all(blocks.block_exposures(image)[:, :4] == -3)


def test_a_well_exposed_picture_wants_no_change_anywhere() -> None:
    image = noise((64, 64), low=0.3, high=0.9)
    assert not blocks.block_classes(image).any()
    assert not blocks.block_exposures(image).any()
    assert blocks.block_change_score(image) == 10.0


def test_a_stop_less_light_asks_for_a_stop_more() -> None:
    light = np.full((64, 64, 3), 0.03, dtype=np.float32)
    changes = [blocks.block_exposures(as_unit_float(frame(light, ev)))[0, 0] for ev in (0, -1, -2, -3)]
    assert changes == [0, 1, 2, 3]


def test_changing_any_one_block_costs_energy() -> None:
    image = as_unit_float(frame(procedural_scene(np.random.default_rng(2), height=64, width=96), -2))
    hidden = blocks.hidden_shares(image)
    chosen = np.searchsorted(blocks.STOPS, blocks.block_exposures(image))
    least = blocks.block_energy(hidden, chosen)
    assert least < blocks.block_energy(hidden, np.argmin(hidden, axis=0))
    assert least <= blocks.block_energy(hidden, np.full((8, 8), 3))
    for row, column, other in np.ndindex(8, 8, len(blocks.STOPS)):
        changed = chosen.copy()
        changed[row, column] = other
        assert blocks.block_energy(hidden, changed) >= least - 1e-9


def test_neighbours_pull_a_lone_block_along() -> None:
    image = np.full((64, 64, 3), 0.02, dtype=np.float32)
    image[24:32, 24:32] = 0.45
    hidden = blocks.hidden_shares(image)
    alone = blocks.STOPS[np.argmin(hidden[:, 3, 3])]
    assert alone < 3
    assert blocks.block_exposures(image)[3, 3] > 0


def test_small_pictures_are_rejected_by_block_methods() -> None:
    with pytest.raises(LuxelError, match="7 x 20 pixels; give at least 8 x 8"):
        blocks.normal_share(np.zeros((7, 20, 3), np.float32))


@pytest.mark.parametrize("name", ["datta", "liu", "torres", "hanmandlu", "rahman", "efimov", "dong"])
def test_scores_fall_towards_both_ends_of_a_bracket(name: str) -> None:
    score = STATISTICAL[name].score
    assert score is not None
    scores = [score(image) for image in textured_bracket()]
    best = int(np.argmax(scores))
    assert abs(list(LEVELS.values())[best]) <= 2
    assert max(scores[0], scores[-1]) < 0.8 * scores[best]
