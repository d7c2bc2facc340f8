"""Wilcoxon's test and Holm's correction, by hand and against SciPy."""

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from luxel.benchmark.protocol.significance import compare_all, holm, signed_rank
from luxel.errors import LuxelError
from stand_ins.benchmark_rows import errors


def test_signed_rank_of_cases_counted_by_hand() -> None:
    # Six differences of one sign: 1 of 2^6 sign patterns is as extreme on each side, p = 2/64.
    worse = signed_rank([1.1, 1.2, 1.3, 1.4, 1.5, 1.6], np.ones(6))
    assert (worse.direction, worse.scenes) == ("worse", 6)
    assert worse.p == pytest.approx(2 / 64)
    # Ranks 1, 2, 3, 4, 5 with the signs - + + + +: the negative ranks sum to 1, as they do or less in 2 of 32 patterns.
    mixed = signed_rank([0.9, 1.2, 1.3, 1.4, 1.5], np.ones(5))
    assert mixed.direction == "worse"
    assert mixed.p == pytest.approx(2 * 2 / 32)
    assert not mixed.significant


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(6, 40))
def test_signed_rank_changes_side_with_its_arguments(seed: int, count: int) -> None:
    a, b = np.random.default_rng(seed).exponential(size=(2, count))
    one, other = signed_rank(a, b), signed_rank(b, a)
    assert one.p == pytest.approx(other.p)
    assert one.p == pytest.approx(scipy.stats.wilcoxon(a, b).pvalue)
    assert {one.direction, other.direction} in ({"better", "worse"}, {"equal"})
    assert signed_rank(7 * a, 7 * b).p == pytest.approx(one.p)


def test_equal_errors_are_equal_and_pairs_without_difference_do_not_count() -> None:
    same = signed_rank(np.ones(9), np.ones(9))
    assert (same.direction, same.p, same.significant) == ("equal", 1.0, False)
    a, b = np.random.default_rng(0).exponential(size=(2, 30))
    assert signed_rank([*a, 1, 2, 3], [*b, 1, 2, 3]).p == pytest.approx(signed_rank(a, b).p)
    with pytest.raises(LuxelError, match="give the same scenes"):
        signed_rank(a, b[:-1])


def test_holm_of_a_case_counted_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p: list[float]) -> None:
    corrected = holm(p)
    assert all(a <= b <= min(1, len(p) * a) + 1e-12 for a, b in zip(p, corrected, strict=True))
    for (a, x), (b, y) in itertools.combinations(zip(p, corrected, strict=True), 2):
        assert (a - b) * (x - y) >= 0
    assert holm(p[:1]) == p[:1]


def test_more_methods_mean_larger_p() -> None:
    a, b, c = (errors(mean, seed) for mean, seed in ((0.10, 1), (0.103, 2), (0.2, 3)))
    alone = compare_all({"b": (b, a)})["b"].p
    assert alone == pytest.approx(signed_rank(b, a).p)
    assert compare_all({"b": (b, a), "c": (c, a)})["b"].p >= alone
