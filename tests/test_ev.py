"""The EV recommendation: what was taken is given back, ties go to zero, bounds hold."""

import numpy as np
import pytest

from luxel.ev import LIMIT, advice_text, advise, recommended_ev
from luxel.photometry import expose, lightness, to_linear, to_srgb


def scene(seed: int = 0, shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    """A colourful picture in linear light, values from 0.004 to 0.2, so that +-2 stops clip nothing."""
    return np.exp(np.random.default_rng(seed).uniform(np.log(0.004), np.log(0.2), (*shape, 3))).astype(np.float32)


@pytest.mark.parametrize("ev", [-3.7, -2.0, -0.33, 0.0, 0.5, 2.0])
def test_the_exposure_error_is_given_back(ev: float) -> None:
    reference, image = to_srgb(scene()), to_srgb(expose(scene(), ev))
    residual = lightness(reference) - lightness(image)
    assert recommended_ev(image, residual) == pytest.approx(-ev, abs=0.02)


def test_eight_bit_pictures_give_nearly_the_same_answer() -> None:
    image = np.rint(to_srgb(expose(scene(), -2)) * 255) / 255
    residual = lightness(to_srgb(scene())) - lightness(image)
    assert recommended_ev(image, residual) == pytest.approx(2.0, abs=0.05)


def test_it_minimises_the_stated_distance() -> None:
    """Against a full search by the definition, on a map no global step can satisfy."""
    image = to_srgb(scene(1, (40, 50)))
    residual = np.where(np.arange(50) < 20, 0.25, -0.02) * np.ones((40, 1))
    target = np.clip(lightness(image) + residual, 0, 1)
    candidates = np.arange(-6, 6.001, 0.01)
    distances = [np.abs(lightness(to_srgb(expose(to_linear(image), ev))) - target).mean() for ev in candidates]
    found = recommended_ev(image, residual)
    assert np.abs(lightness(to_srgb(expose(to_linear(image), found))) - target).mean() < min(distances) + 1e-4


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_an_ideal_picture_needs_nothing(value: float) -> None:
    image = np.full((9, 9, 3), value, dtype=np.float32)
    assert recommended_ev(image, np.zeros((9, 9))) == 0.0


def test_a_black_picture_asks_for_light() -> None:
    black = np.zeros((20, 20, 3), dtype=np.float32)
    assert recommended_ev(black, np.full((20, 20), 0.5)) == LIMIT
    assert recommended_ev(black, np.zeros((20, 20))) == 0.0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("allowed", [0.0, 0.01, 0.2])
def test_obeying_never_clips_more_than_allowed(seed: int, allowed: float) -> None:
    rng = np.random.default_rng(seed)
    linear = (rng.lognormal(-2.5, 1.2, (48, 60, 1)) * rng.uniform(0.2, 1, 3)).astype(np.float32)
    image = to_srgb(expose(linear, float(rng.uniform(-2, 1))))
    ev = recommended_ev(image, rng.uniform(0.1, 0.7, (48, 60)), max_new_clipping=allowed)
    before, after = (np.max(part, axis=-1) >= 254.5 / 255 for part in (image, to_srgb(expose(to_linear(image), ev))))
    assert np.mean(after & ~before) <= allowed + 1e-3


def test_a_saturated_colour_is_not_clipped_for_the_sake_of_lightness() -> None:
    blue = np.zeros((20, 20, 3), dtype=np.float32)
    blue[..., 2] = 0.9
    assert 0 <= recommended_ev(blue, np.full((20, 20), 0.37)) <= np.log2(1 / to_linear(0.9)) + 0.01


def test_the_answer_stays_inside_its_bounds() -> None:
    dark = np.full((20, 20, 3), 2e-3, dtype=np.float32)
    white = np.ones((20, 20, 3), dtype=np.float32)
    assert recommended_ev(dark, np.ones((20, 20))) == LIMIT
    assert recommended_ev(white, -np.ones((20, 20))) == -LIMIT
    assert recommended_ev(white, np.full((20, 20), -0.5)) == pytest.approx(np.log2(to_linear(0.5)), abs=0.01)


def test_a_large_picture_is_answered_from_an_even_sample() -> None:
    image = to_srgb(expose(scene(shape=(700, 900)), -1.5))
    residual = lightness(to_srgb(scene(shape=(700, 900)))) - lightness(image)
    assert recommended_ev(image, residual) == pytest.approx(1.5, abs=0.02)


def test_advice_says_how_far_it_can_be_relied_on() -> None:
    black = np.zeros((40, 40, 3), dtype=np.float32)
    assert advise(black, np.full((40, 40), 0.47)).bound == "at least"
    part = np.full((40, 40, 3), 0.05, dtype=np.float32)
    part[:20] = 0.0
    found = advise(part, np.full((40, 40), 0.4))
    assert (found.bound, found.ev is not None and found.ev > 1) == ("at least", True)
    assert "50% of the picture is black" in (found.reason or "")
    blown = np.full((40, 40, 3), 0.7, dtype=np.float32)
    blown[:10] = 1.0
    found = advise(blown, np.full((40, 40), -0.25))
    assert (found.bound, found.ev is not None and found.ev < 0) == ("at most", True)
    plain = np.full((40, 40, 3), 0.3, dtype=np.float32)
    assert advise(plain, np.full((40, 40), 0.17)).bound == "exact"
    assert advise(plain, np.full((40, 40), 0.17)).reason is None


def test_no_advice_where_exposure_changes_nothing() -> None:
    blue = np.zeros((40, 40, 3), dtype=np.float32)
    blue[..., 2] = 1.0
    found = advise(blue, np.full((40, 40), 0.36))
    assert found.ev is None
    assert "saturated" in (found.reason or "")
    assert advice_text(found.ev, found.bound) == "-"


def test_advice_limited_by_clipping_says_so() -> None:
    image = np.full((40, 40, 3), 0.2, dtype=np.float32)
    image[:4] = 0.9
    found = advise(image, np.full((40, 40), 0.3))
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
        advised.append(advise(image, ideal - lightness(image)).ev)
    slope = np.polyfit(stops, np.array(advised, dtype=float), 1)[0]
    assert -1.1 < slope < -0.7
    assert (np.diff(np.array(advised, dtype=float)) <= 0.02).all()


@pytest.mark.parametrize(("ev", "bound", "text"), [(6.0, "at least", ">= +6.0"), (-1.4, "at most", "<= -1.4")])
def test_bounds_are_shown(ev: float, bound: str, text: str) -> None:
    assert advice_text(ev, bound) == text
