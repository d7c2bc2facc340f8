"""Zone decisions with a bracket as evidence, and by a person."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel.dataset.reference.bracket import FUSION_EVS, frame, metered
from luxel.dataset.reference.fusion import fuse_linear
from luxel.dataset.reference.reference import (
    HDR_CEILING,
    Reference,
    make_reference,
)
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
