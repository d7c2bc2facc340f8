"""Automatic labels: sign, the two refinement rules, confidence; each with a picture small enough to check by hand."""

import numpy as np
import pytest

from luxel.dataset.labels.label import (
    Evidence,
    Flag,
    LabelRules,
    clean_anomalies,
    clipped_share,
    confidence_of,
    gather_evidence,
    label_frame,
    light_sources,
    mark_severe,
    rising,
)
from luxel.dataset.reference.bracket import LEVELS, frame
from luxel.photometry import lightness
from luxel.residual import residual_map
from luxel.samples.procedural import procedural_scene

RULES = LabelRules()
SIZE = (40, 60)
NOWHERE = np.zeros(SIZE, dtype=bool)
NOTHING = np.zeros(SIZE, dtype=np.float32)


def grey(value: int) -> np.ndarray:
    return np.full((*SIZE, 3), value, dtype=np.uint8)


def no_evidence() -> Evidence:
    return Evidence(NOTHING, NOTHING, NOWHERE, NOWHERE)


def test_a_dark_frame_is_underexposed_and_a_bright_one_overexposed() -> None:
    assert label_frame(grey(128), grey(50), no_evidence()).residual.min() > 0.3
    assert label_frame(grey(128), grey(200), no_evidence()).residual.max() < -0.28
    assert np.all(label_frame(grey(128), grey(128), no_evidence()).residual == 0)


def test_without_special_pixels_the_label_is_reference_minus_frame() -> None:
    light = procedural_scene(np.random.default_rng(3), height=64, width=96)
    picture, reference = frame(light, 1), frame(light, 0)
    nothing = np.zeros((64, 96), dtype=np.float32)
    label = label_frame(reference, picture, Evidence(nothing, nothing, nothing > 0, nothing > 0))
    plain = residual_map(reference, picture)
    untouched = label.flags == 0
    assert untouched.mean() > 0.99
    np.testing.assert_array_equal(label.residual[untouched], plain[untouched])
    assert np.all(label.confidence[untouched] == 1)


def test_a_lamp_clipped_in_every_frame_is_severely_overexposed_not_ideal() -> None:
    frames = [grey(20), grey(60), grey(140)]
    for picture in frames:
        picture[5:8, 5:8] = 255
    reference = grey(128)
    reference[5:8, 5:8] = 255  # a reference leaves lamps white
    evidence = gather_evidence(frames, [-2.0, 0.0, 2.0], NOWHERE)
    label = label_frame(reference, frames[1], evidence)
    assert np.all(label.residual[5:8, 5:8] == np.float32(RULES.severe))
    assert np.all(label.flags[5:8, 5:8] & Flag.SEVERE)
    assert label.flags[20, 20] == 0


def test_a_red_neon_sign_counts_though_two_channels_are_dark() -> None:
    frames = [grey(10), grey(90)]
    for picture in frames:
        picture[10:12, 10:20] = (255, 20, 20)
    evidence = gather_evidence(frames, [-3.0, 0.0], NOWHERE)
    assert evidence.sources[11, 15]
    # By lightness alone the sign would be underexposed: 0.55 - 0.38.
    assert label_frame(grey(140), frames[1], evidence).residual[11, 15] == np.float32(RULES.severe)


def test_a_lamp_is_severe_only_where_the_frame_clips_it() -> None:
    sources = NOWHERE.copy()
    sources[3, 3] = True
    dim = grey(100)
    residual, where = mark_severe(NOTHING, dim, sources)
    assert not where.any()
    assert np.all(residual == 0)


def test_large_clipped_areas_are_not_light_sources_but_doubtful() -> None:
    frames = [grey(40), grey(200)]
    for picture in frames:
        picture[:20] = 255  # a sky that even the darkest frame clips
    evidence = gather_evidence(frames, [-1.0, 1.0], NOWHERE)
    assert not evidence.sources.any()
    label = label_frame(grey(150), frames[0], evidence)
    assert np.all(label.flags[:20] == Flag.CLIPPED)
    np.testing.assert_allclose(label.confidence[:20], RULES.over, atol=1e-6)
    assert np.all(label.residual[:20] > RULES.severe)


def test_in_a_photograph_a_red_flower_is_not_lamp() -> None:
    light = np.full((*SIZE, 3), 0.2, dtype=np.float32)
    light[5:8, 5:8] = (1.0, 0.05, 0.05)
    light[20:22, 20:22] = 1.0
    frames = [frame(light, ev) for ev in LEVELS.values()]
    evidence = gather_evidence(frames, [float(ev) for ev in LEVELS.values()], NOWHERE, linear=light, photo=True)
    assert not evidence.sources[5:8, 5:8].any()
    assert evidence.sources[20:22, 20:22].all()


def test_a_photograph_ends_at_its_white_and_hdr_light_at_its_ceiling() -> None:
    light = np.full((*SIZE, 3), 0.2, dtype=np.float32)
    light[0, 0] = 5.0
    frames = [frame(light, ev) for ev in LEVELS.values()]
    evs = [float(ev) for ev in LEVELS.values()]
    hdr = gather_evidence(frames, evs, NOWHERE, linear=light, ceiling=64.0)
    photo = gather_evidence(frames, evs, NOWHERE, linear=np.minimum(light, 1), photo=True)
    assert hdr.over[0, 0] == 0
    np.testing.assert_allclose(photo.over[0, 0], 1, atol=1e-6)


