"""Laws of the reference: blocks move towards their zone, order and edges stay, decisions can be changed and rebuilt."""

import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel.dataset.reference.artefacts import halos, measure_artefacts, reversed_share
from luxel.dataset.reference.bracket import FUSION_EVS, frame, metered
from luxel.dataset.reference.fusion import fuse, fuse_linear
from luxel.dataset.reference.reference import (
    HDR_CEILING,
    Reference,
    ZoneRules,
    blend_own_tones,
    make_reference,
    preliminary_of_bracket,
    small_spots,
    with_shifts,
)
from luxel.dataset.reference.superpixels import block_mean, blocks
from luxel.dataset.reference.zone_decisions import (
    DETAIL_ZONES,
    KEPT_CONTRAST,
    EvidenceRules,
    ZoneDecision,
    apply_decisions,
    change_decision,
    decision_rows,
    evidence_decisions,
    keep_order,
    lightness_of_zone,
    neighbours,
    pull_decisions,
    read_decisions,
    shown_between,
    zone_of_lightness,
)
from luxel.errors import DatasetError
from luxel.photometry import lightness, to_srgb
from luxel.samples.procedural import procedural_scene


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return metered(procedural_scene(np.random.default_rng(4), height=160, width=220))


@pytest.fixture(scope="module")
def reference(scene: np.ndarray) -> Reference:
    return make_reference(scene, ceiling=HDR_CEILING)


def test_fusion_of_one_frame_is_that_frame_and_of_none_an_error() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_allclose(fuse([picture]), picture / 255, atol=0.02)
    with pytest.raises(DatasetError, match="no frames"):
        fuse([])
    with pytest.raises(DatasetError, match="all of one size"):
        fuse([picture, picture[:-1]])


def test_reference_hardly_depends_on_the_exposure_it_is_given(scene: np.ndarray, reference: Reference) -> None:
    """A stop more or less light in the source changes the share of its own tones, and the mean by little."""
    brighter = make_reference(scene * 2, ceiling=2 * HDR_CEILING)
    difference = lightness(brighter.image) - lightness(reference.image)
    assert np.abs(difference).mean() < 0.03
    assert abs(difference.mean()) < 0.02


def test_blocks_shift_with_the_mean_and_towards_it(reference: Reference) -> None:
    """The mean goes `pull` of the way to the target; every block keeps `1 - strength` of its distance from the mean."""
    rules = ZoneRules()
    y = lightness(reference.fused)
    before, mean = block_mean(y, reference.labels), float(y.mean())
    whole = rules.pull * (rules.target - mean)
    np.testing.assert_allclose(reference.shift, whole + rules.strength * (mean - before), atol=1e-5)
    assert float(lightness(reference.image).mean()) == pytest.approx(mean + whole, abs=0.01)
    after = block_mean(lightness(reference.image), reference.labels)
    far = np.abs(before - mean) > 0.1
    kept = (after - after.mean())[far] / (before - mean)[far]
    assert 1 - rules.strength - 0.1 < np.median(kept) < 1 - rules.strength + 0.15


def test_own_tones_are_blended_in_their_share() -> None:
    fused, own = np.full((8, 9, 3), 0.5, np.float32), np.full((8, 9, 3), 0.9, np.float32)
    np.testing.assert_allclose(blend_own_tones(fused, own), 0.5 + ZoneRules().own_tones * 0.4, atol=1e-6)


@pytest.mark.parametrize("direction", [0, 1])
def test_blocks_follow_a_border_of_texture_alone(direction: int) -> None:
    """Two halves of one mean lightness, one smooth and one textured: block borders lie on the border between them."""
    met = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        y = np.full((192, 192), 0.5, np.float32)
        y[:, 101:] += (rng.standard_normal((192, 91)) * 0.06).astype(np.float32)
        y = y if direction == 0 else y.T
        labels = blocks(np.repeat(y[..., None], 3, axis=2))
        labels = labels if direction == 0 else labels.T
        met.append(np.mean([np.any(np.diff(row[101 - 6 : 101 + 6]) != 0) for row in labels]))
    print(met)
    assert min(met) >= 0.9


