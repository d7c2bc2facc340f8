"""Agreement and combination: laws first, then printed numbers of the literature."""

import numpy as np
import pytest

from luxel.annotate.quality.agreement import (
    agreement,
    icc_2,
    krippendorff_alpha,
    mean_difference,
    retest_deviation,
    sign_agreement,
)
from luxel.annotate.quality.combine import Habit, adjusted, combine, habits, weighted_median
from luxel.dataset.labels.layers import icc

NAN = float("nan")

SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
"""Shrout and Fleiss 1979, Table 2: ICC(2,1) = .29, ICC(2,4) = .62."""

KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
).T
"""Krippendorff 2011, section C: alpha for interval data = 0.849."""


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_icc_has_the_printed_values() -> None:
    single, mean = icc_2(SHROUT_FLEISS, np.ones(6))
    assert (round(single, 2), round(mean, 2)) == (0.29, 0.62)
    assert single == pytest.approx(icc(SHROUT_FLEISS))  # the other one in this package, of pixels


def test_alpha_has_the_printed_value() -> None:
    assert krippendorff_alpha(KRIPPENDORFF, np.ones(12)) == pytest.approx(0.849, abs=0.0005)


def test_agreement_is_whole_or_nothing_at_its_ends(rng: np.random.Generator) -> None:
    values = rng.normal(size=(200, 1))
    same, noise, ones = np.repeat(values, 3, axis=1), rng.normal(size=(4000, 3)), np.ones(200)
    assert icc_2(same, ones) == pytest.approx((1, 1))
    assert krippendorff_alpha(same, ones) == pytest.approx(1)
    assert abs(icc_2(noise, np.ones(4000))[0]) < 0.05
    assert abs(krippendorff_alpha(noise, np.ones(4000))) < 0.05
    constant = np.ones((5, 2))
    assert np.isnan(icc_2(constant, np.ones(5))).all()
    assert np.isnan(krippendorff_alpha(constant, np.ones(5)))
    assert np.isnan(icc_2(values, ones)).all()


def test_a_weight_of_two_is_nearly_the_cell_twice(rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 1)) + 0.5 * rng.normal(size=(300, 3))
    weights = np.where(np.arange(300) < 100, 2.0, 1.0)
    twice = np.concatenate([x, x[:100]])
    for measure in (lambda a, w: icc_2(a, w)[0], krippendorff_alpha, sign_agreement, mean_difference):
        assert measure(x, weights) == pytest.approx(measure(twice, np.ones(400)), abs=0.01)


def test_scale_and_offset_of_all_change_nothing(rng: np.random.Generator) -> None:
    x, ones = rng.normal(size=(50, 4)), np.ones(50)
    assert icc_2(3 * x + 7, ones) == pytest.approx(icc_2(x, ones))
    assert krippendorff_alpha(3 * x + 7, ones) == pytest.approx(krippendorff_alpha(x, ones))


def test_signs_and_differences() -> None:
    x = np.array([[0.3, 0.2], [0.3, -0.2], [0.3, 0.05], [0.0, 0.05], [0.3, NAN]])
    assert sign_agreement(x, np.array([1.0, 1, 2, 5, 9])) == pytest.approx(1 / 4)
    assert np.isnan(sign_agreement(x[3:4], np.ones(1)))
    assert mean_difference(x, np.ones(5)) == pytest.approx((0.1 + 0.5 + 0.25 + 0.05) / 4)


def test_second_looks_give_the_deviation_of_one(rng: np.random.Generator) -> None:
    truth = rng.normal(size=5000)
    looks = [truth + 0.1 * rng.normal(size=5000) for _ in range(2)]
    assert retest_deviation([(looks[0], looks[1])]) == pytest.approx(0.1, rel=0.05)
    assert np.isnan(retest_deviation([]))


def test_intervals_are_over_scenes_and_gaps_are_said(rng: np.random.Generator) -> None:
    scenes = []
    for _ in range(6):
        truth = rng.normal(size=40)
        scenes.append({name: truth + 0.3 * rng.normal(size=40) for name in ("anna", "bert")})
    scenes.append({"emil": rng.normal(size=40)})  # alone: does not count
    found = agreement(scenes, [np.ones(40)] * 7, bootstraps=100)
    assert (found.scenes, found.complete, found.undefined) == (6, ("anna", "bert"), {})
    assert found.icc_single.low < found.icc_single.value < found.icc_single.high
    assert found.icc_mean.value > found.icc_single.value > 0.8
    one = agreement(scenes[:1], [np.ones(40)])
    assert np.isnan(one.alpha.low)
    assert "one scene" in one.undefined["intervals"]
    none = agreement(scenes[6:], [np.ones(40)])
    assert none.undefined["alpha"] == "no scene was rated by two experts"


def test_experts_who_never_met_have_no_icc_and_an_alpha(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=30), rng.normal(size=30)
    scenes = [{"anna": a, "bert": a + 0.01}, {"bert": b, "emil": b}]
    found = agreement(scenes, [np.ones(30)] * 2, bootstraps=10)
    assert found.complete in (("anna", "bert"), ("bert", "emil"))
    assert found.alpha.value > 0.99


def test_the_weighted_median_is_a_median() -> None:
    assert weighted_median([1, 5, 2], [1, 1, 1]) == 2
    assert weighted_median([1, 5, 2, 8], [1, 1, 1, 1]) == 3.5
    assert weighted_median([1, 5], [3, 1]) == 1
    assert weighted_median([1, 5, 9], [0, 1, 1]) == 7
    np.testing.assert_array_equal(weighted_median([[1, NAN], [3, NAN]], [1, 1]), [2, NAN])
    assert weighted_median([NAN, 4], [5, 1]) == 4


def test_habits_are_found_and_taken_out(rng: np.random.Generator) -> None:
    scenes = []
    for _ in range(30):
        truth = 0.4 * rng.uniform(-1, 1, 60)
        scenes.append({"anna": truth, "bert": truth.copy(), "emil": 1.3 * truth + 0.1})
    known = habits(scenes, [np.ones(60)] * 30)
    assert known["emil"].gain == pytest.approx(1.3, abs=0.04)
    assert known["emil"].offset == pytest.approx(0.1, abs=0.02)
    assert abs(known["anna"].offset) < 0.06
    np.testing.assert_allclose(adjusted(scenes[0]["emil"], known["emil"]), scenes[0]["anna"], atol=0.03)
    few = habits(scenes[:1], [np.ones(60)])
    assert 0 < few["emil"].offset < 0.05  # one scene is little evidence
    assert habits([{"anna": np.zeros(3)}], [np.ones(3)])["anna"] == Habit()


def test_one_expert_stays_as_they_are_and_an_outlier_does_not_move_three() -> None:
    only = np.array([0.2, NAN])
    np.testing.assert_array_equal(combine({"anna": only}, {"anna": Habit(0.5, 2.0, 9)}), only)
    ratings = {"anna": np.array([0.1]), "bert": np.array([0.12]), "emil": np.array([0.9])}
    assert combine(ratings, {}) == pytest.approx(0.12)
    assert combine(ratings, {}, {"anna": 0, "bert": 0}) == pytest.approx(0.9)
