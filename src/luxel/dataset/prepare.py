"""One scene from source files to everything its labels are made of: stages develop, align and reference in one call."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.dataset.align.align import Alignment, align, exposure_quality
from luxel.dataset.align.motion import moving_pixels
from luxel.dataset.align.same_scene import COARSE_SIDE
from luxel.dataset.align.tones import tones
from luxel.dataset.develop import (
    SHORT_SIDE,
    SceneLight,
    develop_bracket,
    develop_light,
    shrink_encoded,
    simulate_frames,
)
from luxel.dataset.reference.bracket import FUSION_EVS, frame, metered
from luxel.dataset.reference.deghost import deghosted
from luxel.dataset.reference.reference import (
    PHOTO_CEILING,
    Preliminary,
    ZoneRules,
    preliminary_of_bracket,
    preliminary_of_light,
)
from luxel.dataset.reference.zone_decisions import (
    EvidenceRules,
    ZoneDecision,
    evidence_decisions,
    pull_decisions,
)
from luxel.dataset.sources.exposures import exposures_of, level_names, merge_light
from luxel.dataset.sources.scan import FrameSource, SceneSource
from luxel.errors import DatasetError
from luxel.photometry import as_unit_float, lightness, to_linear

MARGIN = 1.125
"""Frames are aligned at this multiple of the short side, so that the crop still has enough pixels."""

MAX_MOVING = 0.3
"""Share of a frame that may have moved; with more, the frame is dropped, but never the best exposed one."""

SINGLE_FRAME_KINDS = frozenset(("photo", "still"))
"""Kinds of scenes whose exposures are simulated from one 8-bit frame: no light above its white."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedScene:
    """Exposures of one scene, aligned and of one size, and what the reference they are compared with is made from.

    scene_id: unique in its scan, safe as a file name. kind: "bracket" (real exposures), "raw", "hdr", "panorama" or
    "photo" (exposures simulated from camera RAW, HDR light, a view of an HDR panorama, an sRGB photograph), or "still"
    (a bracket that cannot be aligned: exposures simulated from its best exposed frame, as in paper A.6).
    frames: uint8 [H, W, 3], sRGB-encoded, darkest first. evs: stops of each frame; 0 is the metered exposure, for
    camera RAW and photographs the exposure as taken. levels: name of each frame, unique in the scene: "N4" ... "P4" are
    the nearest whole stop ("N5", "P6" beyond), and where several real frames share a stop, the later ones are "N1b",
    "N1c". linear: float32 [H, W, 3] linear light, 1.0 = saturation at EV 0, or None for a real bracket.
    preliminary: fused image and blocks; the reference is these with `decisions` applied
    (`zone_decisions.apply_decisions`).
    decisions: one per block, `decisions[i].block == i`. moving: bool [H, W], pixels where the frames disagree after
    alignment. dropped: file and reason of every source frame left out. metadata: plain JSON values; its keys are
    listed in docs/dataset-pipeline.md; metadata["frames"] has one dict per frame, in the order of `frames`.
    """

    scene_id: str
    kind: str
    frames: list[npt.NDArray[np.uint8]]
    evs: list[float]
    levels: list[str]
    linear: npt.NDArray[np.float32] | None
    preliminary: Preliminary
    decisions: tuple[ZoneDecision, ...]
    moving: npt.NDArray[np.bool_]
    dropped: list[tuple[str, str]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


def prepare_scene(
    source: SceneSource,
    *,
    short_side: int = SHORT_SIDE,
    max_megapixels: float = 200.0,
    rules: ZoneRules = EvidenceRules(),
) -> PreparedScene:
    """Develop, align and reference one scene.

    short_side: pixels; pictures are never enlarged. max_megapixels: reject larger source files. rules: of the zones
    where there is evidence; photographs, which have none, always get the plain pull.
    Raises ImageError if a scene's only file cannot be read, DatasetError if too few frames of a bracket are left;
    frames of a bracket that cannot be used are dropped with the reason.
    """
    if source.kind == "bracket":
        return _prepare_bracket(source, short_side, max_megapixels, rules)
    return _from_light(source, develop_light(source, short_side=short_side, max_megapixels=max_megapixels), rules)


def _from_light(source: SceneSource, light: SceneLight, rules: ZoneRules) -> PreparedScene:
    """Simulated exposures of a scene's light."""
    frames, evs, levels = simulate_frames(light.linear)
    if source.kind == "photo":
        preliminary = preliminary_of_light(light.linear, ceiling=light.ceiling)
        decisions = pull_decisions(preliminary)
    else:
        preliminary = preliminary_of_light(light.linear, rules, ceiling=light.ceiling)
        evidence = [frame(light.linear, ev) for ev in FUSION_EVS]
        decisions = evidence_decisions(preliminary, evidence, metered(light.linear), rules)
    facts = source.frames[0]
    per_frame = [{"file": facts.file.name, "simulated": True, "ev_stated": True} for _ in frames]
    return PreparedScene(
        scene_id=source.scene_id,
        kind=source.kind,
        frames=frames,
        evs=evs,
        levels=levels,
        linear=light.linear,
        preliminary=preliminary,
        decisions=decisions,
        moving=np.zeros(frames[0].shape[:2], dtype=bool),
        metadata={
            **_common(source),
            "simulated": True,
            "ceiling": light.ceiling,
            "frames": per_frame,
            "notes": [*source.notes, *light.notes],
            "reasons": dict(Counter(d.reason for d in decisions)),
        },
    )


def _prepare_bracket(source: SceneSource, short_side: int, max_megapixels: float, rules: ZoneRules) -> PreparedScene:
    """Frames of a real bracket."""
    sides = (round(short_side * MARGIN), short_side)
    kept, (large, small), dropped = develop_bracket(source, sides, max_megapixels=max_megapixels)
    _enough(source, len(kept), dropped)
    try:
        aligned = align(large)
    except DatasetError as error:
        return _from_best_frame(source, kept, small, dropped, rules, str(error))
    dropped += [(kept[i].file.name, reason) for i, reason in aligned.dropped]
    # Where nothing moved, frames shrunk once from full size are sharper than frames shrunk twice.
    pictures = (
        [shrink_encoded(f, short_side) for f in aligned.frames]
        if aligned.moved
        else [small[p.index] for p in aligned.placements]
    )
    anchor = next(i for i, placement in enumerate(aligned.placements) if placement.anchor)
    stay, moving, gone = still_frames(pictures, anchor)
    dropped += [
        (kept[aligned.placements[i].index].file.name, f"{share:.0%} of it has moved (limit {MAX_MOVING:.0%})")
        for i, share in gone
    ]
    if len(stay) < 2:
        return _from_best_frame(source, kept, small, dropped, rules, "only one frame is left")
    order = sorted(stay, key=lambda i: float(lightness(pictures[i]).mean()))
    frames = [pictures[i] for i in order]
    sources = [kept[aligned.placements[i].index] for i in order]
    exposures = exposures_of(frames, sources)
    everywhere = np.logical_or.reduce([moving[i] for i in order])
    steady = deghosted(frames, exposures.evs, everywhere)
    preliminary = preliminary_of_bracket(steady.frames, exposures.evs, rules)
    decisions = evidence_decisions(preliminary, steady.frames, merge_light(steady.frames, exposures.evs), rules)
    deciding = set(steady.deciding[steady.deciding >= 0].tolist())
    return PreparedScene(
        scene_id=source.scene_id,
        kind=source.kind,
        frames=frames,
        evs=exposures.evs,
        levels=level_names(exposures.evs),
        linear=None,
        preliminary=preliminary,
        decisions=decisions,
        moving=everywhere,
        dropped=dropped,
        metadata={
            **_common(source),
            "simulated": False,
            "frames": [
                _frame_facts(sources[k], aligned, order[k], float(moving[order[k]].mean()), exposures.stated[k])
                for k in range(len(order))
            ],
            "moving": float(everywhere.mean()),
            **({"moving_from": sorted({sources[k].file.name for k in deciding})} if deciding else {}),
            "crop": [[s.start, s.stop] for s in aligned.crop],
            "aligned_size": list(large[0].shape[:2]),
            "notes": [*source.notes, *exposures.notes],
            "reasons": dict(Counter(d.reason for d in decisions)),
        },
    )


def still_frames(
    frames: Sequence[npt.NDArray[np.uint8]], anchor: int
) -> tuple[list[int], dict[int, npt.NDArray[np.bool_]], list[tuple[int, float]]]:
    """The frames of which no more than MAX_MOVING has moved.

    The frame that moved most goes first, then motion is measured again: a frame that lay between two others that moved
    would else be blamed for both.

    frames: aligned, uint8 [H, W, 3].
    anchor: index of the best exposed one, which always stays.

    Returns the indices that stay, for each of them where it moved (bool [H, W]), and index and moved share
    of the others.
    """
    stay = list(range(len(frames)))
    gone: list[tuple[int, float]] = []
    while True:
        moving = dict(zip(stay, moving_pixels([frames[i] for i in stay]), strict=True))
        shares = {i: float(moving[i].mean()) for i in stay if i != anchor}
        worst = max(shares, key=lambda i: shares[i], default=anchor)
        if worst == anchor or shares[worst] <= MAX_MOVING:
            return stay, moving, gone
        stay.remove(worst)
        gone.append((worst, shares[worst]))


def _from_best_frame(
    source: SceneSource,
    kept: Sequence[FrameSource],
    frames: Sequence[npt.NDArray[np.uint8]],
    dropped: Sequence[tuple[str, str]],
    rules: ZoneRules,
    reason: str,
) -> PreparedScene:
    """A scene of simulated exposures in place of a bracket that cannot be aligned (paper A.6)."""
    best = max(range(len(frames)), key=lambda i: exposure_quality(tones(frames[i], COARSE_SIDE)))
    file = kept[best].file.name
    others = [(k.file.name, f"cannot be aligned: {reason}") for i, k in enumerate(kept) if i != best]
    named = {name for name, _ in dropped}
    note = f"the bracket cannot be aligned ({reason}): exposures simulated from its best frame, {file}"
    light = SceneLight(to_linear(as_unit_float(frames[best])), PHOTO_CEILING, (note,))
    scene = _from_light(replace(source, kind="photo", frames=(kept[best],)), light, rules)
    return replace(
        scene,
        kind="still",
        dropped=[(n, r) for n, r in dropped if n != file] + [entry for entry in others if entry[0] not in named],
        metadata={**scene.metadata, **_common(source), "simulated_from": file},
    )


def _enough(source: SceneSource, count: int, dropped: Sequence[tuple[str, str]]) -> None:
    if count < 2:
        reasons = "; ".join(f"{file}: {reason}" for file, reason in dropped)
        raise DatasetError(
            f"{source.scene_id}: {count} of {len(source.frames)} frames can be used, a bracket needs two ({reasons})"
        )


def _common(source: SceneSource) -> dict[str, Any]:
    """What is known of a scene whatever its kind."""
    return {
        **source.metadata,
        "files": [f.file.name for f in source.frames],
        **({"view": source.view} if source.view else {}),
    }


def _frame_facts(facts: FrameSource, aligned: Alignment, index: int, moving: float, ev_stated: bool) -> dict[str, Any]:
    """What is known of one frame of a real bracket: how it was taken and how it was placed."""
    placement = aligned.placements[index]
    known = {"exposure_s": facts.exposure_s, "f_number": facts.f_number, "iso": facts.iso}
    measured = {
        "same_scene": placement.same_scene,
        "ssim_before": placement.ssim_before,
        "ssim_after": placement.ssim_after,
        "error_before_px": placement.error_before,
        "error_after_px": placement.error_after,
    }
    return {
        "file": facts.file.name,
        "simulated": False,
        **{key: value for key, value in known.items() if value is not None},
        "ev_stated": ev_stated,
        "anchor": placement.anchor,
        "motion_px": placement.motion,
        **{key: value for key, value in measured.items() if not np.isnan(value)},
        "unseen": placement.unseen,
        "moving": moving,
    }