def test_blocks_cover_the_picture_and_are_connected(reference: Reference) -> None:
    labels = blocks(reference.fused)
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    for label in range(0, labels.max() + 1, 20):
        assert not small_spots(labels == label, 1e-4).any()


def test_no_decision_leaves_the_fused_picture_alone(reference: Reference) -> None:
    still = with_shifts(reference, np.zeros_like(reference.shift))
    np.testing.assert_allclose(lightness(still.image), lightness(reference.fused), atol=1e-4)


def test_a_changed_decision_changes_its_block_and_little_else(reference: Reference) -> None:
    changed = reference.shift.copy()
    block = int(np.argmax(np.bincount(reference.labels.ravel())))
    changed[block] += 0.2
    difference = lightness(with_shifts(reference, changed).image) - lightness(reference.image)
    inside = reference.labels == block
    assert difference[inside].mean() > 0.05
    far = ~ndimage.binary_dilation(inside, iterations=60)
    assert not far.any() or np.abs(difference[far]).max() < 1e-3
    with pytest.raises(ValueError, match="blocks"):
        with_shifts(reference, changed[:-1])


def test_only_small_spots_are_light_sources() -> None:
    mask = np.zeros((50, 50), dtype=bool)
    mask[2:5, 2:5] = True
    mask[20:45, 20:45] = True
    spots = small_spots(mask, 0.01)
    assert spots[3, 3]
    assert not spots[30, 30]


def test_zones_turn_no_coarse_gradient(reference: Reference) -> None:
    artefacts = measure_artefacts(reference.fused, reference.image)
    print(artefacts)
    assert artefacts.reversed_fine < 0.02
    assert artefacts.texture > 0.8


def test_reversals_are_counted() -> None:
    ramp = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (20, 1))
    assert reversed_share(ramp, ramp) == 0
    assert reversed_share(ramp, 1 - ramp) == 1


def test_a_halo_is_a_gradient_beside_an_edge_that_a_change_put_there() -> None:
    before = np.full((120, 200), 0.3, dtype=np.float32)
    before[:, 100:] = 0.7
    assert halos(before, before)[0] == 0
    assert halos(before, before + 0.1)[0] == pytest.approx(0, abs=1e-6)
    with_the_edge = np.where(before < 0.5, before + 0.2, before - 0.1)
    assert halos(before, with_the_edge)[0] < 0.01
    over_the_edge = before + ndimage.gaussian_filter(with_the_edge - before, 12)
    beside, away = halos(before, over_the_edge)
    assert beside > 0.03
    assert away < beside / 4


@pytest.mark.parametrize(
    "name",
    [
        *(f"brackets/{name}" for name in ("alley_handheld", "building", "street_tree", "taipei_night", "window")),
        *(f"hdri/{name}.hdr" for name in ("adams_place_bridge", "shanghai_bund", "studio_small_03")),
    ],
)
def test_development_scenes_show_no_reversal_and_less_halo_than_the_plain_pull(name: str) -> None:
    root = os.environ.get("LUXEL_DATA")
    if not root:
        pytest.skip("LUXEL_DATA is not set: the development scenes are not here")
    from luxel.dataset.prepare import prepare_scene
    from luxel.dataset.sources.scan import scan_sources

    [source] = scan_sources([Path(root) / name])
    prepared = prepare_scene(source, short_side=384)
    made = apply_decisions(prepared.preliminary, prepared.decisions, EvidenceRules())
    artefacts = measure_artefacts(made.fused, made.image)
    if prepared.linear is None:
        fused = preliminary_of_bracket(prepared.frames, prepared.evs, ZoneRules())
        plain = apply_decisions(fused, pull_decisions(fused), ZoneRules())
    else:
        plain = make_reference(prepared.linear, ZoneRules(), ceiling=HDR_CEILING)
    before = measure_artefacts(plain.fused, plain.image)
    print(name, before, artefacts)
    assert artefacts.reversed_fine < 5e-4
    assert artefacts.reversed_coarse == 0
    assert artefacts.halo < min(0.035, 0.8 * before.halo)
    assert artefacts.texture > 0.75


