"""Statistical methods on gradients and local entropy, beside SciPy."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from luxel.benchmark.methods.statistical import STATISTICAL, gradient
from luxel.dataset.reference.bracket import LEVELS
from stand_ins.statistical_inputs import grey, noise, textured_bracket


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
