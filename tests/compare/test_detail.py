"""Kept detail: what it ignores, what it sees, and which pictures match."""

import numpy as np
import numpy.typing as npt
import pytest

from luxel.compare.detail import MIN_DETAIL, kept_detail, reduced, same_scene
from luxel.filters.gaussian import blur
from luxel.photometry import expose, to_linear, to_srgb
from stand_ins import backlit

Picture = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def scene() -> Picture:
    """A photograph-like scene with all its values between 0.15 and 0.65, so that +-1 EV does not clip."""
    return np.asarray(0.15 + 0.5 * reduced(backlit.scene(480, 720)), np.float32)


def blurred(picture: Picture, sigma: float) -> Picture:
    return np.stack([blur(picture[..., c], sigma) for c in range(3)], axis=-1).astype(np.float32)


def exposed(picture: Picture, ev: float) -> Picture:
    return to_srgb(expose(to_linear(picture), ev))


@pytest.mark.parametrize("ev", [-1.0, -0.7, 0.7, 1.0])
def test_a_change_of_exposure_keeps_detail(scene: Picture, ev: float) -> None:
    assert kept_detail(scene, exposed(scene, ev)) >= 0.8


def test_the_original_keeps_all_of_it_at_any_size_and_depth(scene: Picture) -> None:
    assert kept_detail(scene, scene) == pytest.approx(1.0)
    assert kept_detail(scene, np.rint(scene * 255).astype(np.uint8)) > 0.98
    assert kept_detail(np.repeat(np.repeat(scene, 2, 0), 2, 1), scene) > 0.9
    assert kept_detail(scene[:-3, :-3], scene[3:, 3:]) > 0.85


def test_what_removes_detail_is_seen(scene: Picture) -> None:
    for dark in (scene, exposed(scene, -3)):
        assert kept_detail(dark, np.full_like(scene, 0.5)) == 0.0
        assert kept_detail(dark, scene.mean() + 0.1 * (scene - scene.mean())) < MIN_DETAIL
        assert kept_detail(dark, blurred(scene, 8)) < MIN_DETAIL
        assert kept_detail(dark, np.random.default_rng(0).random(scene.shape, np.float32)) < 0.1


def test_brightening_a_dark_picture_keeps_detail(scene: Picture) -> None:
    dark = exposed(scene, -3)
    for bright in (scene, dark**0.5, exposed(dark, 2)):
        assert kept_detail(dark, bright) > 0.8


def test_a_flat_original_has_nothing_to_lose() -> None:
    flat = np.full((40, 60, 3), 0.2, np.float32)
    assert kept_detail(flat, flat + 0.3) == 1.0
    assert same_scene(flat, flat + 0.3)
    assert kept_detail(flat[:2, :2], flat) == 1.0


def test_only_another_scene_does_not_match(scene: Picture) -> None:
    assert same_scene(scene, exposed(scene, -3))
    assert same_scene(scene, np.full_like(scene, 0.5))  # Lost detail, but not another scene.
    assert same_scene(scene, blurred(scene, 2))
    assert not same_scene(scene, np.random.default_rng(0).random(scene.shape, np.float32))
    assert not same_scene(scene, scene[::-1, ::-1])