# --- zone decisions with a bracket as evidence ----------------------------------------------------------------------

QUARTERS = {
    "dark, textured": (slice(8, 88), slice(8, 88)),
    "dark, flat": (slice(104, 184), slice(8, 88)),
    "bright, textured": (slice(8, 88), slice(200, 280)),
    "bright, flat": (slice(104, 184), slice(200, 280)),
}
LAMP, HOLE = (slice(100, 106), slice(140, 146)), (slice(150, 156), slice(140, 146))


@pytest.fixture(scope="module")
def quarters() -> np.ndarray:
    """Zone V with four fields five stops darker or four and a half brighter, two of them textured; a lamp, a hole."""
    light = np.full((192, 288), 0.18)
    texture = np.exp(0.35 * np.random.default_rng(0).standard_normal((48, 72))).repeat(4, 0).repeat(4, 1)
    light[:, :96], light[:, 192:] = 0.18 * 2**-5.0, 0.18 * 2**4.5
    light[:96, :96] *= texture[:96, :96]
    light[:96, 192:] *= texture[:96, 192:]
    light[LAMP], light[HOLE] = 4 * HDR_CEILING, 0
    return np.repeat(light[..., None], 3, axis=2).astype(np.float32)


@pytest.fixture(scope="module")
def evidence(quarters: np.ndarray) -> tuple[Reference, list[np.ndarray], tuple[ZoneDecision, ...]]:
    reference = make_reference(quarters, EvidenceRules(), ceiling=HDR_CEILING)
    frames = [frame(quarters, ev) for ev in FUSION_EVS]
    return reference, frames, evidence_decisions(reference, frames, metered(quarters))


Evidence = tuple[Reference, list[np.ndarray], tuple[ZoneDecision, ...]]


def test_only_textured_blocks_beyond_zones_ii_and_viii_are_judged_by_evidence(evidence: Evidence) -> None:
    reference, _, decisions = evidence
    size = np.bincount(reference.labels.ravel())
    reasons = {}
    for name, where in QUARTERS.items():
        here = np.bincount(reference.labels[where].ravel(), minlength=len(size))
        wholly = np.flatnonzero((here > 0.9 * size) & (size > 0))
        assert len(wholly) > 5
        reasons[name] = {decisions[block].reason for block in wholly}
    assert reasons == {
        "dark, textured": {"shadow detail"},
        "dark, flat": {"pull"},
        "bright, textured": {"highlight detail"},
        "bright, flat": {"pull"},
    }
    for decision in decisions:
        if decision.reason.endswith("detail"):
            assert not 2 <= decision.scene_zone <= 8
            assert DETAIL_ZONES[0] - 1e-3 <= decision.target_zone <= DETAIL_ZONES[1] + 1e-3


def test_evidence_ends_where_the_frames_show_detail(evidence: Evidence) -> None:
    """A bracket that shows the dark field only as nearly black proves no lightness above that."""
    reference, frames, _ = evidence
    where = reference.labels[QUARTERS["dark, textured"]]
    darkest, brightest, detail = (part[np.unique(where)] for part in shown_between(frames, reference.labels))
    assert (darkest < brightest).all()
    assert (detail > 0.012).all()
    few = frames[:7]  # up to EV 0
    _, bound, _ = (part[np.unique(where)] for part in shown_between(few, reference.labels))
    assert (bound < brightest - 0.1).all()


def test_small_light_sources_are_left_alone_and_blacks_are_not(quarters: np.ndarray, evidence: Evidence) -> None:
    reference, _, decisions = evidence
    made = apply_decisions(reference, decisions, EvidenceRules())
    change = np.abs(lightness(made.image) - lightness(made.fused))
    assert reference.untouched[LAMP].all()
    assert change[LAMP][2:-2, 2:-2].max() < 0.02
    assert not reference.untouched[HOLE].any()
    assert change[HOLE].mean() > 0.005
    assert change[QUARTERS["dark, flat"]].mean() > 0.05