def test_light_sources_are_small() -> None:
    darkest = np.zeros((100, 100, 3), dtype=np.uint8)
    darkest[:10, :9] = 255  # 90 pixels: 0.9 %
    darkest[50:61, 50:61] = 255  # 121 pixels: 1.2 %
    found = light_sources(darkest)
    assert found[:10, :9].all()
    assert found.sum() == 90


def test_panes_of_a_window_are_not_lamps() -> None:
    darkest = np.zeros((200, 300, 3), dtype=np.uint8)
    for top in range(20, 100, 10):
        for left in range(50, 130, 10):
            darkest[top : top + 8, left : left + 8] = 255  # 64 panes of 64 pixels, bars of 2 pixels between: 6.8 %
    darkest[150:158, 200:208] = 255
    found = light_sources(darkest)
    assert found[150:158, 200:208].all()
    assert found.sum() == 64
    assert light_sources(darkest, rules=LabelRules(bars=0.0)).sum() == 65 * 64


@pytest.mark.parametrize(
    ("colour", "source"),
    [
        ((255, 255, 255), True),
        ((255, 252, 180), True),  # a warm lamp
        ((255, 20, 20), True),  # neon
        ((20, 60, 255), True),
        ((200, 225, 252), False),  # a pale blue sky whose blue clips
        ((252, 200, 170), False),  # skin in the sun
        ((240, 240, 240), False),
    ],
)
def test_what_is_a_light_source(colour: tuple[int, int, int], source: bool) -> None:
    darkest = grey(40)
    darkest[5:8, 5:8] = colour
    assert light_sources(darkest)[6, 6] == source


def test_isolated_pixels_are_cleaned_and_thin_objects_kept() -> None:
    residual = np.full(SIZE, 0.1, dtype=np.float32)
    residual[10, 10] = -0.9  # one pixel
    residual[20, 30:32] = 0.9  # two
    for i in range(12):
        residual[25 + i, 5 + i] = -0.6  # a diagonal wire
    cleaned, where = clean_anomalies(residual, NOWHERE)
    assert where.sum() == 3
    assert cleaned[10, 10] == cleaned[20, 30] == np.float32(0.1)
    for i in range(12):
        assert cleaned[25 + i, 5 + i] == np.float32(-0.6)


def test_cleaning_leaves_edges_and_what_another_rule_set() -> None:
    residual = np.where(np.arange(SIZE[1])[None] < 30, np.float32(-0.5), np.float32(0.5)) * np.ones(SIZE, np.float32)
    residual[5, 5] = 0.9
    keep = NOWHERE.copy()
    keep[5, 5] = True
    cleaned, where = clean_anomalies(residual, keep)
    assert not where.any()
    np.testing.assert_array_equal(cleaned, residual)


def test_confidence_falls_for_each_reason_and_multiplies() -> None:
    over, dark, moving = (NOTHING.copy() for _ in range(3))
    over[0, 0] = dark[0, 1] = moving[0, 2] = 1
    over[0, 3], moving[0, 3] = 1, 1
    by_rule = NOWHERE.copy()
    by_rule[0, 4] = True
    confidence = confidence_of(Evidence(over, dark, NOWHERE, moving > 0), by_rule)
    expected = [RULES.over, RULES.dark, RULES.moving, RULES.over * RULES.moving, RULES.by_rule, 1]
    np.testing.assert_allclose(confidence[0, :6], expected, atol=1e-6)


def test_what_even_the_brightest_frame_does_not_show_is_doubtful() -> None:
    frames = [grey(0), grey(3)]
    frames[1][:, 30:] = 60
    evidence = gather_evidence(frames, [0.0, 4.0], NOWHERE)
    assert np.all(evidence.dark[:, :30] == 1)
    assert np.all(evidence.dark[:, 30:] == 0)


def test_frames_may_come_in_any_order() -> None:
    light = procedural_scene(np.random.default_rng(5), height=40, width=60) * 4
    frames = [frame(light, ev) for ev in (-4, 0, 4)]
    one = gather_evidence(frames, [-4.0, 0.0, 4.0], NOWHERE)
    other = gather_evidence([frames[2], frames[0], frames[1]], [4.0, -4.0, 0.0], NOWHERE)
    np.testing.assert_array_equal(one.over, other.over)
    np.testing.assert_array_equal(one.dark, other.dark)


def test_one_clipped_channel_clips_its_share_of_the_lightness() -> None:
    clipped = (np.eye(3) * 255).astype(np.uint8)[None]
    np.testing.assert_allclose(clipped_share(clipped, 250)[0], lightness(np.eye(3, dtype=np.float32)), atol=1e-7)


def test_rising_is_monotone_and_bounded() -> None:
    values = rising(np.linspace(-10, 10, 2001), -1, 2)
    assert np.all(np.diff(values) >= 0)
    assert (values.min(), values.max()) == (0, 1)
    np.testing.assert_array_equal(values[[900, 1200]], [0, 1])  # at -1 and 2


@pytest.mark.parametrize("seed", range(4))
def test_labels_stay_in_range(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [rng.integers(0, 256, (32, 48, 3)).astype(np.uint8) for _ in range(3)]
    evidence = gather_evidence(frames, [-2.0, 0.0, 2.0], rng.random((32, 48)) < 0.1)
    label = label_frame(rng.random((32, 48, 3)).astype(np.float32), frames[1], evidence)
    assert np.abs(label.residual).max() <= 1
    assert label.confidence.min() >= 0
    assert label.confidence.max() <= 1
