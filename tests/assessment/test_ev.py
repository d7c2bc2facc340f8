"""The EV recommendation: what was taken is given back, ties go to zero, bounds hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luxel.assessment.ev import LIMIT, Advice, advice_text, recommended_ev
from luxel.assessment.meter import Bracket, Light
from luxel.assessment.tables import csv_lines
from luxel.cli.assess import print_results
from luxel.photometry import expose, lightness, to_linear, to_srgb
from luxel.residual import people_score


def scene(seed: int = 0, shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    """A colourful picture in linear light, values from 0.004 to 0.2, so that +-2 stops clip nothing."""
    return np.exp(np.random.default_rng(seed).uniform(np.log(0.004), np.log(0.2), (*shape, 3))).astype(np.float32)


@pytest.mark.parametrize("ev", [-3.7, -2.0, -0.33, 0.0, 0.5, 2.0])
def test_the_exposure_error_is_given_back(ev: float) -> None:
    reference, image = to_srgb(scene()), to_srgb(expose(scene(), ev))
    residual = lightness(reference) - lightness(image)
    assert recommended_ev(image, residual).ev == pytest.approx(-ev, abs=0.02)


def test_eight_bit_pictures_give_nearly_the_same_answer() -> None:
    image = np.rint(to_srgb(expose(scene(), -2)) * 255) / 255
    residual = lightness(to_srgb(scene())) - lightness(image)
    assert recommended_ev(image, residual).ev == pytest.approx(2.0, abs=0.05)


def test_it_minimises_the_stated_distance() -> None:
    """Against a full search by the definition, on a map no global step can satisfy."""
    image = to_srgb(scene(1, (40, 50)))
    residual = np.where(np.arange(50) < 20, 0.25, -0.02) * np.ones((40, 1))
    target = np.clip(lightness(image) + residual, 0, 1)
    candidates = np.arange(-6, 6.001, 0.01)
    distances = [np.abs(lightness(to_srgb(expose(to_linear(image), ev))) - target).mean() for ev in candidates]
    found = recommended_ev(image, residual).ev
    assert found is not None
    assert np.abs(lightness(to_srgb(expose(to_linear(image), found))) - target).mean() < min(distances) + 1e-4


@pytest.mark.parametrize("value", [0.1, 0.4, 0.9])
def test_an_ideal_picture_needs_nothing(value: float) -> None:
    image = np.full((9, 9, 3), value, dtype=np.float32)
    assert recommended_ev(image, np.zeros((9, 9))) == Advice(0.0)


@pytest.mark.parametrize("value", [0.0, 1 / 255])
def test_a_black_picture_asks_for_light(value: float) -> None:
    black, residual = np.full((20, 20, 3), value, dtype=np.float32), np.full((20, 20), 0.47)
    found = recommended_ev(black, residual)
    assert (found.ev, found.bound) == (LIMIT, "at least")
    assert people_score(residual) < 3
    assert recommended_ev(black, np.zeros((20, 20))).ev is None


def test_a_white_picture_asks_for_at_most_what_brings_its_white_to_the_map() -> None:
    white, residual = np.ones((20, 20, 3), dtype=np.float32), np.full((20, 20), -0.53)
    found = recommended_ev(white, residual)
    assert found.bound == "at most"
    assert found.ev == pytest.approx(np.log2(to_linear(0.47)), abs=0.01)
    assert recommended_ev(white, np.zeros((20, 20))).ev is None


@given(
    seed=st.integers(0, 2**32 - 1),
    allowed=st.sampled_from([0.0, 0.01, 0.2]),
    ev=st.floats(-8, 2),
    wanted=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_obeying_never_clips_more_than_allowed(seed: int, allowed: float, ev: float, wanted: float) -> None:
    rng = np.random.default_rng(seed)
    linear = (rng.lognormal(-2.5, 1.2, (90, 110, 1)) * rng.uniform(0.2, 1, 3)).astype(np.float32)
    image = to_srgb(expose(linear, ev))
    found = recommended_ev(image, rng.uniform(0, wanted, (90, 110)), max_new_clipping=allowed).ev
    after = to_srgb(expose(to_linear(image), found or 0.0)).max(axis=-1) >= 254.5 / 255
    assert np.mean(after & ~(image.max(axis=-1) >= 254.5 / 255)) <= allowed


def test_a_nearly_black_picture_still_keeps_its_lights() -> None:
    night = np.zeros((100, 100, 3), dtype=np.float32)
    night[0, :50] = 0.5
    found = recommended_ev(night, np.full((100, 100), 0.4), max_new_clipping=0.0)
    assert found.ev is not None
    assert 0 < found.ev < LIMIT
    assert found.bound == "at least"


def test_a_saturated_colour_is_not_clipped_for_the_sake_of_lightness() -> None:
    blue = np.zeros((20, 20, 3), dtype=np.float32)
    blue[..., 2] = 0.9
    found = recommended_ev(blue, np.full((20, 20), 0.37)).ev
    assert found is None or 0 <= found <= np.log2(1 / to_linear(0.9)) + 0.01


@pytest.mark.parametrize("other", [0.0, 2 / 255])
@pytest.mark.parametrize("wanted", [0.1, 0.36])
def test_pure_blue_gets_no_advice_for_more_light(other: float, wanted: float) -> None:
    blue = np.full((40, 40, 3), other, dtype=np.float32)
    blue[..., 2] = 1.0
    found = recommended_ev(blue, np.full((40, 40), wanted))
    assert found.ev is None
    assert "saturated" in (found.reason or "")
    assert advice_text(found.ev, found.bound) == "-"


def test_the_answer_stays_inside_its_bounds() -> None:
    dark = np.full((20, 20, 3), 2e-3, dtype=np.float32)
    bright = np.full((20, 20, 3), 0.95, dtype=np.float32)
    assert recommended_ev(dark, np.ones((20, 20))).ev == LIMIT
    assert recommended_ev(bright, -np.ones((20, 20))).ev == -LIMIT


def test_a_large_picture_is_answered_from_an_even_sample() -> None:
    image = to_srgb(expose(scene(shape=(700, 900)), -1.5))
    residual = lightness(to_srgb(scene(shape=(700, 900)))) - lightness(image)
    assert recommended_ev(image, residual).ev == pytest.approx(1.5, abs=0.02)


def test_advice_says_how_far_it_can_be_relied_on() -> None:
    black = np.zeros((40, 40, 3), dtype=np.float32)
    assert recommended_ev(black, np.full((40, 40), 0.47)).bound == "at least"
    part = np.full((40, 40, 3), 0.05, dtype=np.float32)
    part[:20] = 0.0
    found = recommended_ev(part, np.full((40, 40), 0.4))
    assert (found.bound, found.ev is not None and found.ev > 1) == ("at least", True)
    assert "50% of the picture is black" in (found.reason or "")
    blown = np.full((40, 40, 3), 0.7, dtype=np.float32)
    blown[:10] = 1.0
    found = recommended_ev(blown, np.full((40, 40), -0.25))
    assert (found.bound, found.ev is not None and found.ev < 0) == ("at most", True)
    plain = np.full((40, 40, 3), 0.3, dtype=np.float32)
    assert recommended_ev(plain, np.full((40, 40), 0.17)).bound == "exact"
    assert recommended_ev(plain, np.full((40, 40), 0.17)).reason is None


def test_advice_limited_by_clipping_says_so() -> None:
    image = np.full((40, 40, 3), 0.2, dtype=np.float32)
    image[:4] = 0.9
    found = recommended_ev(image, np.full((40, 40), 0.3))
    assert found.ev is not None
    assert found.ev < 1
    assert "clip" in (found.reason or "")


def test_advice_follows_the_shutter_where_nothing_clips() -> None:
    """Over exposures of one scene whose highlights are kept, a stop more light is a stop less advised."""
    light = np.clip(scene(shape=(120, 160)), 0, 0.5)
    ideal = lightness(to_srgb(light * 1.2))
    stops = np.arange(-4, 0.5, 0.5)
    advised = []
    for ev in stops:
        image = to_srgb(expose(light, float(ev)))
        advised.append(recommended_ev(image, ideal - lightness(image)).ev)
    slope = np.polyfit(stops, np.array(advised, dtype=float), 1)[0]
    assert -1.1 < slope < -0.7
    assert (np.diff(np.array(advised, dtype=float)) <= 0.02).all()


@pytest.mark.parametrize(("ev", "bound", "text"), [(6.0, "at least", ">= +6.0"), (-1.4, "at most", "<= -1.4")])
def test_bounds_are_shown(ev: float, bound: str, text: str) -> None:
    assert advice_text(ev, bound) == text


def test_tables_show_that_there_is_no_advice(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"path": "a.png", "width": 9, "height": 9, "score": 3.0, "mean_abs_residual": 0.4, "over": 0.0, "under": 1.0}
    row |= {"ev": None, "ev_bound": "exact", "error": None}
    print_results([row])
    assert capsys.readouterr().out.split()[-1] == "-"
    assert list(csv_lines([row]))[1] == "a.png,9,9,3.0,0.4,0.0,1.0,,exact,,,,,,,\n"
    bounded = row | {"ev": 6.0, "ev_bound": "at least"}
    print_results([bounded])
    assert capsys.readouterr().out.rstrip().endswith(">= +6.0")


def test_light_prints_the_bound_or_the_reason() -> None:
    bracket = Bracket(0.0, 0.0, False, False)
    light = Light((0.0,) * 11, (0.0,) * 3, (0.0,) * 3, None, bracket, ev_reason="its colours are saturated")
    assert "advice     - EV   its colours are saturated" in light.lines()
    bound = Light((0.0,) * 11, (0.0,) * 3, (0.0,) * 3, -1.4, bracket, ev_bound="at most")
    assert "advice     <= -1.4 EV" in bound.lines()
