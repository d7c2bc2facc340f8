"""Zone decisions: what is done to each block of a reference, and why, as data that a person can change (paper 4.2).

The rules stand in for the paper's experts. Without evidence every block moves as `reference` says: with the picture to
the target, and part of the way to its mean. A bracket or HDR light is evidence: for a textured block whose light lies
below zone II or above zone VIII at the metered exposure, the frames show at which lightness its detail can be seen, and
the pull ends there and within zones III and VII. Neighbours keep their order: what was brighter stays brighter, by a
part of the difference.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from luxel.dataset.align.tones import BRIGHTEST, DARKEST
from luxel.dataset.reference.reference import Preliminary, Reference, ZoneRules, decide_zones, with_shifts
from luxel.dataset.reference.superpixels import block_mean
from luxel.errors import DatasetError
from luxel.jobs.records import from_record
from luxel.photometry import FloatArray, as_unit_float, lightness, luminance, to_linear, to_srgb
from luxel.zones import luminance_of, zone_of

REASONS: dict[str, str] = {
    "pull": "brought with the picture to its mean, and part of the way towards that mean",
    "shadow detail": "textured, below zone II in the scene: brought to where the frames show its detail",
    "highlight detail": "textured, above zone VIII in the scene: brought to where the frames show its detail",
    "light source": "clipped in every frame and small: left alone",
    "true black": "black in every frame and small: left alone (only in datasets built before version 0.2)",
    "person": "decided by a person",
}
"""Why a block is where it is."""

DARK_ZONE, BRIGHT_ZONE = 2.0, 8.0
"""Scene zones outside which a textured block is judged by the evidence of the frames."""

DETAIL_ZONES = (3.0, 7.0)
"""Zones in which a print shows texture; evidence never asks for more."""

TEXTURE = 0.012
"""Detail (deviation of lightness from its surroundings, three 8-bit codes) from which a block counts as textured."""

GOOD_DETAIL = 0.5
"""Share of a block's best detail from which a frame counts as showing it."""

KEPT_CONTRAST = 0.15
"""Least share of the difference between two neighbouring blocks that must remain."""

