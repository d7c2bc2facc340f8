"""Stability of made sequences whose flicker, steps and settling are known."""

import numpy as np
import pytest

from luxel.sequence.stability import Jump, brightness, spectrum, stability

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("frequency", "amplitude"), [(3.3, 0.4), (8.0, 0.05), (12.7, 0.2)])
def test_known_flicker_is_found_beside_drift_noise_and_a_step(frequency: float, amplitude: float) -> None:
    time = np.arange(300) / 30
    values = -1 + 0.05 * time + (time > 6) * 2.0 + 0.01 * RNG.standard_normal(300)
    found = stability(values + amplitude * np.sin(2 * np.pi * frequency * time + 1), 30)
    assert found.flicker_frequency == pytest.approx(frequency, abs=0.1)
    assert found.flicker == pytest.approx(amplitude, rel=0.25)


def test_without_a_rate_frequencies_are_per_frame() -> None:
    found = stability(0.3 * np.cos(2 * np.pi * np.arange(200) / 5))
    assert found.flicker_frequency == pytest.approx(0.2, abs=0.002)


def test_a_steady_sequence_has_nothing() -> None:
    found = stability(np.full(50, -0.7), 25)
    assert found.spread == pytest.approx(0, abs=1e-12)
    assert (found.span, found.jumps, found.flicker, found.flicker_frequency) == (0, (), 0, None)
    assert found.frames == 50


@pytest.mark.parametrize("decay", [0.5, 0.8, 0.9])
def test_settling_of_an_automatic_exposure(decay: float) -> None:
    """After a step of 2 stops the camera takes back all of it, by the same share in every frame."""
    recovery = 2.0 * decay ** np.arange(120)
    found = stability(np.concatenate([np.zeros(60), recovery]))
    expected = int(np.argmax(recovery <= 0.1 + recovery[-30]))
    (jump,) = found.jumps
    assert (jump.frame, jump.stops) == (60, 2.0)
    assert jump.settled == pytest.approx(expected, abs=1)


def test_steps_up_and_down_and_too_short_to_tell() -> None:
    found = stability([0.0] * 20 + [1.5] * 20 + [-1.0] * 4)
    assert found.jumps == (Jump(20, 1.5, 0), Jump(40, -2.5, None))
    assert stability([0.0] * 20 + [0.25] * 20).jumps == ()
    assert len(stability([0.0] * 20 + [0.25] * 20, jump=0.2).jumps) == 1


def test_a_change_that_never_ends_has_not_settled() -> None:
    drifting = np.concatenate([np.zeros(20), 1 + 0.2 * np.arange(40)])
    assert stability(drifting).jumps[0].settled is None


def test_a_fade_over_frames_is_one_jump() -> None:
    found = stability(np.concatenate([np.zeros(20), [0.5, 1.0, 1.5], np.full(30, 2.0)]))
    assert [(jump.frame, jump.settled) for jump in found.jumps] == [(20, 3)]


def test_frames_that_were_not_read_are_passed_over() -> None:
    values = np.array([0.0] * 20 + [1.0] * 20)
    values[[3, 20, 30]] = np.nan
    found = stability(values)
    assert found.frames == 37
    assert [(jump.frame, jump.stops) for jump in found.jumps] == [(21, 1.0)]
    assert stability([np.nan, np.nan]).frames == 0
    assert spectrum(np.zeros(7))[0].size == 0


def test_brightness_counts_stops() -> None:
    for code, expected in ((0, -14.136), (255, 2.474)):
        assert brightness(np.full((4, 4, 3), code, np.uint8)) == pytest.approx(expected, abs=0.01)
    half = np.full((4, 4, 3), 0.735357, np.float32)  # half of white's light
    assert brightness(half) == pytest.approx(2.474 - 1, abs=0.01)
