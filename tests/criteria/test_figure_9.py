"""The paper's Fig. 9 as a criteria file: its worked example, and that the worse image never scores higher."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from luxel import criteria
from stand_ins.criteria_made import residual_with


def scene_of_figure_9() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Five regions that are 12, 37, 12, 37 and 11 % wrong, so that 31 % of all is."""
    residual = np.zeros(10_000, dtype=np.float32)
    masks = {}
    start = 0
    for name, pixels, wrong in (("a", 600, 72), ("b", 3800, 1406), ("c", 600, 72), ("d", 3800, 1406), ("e", 1200, 132)):
        masks[name] = np.zeros(10_000, dtype=bool)
        masks[name][start : start + pixels] = True
        residual[start : start + wrong] = 0.4 if name in "ac" else -0.4
        start += pixels
    return residual.reshape(100, 100), {name: mask.reshape(100, 100) for name, mask in masks.items()}


# --- Fig. 9 ---------------------------------------------------------------------------------------------------------


def test_the_worked_example_of_figure_9() -> None:
    residual, masks = scene_of_figure_9()
    table = criteria.load("fig9")
    shares = {name: table.score(residual[mask][None]).measured for name, mask in masks.items()}
    printed = [round(100 * next(v for m, v in of.items() if str(m) == "either")) for of in shares.values()]
    assert printed == [12, 37, 12, 37, 11]
    verdict = table.score(residual)
    assert {str(m): round(100 * v) for m, v in verdict.measured.items()}["either"] == 31
    assert verdict.score == 40
    assert "30 %" in verdict.label
    assert verdict.needs == ()


@pytest.mark.parametrize("size", [0.3, 0.4, 0.5, 0.6])
@pytest.mark.parametrize(("over", "under"), [(0.31, 0), (0, 0.31), (0.2, 0.11)])
def test_a_third_wrong_is_40_however_wrong_and_to_whichever_side(over: float, under: float, size: float) -> None:
    assert criteria.load("fig9").score(residual_with(over, under, size)).score == 40


def test_figure_9_by_area() -> None:
    table = criteria.load("fig9")
    scores = [table.score(residual_with(under=share, size=0.3)).score for share in (0, 0.03, 0.07, 0.1, 0.2, 0.3)]
    assert scores == [100, 90, 80, 70, 60, 40]
    assert table.score(residual_with(0.3, 0.3, 0.3)).score == 20
    assert table.score(residual_with(0.5, 0.5, 0.5)).score == 10


def test_figure_9_by_degree_of_an_even_shift() -> None:
    table = criteria.load("fig9")
    even = [np.full((8, 8), shift, dtype=np.float32) for shift in (0.0, 0.1, 0.17, 0.19, 0.21, 0.24, 0.3, 0.39)]
    assert [table.score(r).score for r in even] == [100, 100, 70, 60, 50, 30, 20, 10]
    assert [table.score(-r).score for r in even] == [100, 100, 70, 60, 50, 30, 20, 10]


@pytest.mark.parametrize(("share", "size", "rest", "score"), [(0.25, 0.4, 0.15, 50), (0.35, 0.5, 0.15, 30)])
@pytest.mark.parametrize("sign", [1, -1])
def test_figure_9_by_degree_at_a_moderate_area(share: float, size: float, rest: float, score: int, sign: int) -> None:
    residual = np.full((10, 100), sign * rest, dtype=np.float32)
    residual.reshape(-1)[: round(share * 1000)] = sign * size
    assert criteria.load("fig9").score(residual).score == score


@pytest.mark.parametrize("sides", ["over", "under", "both", "under beside 20 % over"])
@pytest.mark.parametrize("rest", [0.0, 0.1, 0.17, 0.24])
def test_figure_9_never_gives_the_worse_picture_more(sides: str, rest: float) -> None:
    """Over a grid of area x degree, the rest of the picture right or a little off."""
    areas, sizes = np.linspace(0, 0.8, 41), np.linspace(0.25, 1, 26)
    table = criteria.load("fig9")
    scores = np.zeros((len(areas), len(sizes)))
    for (i, area), (j, size) in product(enumerate(areas), enumerate(sizes)):
        over, under = {
            "over": (area, 0.0),
            "under": (0.0, area),
            "both": (area / 2, area / 2),
            "under beside 20 % over": (0.2, area),
        }[sides]
        residual = residual_with(over, under, size)
        residual[residual == 0] = rest if sides != "over" else -rest
        score = table.score(residual).score
        assert score is not None
        scores[i, j] = score
    assert np.all(np.diff(scores, axis=0) <= 0), "more area, higher score"
    assert np.all(np.diff(scores, axis=1) <= 0), "higher degree, higher score"
    assert len(np.unique(scores)) >= 3


RESIDUALS = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@for_any(RESIDUALS, st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12))
def test_figure_9_never_gives_more_when_pixels_move_away_from_right(values: list[float], further: list[float]) -> None:
    before = np.array([values], dtype=np.float32)
    away = np.where(before < 0, -1, 1) * np.array([further[: len(values)]], dtype=np.float32)
    table = criteria.load("fig9")
    low, high = table.score(np.clip(before + away, -1, 1)).score, table.score(before).score
    assert low is not None
    assert high is not None
    assert low <= high


def test_the_bands_of_fig9_stand_in_falling_order_and_have_upper_limits_only() -> None:
    empty, *rest = criteria.load("fig9").bands
    assert empty.score == 0
    scores = [b.score for b in rest]
    assert scores == [100, 90, 80, 70, 60, 50, 40, 30, 20]
    for b in rest:
        assert b.when is not None
        assert set(b.when.split()) & {">", ">=", "or", "not", "shift", "over", "under"} == set()


def test_black_and_white_pictures_get_0() -> None:
    table = criteria.load("fig9")
    for value, wanted in ((0.0, 0.5), (1.0, -0.5)):
        image = np.full((8, 8, 3), value, dtype=np.float32)
        residual = np.full((8, 8), wanted, dtype=np.float32)
        assert table.score(residual, image=image).score == 0
        assert table.score(residual).score == 0, "the map alone must do"
    dark = np.full((8, 8, 3), 0.1, dtype=np.float32)
    assert table.score(np.full((8, 8), 0.45, dtype=np.float32), image=dark).score == 10, "dark is not black"
