"""Ranks, similarity, tones, and what moved between frames."""

import numpy as np
import numpy.typing as npt
import pytest
from skimage.metrics import structural_similarity

from luxel.dataset.align.motion import moving_pixels, tone_curve_between
from luxel.dataset.align.same_scene import COARSE_SIDE, SAME_SCENE, scene_groups, scene_similarity, similarity_table
from luxel.dataset.align.tones import Tones, common_ranks, masked_ssim, ranks, similarity, tones
from luxel.dataset.reference.bracket import frame
from luxel.photometry import lightness
from stand_ins.moved_brackets import IDENTITY, MARGIN, turn
from stand_ins.source_material import light_of, seen_through


def test_ranks_do_not_see_a_rising_curve() -> None:
    values = np.random.default_rng(0).random((40, 50), dtype=np.float32)
    among = values > 0.2
    np.testing.assert_allclose(ranks(values, among)[among], ranks(values**0.5, among)[among], atol=0.002)
    assert ranks(values, among)[~among].tolist() == [0.5] * int((~among).sum())
    assert np.corrcoef(ranks(values, among)[among], values[among])[0, 1] > 0.999


def test_masked_ssim_with_a_full_mask_is_ssim() -> None:
    a, b = (lightness(frame(light_of("coffee", height=96), ev)) for ev in (0, 1))
    _, theirs = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, win_size=11, use_sample_covariance=False, data_range=1.0, full=True
    )
    inner = (slice(5, -5), slice(5, -5))  # away from the border, which the two fill differently
    mask = np.zeros(a.shape, dtype=bool)
    mask[inner] = True
    whole = masked_ssim(a, b, np.ones(a.shape, dtype=bool))
    assert whole == pytest.approx(float(theirs.mean()), abs=0.01)
    assert masked_ssim(a, a, mask) == pytest.approx(1, abs=1e-5)
    assert np.isnan(masked_ssim(a, b, np.zeros(a.shape, dtype=bool)))


def test_masked_ssim_does_not_see_what_is_masked() -> None:
    a = lightness(frame(light_of("coffee", height=96), 0))
    b, mask = a.copy(), np.ones(a.shape, dtype=bool)
    b[20:50, 30:70], mask[20:50, 30:70] = 1.0, False
    assert masked_ssim(a, b, mask) == pytest.approx(1, abs=1e-4)
    assert masked_ssim(a, b, np.ones(a.shape, dtype=bool)) < 0.9


@pytest.mark.parametrize("evs", [(-3, 0), (-2, 2), (0, 3)])
def test_exposures_of_one_scene_are_similar_and_other_scenes_are_not(evs: tuple[float, float]) -> None:
    scenes = [light_of(name, height=128)[:, :128] for name in ("astronaut", "coffee", "chelsea")]
    first, second = ([tones(frame(s, ev), COARSE_SIDE) for s in scenes] for ev in evs)
    for i in range(3):
        for j in range(3):
            found = scene_similarity(first[i], second[j]).ssim
            assert (found >= SAME_SCENE) == (i == j), (i, j, found)


def test_similarity_is_nan_where_nothing_is_common() -> None:
    scene = light_of("coffee", height=96)
    assert np.isnan(similarity(tones(frame(scene, -12)), tones(frame(scene, 0))).ssim)


def test_scene_groups_join_through_frames_between() -> None:
    scene, other = light_of("astronaut", height=96), light_of("coffee", height=96)[:, :96]
    frames = [frame(scene, -4), frame(other, 0), frame(scene, 0), frame(scene, 4), frame(other, 2)]
    table = similarity_table([tones(f, COARSE_SIDE) for f in frames])
    assert scene_groups(table) == [[0, 2, 3], [1, 4]]


# What moved.


def test_what_moved_is_marked_and_what_stood_still_is_not() -> None:
    light = light_of("coffee", height=200)
    frames = [frame(light, ev) for ev in (-2, -1, 0, 1)]
    box = (slice(60, 90), slice(120, 170))
    with_guest = light.copy()
    with_guest[box] = (0.4, 0.05, 0.05)
    frames[1] = frame(with_guest, -1)
    marked = moving_pixels(frames)
    assert all(m[65:85, 125:165].mean() > 0.8 for m in marked[:3])
    assert not marked[3].any()
    outside = np.ones(light.shape[:2], dtype=bool)
    outside[50:100, 110:180] = False
    assert max(float(m[outside].mean()) for m in marked) < 0.005


def test_misalignment_of_a_pixel_is_not_motion() -> None:
    light = light_of("astronaut")
    shift = np.array([[1, 0, 1.0], [0, 1, -1.0], [0, 0, 1]])
    frames = [seen_through(light, IDENTITY, 0, margin=20), seen_through(light, shift, 1, margin=20)]
    assert max(m.mean() for m in moving_pixels(frames)) < 0.01


def test_tone_curve_is_the_curve_between_two_exposures() -> None:
    light = light_of("coffee", height=150)
    dark, bright = (tones(frame(light, ev)) for ev in (-1, 0))
    both = dark.seen & bright.seen
    curve, spread = tone_curve_between(dark.lightness[both], bright.lightness[both])
    assert (np.diff(curve) >= 0).all()
    codes = np.rint(dark.lightness[both] * 255).astype(int)
    assert np.abs(curve[codes] - bright.lightness[both]).mean() < 0.02
    assert spread.min() >= 0


# Tones.


def test_warped_tones_are_unseen_outside(light: npt.NDArray[np.float32]) -> None:
    picture = tones(seen_through(light, IDENTITY, 0, margin=MARGIN))
    moved = picture.warped(turn(0, 50, 0).astype(np.float32))
    assert not moved.seen[:, -49:].any()
    assert moved.seen[:, 60:200].any()


def test_common_ranks_are_of_common_pixels() -> None:
    scene = light_of("coffee", height=96)
    a, b = tones(frame(scene, -1)), tones(frame(scene, 1))
    ranks_a, ranks_b, both = common_ranks(a, b)
    assert (both == (a.seen & b.seen)).all()
    assert np.abs(ranks_a - ranks_b)[both].mean() < 0.02


def test_shrunk_tones_average_what_is_seen() -> None:
    y = np.full((40, 40), 0.5, dtype=np.float32)
    seen = np.ones((40, 40), dtype=bool)
    y[:, ::4], seen[:, ::4] = 1.0, False
    small = Tones(y, seen).shrunk(10)
    assert small.lightness.shape == (10, 10)
    np.testing.assert_allclose(small.lightness, 0.5, atol=1e-5)
    assert small.seen.all()