_MOSTLY = 0.8
_LIKE = 0.1  # lightness within which neighbours draw each other
_SWEEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRules(ZoneRules):
    """The plain pull with a stricter smoothing, for brackets and HDR light.

    The pull follows the picture with its texture taken out by a bilateral filter: it keeps to the edges, and texture
    keeps its contrast. On the five development brackets and eleven views halos fall to 60 to 65 % of the plain rules'
    (docs/dataset-pipeline.md has the table). guide_radius: of the bilateral filter, a share of the short side.
    guide_contrast: lightness below which a difference counts as texture.
    """

    radius: float = 1 / 8
    smoothness: float = 0.02
    guide_radius: float = 1 / 64
    guide_contrast: float = 0.15

    def guide(self, y: npt.NDArray[np.float32]) -> FloatArray:
        """The lightness without its texture; float32 [H, W]."""
        sigma = max(1.0, self.guide_radius * min(y.shape))
        return np.asarray(cv2.bilateralFilter(y, -1, self.guide_contrast, sigma), dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneDecision:
    """What was decided for one block of a reference, as a row that a person can change.

    block: label of the block in `Preliminary.labels`.
    zone_before: Adams zone of the block's mean lightness in the fused image.
    scene_zone: zone of the block in the scene's light at EV 0, NaN where not known.
    target_zone: zone aimed at.
    shift: change of the block's mean lightness Y', what is applied; order among neighbours can keep it from reaching
        the target.
    reason: one of REASONS.
    decided_by: "rules" or a person's name.
    """

    block: int
    zone_before: float
    scene_zone: float
    target_zone: float
    shift: float
    reason: str
    decided_by: str = "rules"


def zone_of_lightness(y: npt.ArrayLike) -> FloatArray:
    """Zone of a grey of lightness Y': white (1.0) is zone 7.5."""
    return zone_of(to_linear(y))


def lightness_of_zone(zone: npt.ArrayLike) -> FloatArray:
    """Lightness Y' of the grey of a zone, 1.0 from zone 7.5 on."""
    return to_srgb(luminance_of(zone))


def pull_decisions(preliminary: Preliminary, rules: ZoneRules = ZoneRules()) -> tuple[ZoneDecision, ...]:
    """The decisions of the plain rule, without evidence: what `make_reference` applies, one per block."""
    shift = decide_zones(preliminary.fused, preliminary.labels, rules)
    return _decisions(preliminary, shift, np.full(shift.shape, np.nan), ["pull"] * len(shift))


def evidence_decisions(
    preliminary: Preliminary,
    frames: Sequence[npt.NDArray[np.uint8]],
    scene_light: npt.NDArray[np.float32],
    rules: ZoneRules = EvidenceRules(),
) -> tuple[ZoneDecision, ...]:
    """The decisions of the rules with a bracket as evidence, one per block.

    preliminary: fused image, blocks and untouched spots.
    frames: aligned exposures, uint8 [H, W, 3], sRGB-encoded.
    scene_light: float32 [H, W, 3] linear light at EV 0 (metered, mid-grey 0.18).
    rules: `target` and `strength` of the pull.
    """
    y, labels = lightness(preliminary.fused), preliminary.labels
    mean = block_mean(y, labels)
    plain = decide_zones(preliminary.fused, labels, rules)
    scene_zone = zone_of(block_mean(luminance(scene_light), labels))
    darkest, brightest, detail = shown_between(frames, labels)
    textured = detail >= TEXTURE
    low, high = (np.clip(bound, *lightness_of_zone(DETAIL_ZONES)) for bound in (darkest, brightest))
    dark, bright = textured & (scene_zone < DARK_ZONE), textured & (scene_zone > BRIGHT_ZONE)
    proven = dark | bright
    wanted = np.where(proven, np.clip(mean + plain, low, high) - mean, plain)
    spots = block_mean(preliminary.untouched, labels) >= _MOSTLY
    wanted = np.where(spots, 0.0, wanted).astype(np.float32)
    shift = keep_order(mean, wanted, labels, free=proven & ~spots) if (proven & ~spots).any() else wanted
    reasons = np.full(mean.shape, "pull", dtype=object)
    reasons[dark], reasons[bright] = "shadow detail", "highlight detail"
    reasons[spots] = "light source"
    return _decisions(preliminary, shift, scene_zone, list(reasons), target=mean + wanted)


def shown_between(
    frames: Sequence[npt.NDArray[np.uint8]], labels: npt.NDArray[np.int32]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lightness between which the frames show a block's detail, and how much detail it has at best.

    frames: uint8 [H, W, 3], sRGB-encoded. Detail of a block in a frame is the root mean square deviation of lightness
    from its surroundings (a Gaussian of 2 pixels) over the pixels that are neither noise nor clipped, times their
    share. A frame shows the block if it has GOOD_DETAIL of the best. Returns lowest and highest mean lightness of the
    block in such a frame, and the best detail: three float32 [n].
    """
    means, details = [], []
    for frame in frames:
        encoded = as_unit_float(frame)
        y = lightness(encoded)
        seen = (y > DARKEST) & (encoded.max(axis=-1) < BRIGHTEST)
        share = block_mean(seen, labels)
        deviation = np.where(seen, y - ndimage.gaussian_filter(y, 2.0), 0.0)
        means.append(block_mean(y, labels))
        details.append(np.sqrt(block_mean(deviation**2, labels) / np.maximum(share, 1e-6)) * share)
    mean, detail = np.stack(means), np.stack(details)
    best = detail.max(axis=0)
    shows = detail >= GOOD_DETAIL * best
    low, high = np.where(shows, mean, np.inf).min(axis=0), np.where(shows, mean, -np.inf).max(axis=0)
    return low, high, best


def keep_order(
    mean: npt.NDArray[np.float32],
    wanted: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int32],
    *,
    free: npt.NDArray[np.bool_],
) -> FloatArray:
    """Shifts of the blocks as wanted, made consistent between neighbours.

    mean: float32 [n] lightness of the blocks before. wanted: float32 [n]. free: bool [n], blocks whose shift may be
    changed; the others stay as wanted. Neighbours of like lightness draw a free block's shift to theirs; then it is
    held where at least KEPT_CONTRAST of the difference to every neighbour remains, with its sign. Where no such place
    is left, it goes midway between the bounds. Returns float32 [n].
    """
    pairs, borders = neighbours(labels)
    of: dict[int, list[tuple[int, float]]] = {int(b): [] for b in np.flatnonzero(free)}
    length = np.bincount(pairs.ravel(), np.repeat(borders, 2), minlength=len(mean))
    for (i, j), border in zip(pairs.tolist(), borders.tolist(), strict=True):
        like = border * math.exp(-(((mean[i] - mean[j]) / _LIKE) ** 2))
        for block, other in ((i, j), (j, i)):
            if block in of:
                of[block].append((other, like / length[block]))
    shift = wanted.astype(np.float64)
    for _ in range(_SWEEPS):
        largest = 0.0
        for block, around in of.items():
            drawn = sum(pull * shift[other] for other, pull in around)
            new = (wanted[block] + drawn) / (1 + sum(pull for _, pull in around))
            low, high = -1.0, 1.0
            for other, _ in around:
                gap = float(mean[block] - mean[other])
                bound = mean[other] + shift[other] + KEPT_CONTRAST * gap - mean[block]
                low, high = (max(low, bound), high) if gap >= 0 else (low, min(high, bound))
            new = (low + high) / 2 if low > high else min(max(new, low), high)
            largest = max(largest, abs(new - shift[block]))
            shift[block] = new
        if largest < 1e-4:
            break
    return shift.astype(np.float32)


def neighbours(labels: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs of blocks that touch, int64 [m, 2], smaller label first, and the length of their border in pixels."""
    sides = [(labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in sides]).astype(np.int64)
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    if not len(pairs):
        return pairs, np.zeros(0, dtype=np.int64)
    unique, counts = np.unique(pairs, axis=0, return_counts=True)
    return unique, counts


def change_decision(
    decision: ZoneDecision, *, by: str, zone: float | None = None, shift: float | None = None
) -> ZoneDecision:
    """A person's decision in place of the one there is: the zone a block is to have, or the change of its lightness.

    by: the person. zone: 0 to 7.5 (white). shift: in lightness, -1 to 1. Raises DatasetError unless exactly one of them
    is given, within its range, and the person has a name.
    """
    if not by.strip() or by == "rules":
        raise DatasetError(f"block {decision.block}: decided by {by!r}; give the name of the person")
    before = float(lightness_of_zone(decision.zone_before))
    if (zone is None) == (shift is None):
        raise DatasetError(f"block {decision.block}: give either a zone or a shift")
    if zone is not None:
        if not 0 <= zone <= 7.5:
            raise DatasetError(f"block {decision.block}: zone {zone:g} cannot be shown; give 0 (black) to 7.5 (white)")
        shift = float(lightness_of_zone(zone)) - before
    assert shift is not None
    if not -1 <= shift <= 1:
        raise DatasetError(f"block {decision.block}: shift {shift:g} is not a change of lightness; give -1 to 1")
    target = float(zone_of_lightness(np.clip(before + shift, 0, 1))) if zone is None else zone
    return replace(decision, target_zone=target, shift=shift, reason="person", decided_by=by)


def apply_decisions(
    preliminary: Preliminary, decisions: Iterable[ZoneDecision], rules: ZoneRules = ZoneRules()
) -> Reference:
    """The reference as the decisions say.

    preliminary: fused image and blocks.
    decisions: exactly one for every block, in any order.
    rules: of the smoothing.

    Raises DatasetError unless there is exactly one decision for every block.
    """
    ordered = by_block(decisions, preliminary.blocks)
    return with_shifts(preliminary, np.array([decision.shift for decision in ordered], dtype=np.float32), rules)


def by_block(decisions: Iterable[ZoneDecision], blocks: int) -> list[ZoneDecision]:
    """Decisions in the order of their blocks, so that the index is the block.

    blocks: how many there are.

    Raises DatasetError unless there is exactly one decision for every block.
    """
    ordered = sorted(decisions, key=lambda decision: decision.block)
    if [decision.block for decision in ordered] != list(range(blocks)):
        raise DatasetError(f"{len(ordered)} decisions for {blocks} blocks; keep exactly one for each")
    return ordered


def decision_rows(decisions: Iterable[ZoneDecision]) -> list[dict[str, Any]]:
    """Decisions as plain rows for JSON or Parquet; what is not known (NaN) is None."""
    return [
        {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(d).items()}
        for d in decisions
    ]


def read_decisions(rows: Iterable[object]) -> tuple[ZoneDecision, ...]:
    """Decisions from plain rows, as `decision_rows` makes them.

    rows: one mapping for each decision, from column to value.

    Raises DatasetError naming the row: a missing or unknown column, a wrong value or reason.
    """
    decisions = []
    for number, row in enumerate(rows):
        where = f"zone decision {number}"
        known = ("zone_before", "scene_zone", "target_zone")
        unknown = [key for key in known if isinstance(row, Mapping) and key in row and row[key] is None]
        given = {**row, **dict.fromkeys(unknown, 0.0)} if isinstance(row, Mapping) else row
        decision = from_record(ZoneDecision, given, where=where)
        decision = ZoneDecision(**{**asdict(decision), **dict.fromkeys(unknown, math.nan)})
        if decision.reason not in REASONS:
            raise DatasetError(f"{where}: unknown reason {decision.reason!a}; known: {', '.join(REASONS)}")
        if not -1 <= decision.shift <= 1:
            raise DatasetError(f"{where}: shift is {decision.shift:g}; give a number from -1 to 1")
        decisions.append(decision)
    return tuple(decisions)


def _decisions(
    preliminary: Preliminary,
    shift: npt.NDArray[np.float32],
    scene_zone: npt.NDArray[np.floating],
    reasons: Sequence[str],
    target: npt.NDArray[np.floating] | None = None,
) -> tuple[ZoneDecision, ...]:
    mean = block_mean(lightness(preliminary.fused), preliminary.labels)
    before = zone_of_lightness(mean)
    aimed = zone_of_lightness(np.clip(mean + shift if target is None else target, 0, 1))
    return tuple(
        ZoneDecision(
            block=i,
            zone_before=float(before[i]),
            scene_zone=float(scene_zone[i]),
            target_zone=float(aimed[i]),
            shift=float(shift[i]),
            reason=str(reasons[i]),
        )
        for i in range(len(mean))
    )