def test_neighbours_keep_their_order_and_part_of_their_contrast() -> None:
    labels = np.arange(48, dtype=np.int32).reshape(6, 8).repeat(8, 0).repeat(8, 1)
    pairs, borders = neighbours(labels)
    assert len(pairs) == 6 * 7 + 5 * 8
    assert (borders == 8).all()
    rng, broken = np.random.default_rng(2), 0
    for _ in range(20):
        mean = rng.uniform(0, 1, 48).astype(np.float32)
        plain = (0.75 * (0.54 - mean)).astype(np.float32)
        free = rng.random(48) < 0.4
        wanted = np.where(free, rng.uniform(0.3, 0.6, 48) - mean, plain).astype(np.float32)
        shift = keep_order(mean, wanted, labels, free=free)
        np.testing.assert_array_equal(shift[~free], wanted[~free])
        i, j = pairs[free[pairs].any(axis=1)].T
        gap = mean[i] - mean[j]
        kept = gap + shift[i] - shift[j]
        assert (kept * np.sign(gap) >= KEPT_CONTRAST * np.abs(gap) - 1e-3).all()
        broken += int(((gap + wanted[i] - wanted[j]) * gap < 0).sum())
    assert broken > 100, "what was wanted kept the order by itself"


def test_zones_and_lightness_are_each_others_inverse() -> None:
    y = np.linspace(0.07, 1, 50)  # what is darker is zone 0
    np.testing.assert_allclose(lightness_of_zone(zone_of_lightness(y)), y, atol=1e-5)
    assert float(zone_of_lightness(to_srgb(0.18))) == pytest.approx(5, abs=1e-4)
    steps = [float(zone_of_lightness(to_srgb(0.18 * 2.0**ev))) for ev in range(-3, 3)]
    assert [b - a for a, b in pairwise(steps)] == pytest.approx([1] * 5, abs=1e-3)


def test_decisions_come_back_from_their_rows(evidence: Evidence) -> None:
    reference, _, decisions = evidence
    plain = pull_decisions(reference)
    assert Counter(decision.reason for decision in plain) == {"pull": len(plain)}
    rows = decision_rows(plain)
    assert rows[0]["scene_zone"] is None, "not known, and JSON has no NaN"
    assert decision_rows(read_decisions(rows)) == rows
    assert read_decisions(decision_rows(decisions)) == decisions
    with pytest.raises(DatasetError, match=r"zone decision 1: unknown reason 'mood'"):
        read_decisions([rows[0], {**rows[1], "reason": "mood"}])
    with pytest.raises(DatasetError, match="exactly one for each"):
        apply_decisions(reference, decisions[:-1])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"by": "anna"}, "either a zone or a shift"),
        ({"by": "anna", "zone": 5.0, "shift": 0.1}, "either a zone or a shift"),
        ({"by": "anna", "zone": 9.0}, "cannot be shown"),
        ({"by": "anna", "shift": 1.5}, "not a change of lightness"),
        ({"by": "rules", "zone": 5.0}, "name of the person"),
    ],
)
def test_decisions_that_cannot_be_meant(asked: dict[str, object], message: str, evidence: Evidence) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        change_decision(evidence[2][3], **asked)  # type: ignore[arg-type]
    assert "block 3" in str(caught.value)


def test_a_person_brings_a_block_to_the_zone_asked_for(evidence: Evidence) -> None:
    reference, _, decisions = evidence
    block = int(reference.labels[144, 48])
    asked = change_decision(decisions[block], by="anna", zone=3.0)
    assert (asked.reason, asked.decided_by) == ("person", "anna")
    before = float(lightness_of_zone(decisions[block].zone_before))
    assert float(zone_of_lightness(before + asked.shift)) == pytest.approx(3, abs=0.01)


def test_fused_hdr_shows_detail_where_single_frames_clip(scene: np.ndarray) -> None:
    clipped = (frame(scene, 3) == 255).all(axis=-1)
    assert clipped.any()
    assert fuse_linear(scene)[clipped].std() > 0.02
