"""The folder of one scene: written from a prepared scene, labelled from its own files.

    scenes/SCENE/
      LEVEL.png              the frame, 8 bit
      LEVEL.residual.png     its residual map, 16 bit (`luxel.residual_files`), expert layers merged
      LEVEL.confidence.png   confidence, 8 bit: 255 is 1
      LEVEL.flags.png        what is special about a pixel, 8 bit: bits of `label.Flag`
      LEVEL.given.png        only where the label came from outside and layers are merged: the label as it came
      reference.png          the ideal exposure, 8 bit; residuals are taken against exactly these pixels
      fused.png              the preliminary reference, 16 bit
      blocks.png             number of the block each pixel belongs to, 16 bit
      zones.json             what was decided for each block
      evidence.png           `label.Evidence`, 8 bit: red over, green dark, blue bits (below)
                             1 light source, 2 moving, 4 left alone in the reference
      scene.json             source, metadata, dropped frames, rows of the manifest; written last

Labelling reads only these files, so it gives the same result today, after an expert's layer, and in `check`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel import images
from luxel.dataset.folder.manifest import FORMAT, SCENE, FrameRow, scene_folder, sha256_of, write_json
from luxel.dataset.labels import layers
from luxel.dataset.labels.label import Evidence, Flag, Label, LabelRules, gather_evidence, label_frame
from luxel.dataset.prepare import SINGLE_FRAME_KINDS, PreparedScene
from luxel.dataset.reference.reference import HDR_CEILING, Preliminary, ZoneRules
from luxel.dataset.reference.zone_decisions import (
    ZoneDecision,
    apply_decisions,
    by_block,
    decision_rows,
    read_decisions,
)
from luxel.dataset.sources.scan import SceneSource
from luxel.errors import DatasetError, LuxelError
from luxel.jobs.records import inside, read_json
from luxel.photometry import ByteArray, FloatArray, as_unit_float
from luxel.residual import mean_residual_score, over_area, under_area
from luxel.residual_files import decode_residual, encode_residual

REFERENCE, FUSED, BLOCKS, ZONES, EVIDENCE = "reference.png", "fused.png", "blocks.png", "zones.json", "evidence.png"
_SOURCE_BIT, _MOVING_BIT, _UNTOUCHED_BIT = 1, 2, 4
_UNKNOWN_LICENCE = "unknown"


def write_scene(
    dataset: Path,
    folder: Path,
    prepared: PreparedScene,
    source: SceneSource,
    rules: LabelRules,
    zones: ZoneRules,
    record: dict[str, Any],
) -> list[str]:
    """Writes a prepared scene with its labels into `folder`, scene.json last.

    dataset: where the expert layers are. folder: exists and is empty. rules: of the labels. zones: of the reference.
    record: what else goes into scene.json. Returns notes: what was assumed, and layers that could not be merged.
    Raises ImageError or DatasetError when it cannot be written.
    """
    evidence = gather_evidence(
        prepared.frames,
        prepared.evs,
        prepared.moving,
        linear=prepared.linear,
        ceiling=float(prepared.metadata.get("ceiling", HDR_CEILING)),
        photo=prepared.kind in SINGLE_FRAME_KINDS,
        rules=rules,
    )
    for level, frame in zip(prepared.levels, prepared.frames, strict=True):
        images.write(folder / f"{level}.png", frame)
    images.write(folder / FUSED, np.rint(prepared.preliminary.fused * 65535).astype(np.uint16))
    images.write(folder / BLOCKS, prepared.preliminary.labels.astype(np.uint16))
    images.write(folder / EVIDENCE, _encode_evidence(evidence, prepared.preliminary.untouched))
    write_zones(folder, prepared.decisions)
    write_reference(folder, zones, prepared.kind)
    rows, notes = label_scene(dataset, folder, _rows(prepared, source, folder), rules)
    notes = [*prepared.metadata.get("notes", source.notes), *notes]
    record = {
        "format": FORMAT,
        "scene_id": prepared.scene_id,
        "group": source.group,
        "kind": prepared.kind,
        "tags": source.tags,
        "notes": notes,
        "dropped": [list(entry) for entry in prepared.dropped],
        "metadata": _plain(prepared.metadata),
        **record,
    }
    save_rows(folder, record, rows)
    return notes


def write_reference(folder: Path, zones: ZoneRules, kind: str) -> None:
    """Makes reference.png from the fused picture, the blocks and the zone decisions of a scene's folder.

    kind: of the scene, as in `PreparedScene`; photographs and stills get the plain rules whatever `zones` says. Raises
    DatasetError for decisions that are not one for each block, ImageError for files that cannot be read.
    """
    images.write(folder / REFERENCE, reference_of(folder, zones, kind))


def reference_of(folder: Path, zones: ZoneRules, kind: str) -> ByteArray:
    """The reference that a scene's files give, uint8 [H, W, 3]. Raises as `write_reference` does."""
    fused = as_unit_float(images.read(inside(folder, FUSED)).pixels)
    labels = read_blocks(folder, fused.shape[:2])
    untouched = (read_bytes_image(inside(folder, EVIDENCE))[..., 2] & _UNTOUCHED_BIT) > 0
    _one_size(folder / EVIDENCE, untouched, fused.shape)
    rules = ZoneRules() if kind in SINGLE_FRAME_KINDS else zones
    try:
        made = apply_decisions(Preliminary(fused, labels, untouched), read_zones(folder), rules)
    except DatasetError as error:
        raise DatasetError(f"{folder / ZONES}: {error}") from error
    return np.rint(made.image * 255).astype(np.uint8)


def write_zones(folder: Path, decisions: Iterable[ZoneDecision]) -> None:
    """Writes zones.json. Raises DatasetError when it cannot be written."""
    write_json(folder / ZONES, {"format": FORMAT, "decisions": decision_rows(decisions)})


def read_zones(folder: Path) -> tuple[ZoneDecision, ...]:
    """The zone decisions of a scene, none where it has none (labels from outside). Raises DatasetError naming a row."""
    if not (folder / ZONES).exists():
        return ()
    listed = read_json(inside(folder, ZONES)).get("decisions")
    if not isinstance(listed, list):
        raise DatasetError(f"{folder / ZONES}: has no list of decisions; build this scene again")
    try:
        return read_decisions(listed)
    except DatasetError as error:
        raise DatasetError(f"{folder / ZONES}: {error}") from error


def zones_by_block(folder: Path, blocks: int) -> list[ZoneDecision]:
    """The zone decisions of a scene in the order of its blocks. Raises DatasetError unless there is one for each."""
    try:
        return by_block(read_zones(folder), blocks)
    except DatasetError as error:
        raise DatasetError(f"{folder / ZONES}: {str(error).removeprefix(f'{folder / ZONES}: ')}") from error


def carry_over(dataset: Path, old: Path, prepared: PreparedScene) -> tuple[PreparedScene, list[str]]:
    """The prepared scene with the zone decisions that people made in the folder it replaces.

    Where the blocks are the same they are taken over. Else the old decisions are kept in outdated/SCENE.zones.json, and
    a note says so. Returns the scene and the notes.
    """
    people = {decision.block: decision for decision in read_zones(old) if decision.decided_by != "rules"}
    if not people:
        return prepared, []
    labels = prepared.preliminary.labels
    if np.array_equal(read_blocks(old, labels.shape), labels):
        return replace(prepared, decisions=tuple(people.get(d.block, d) for d in prepared.decisions)), []
    kept = dataset / "outdated" / f"{prepared.scene_id}.zones.json"
    kept.parent.mkdir(exist_ok=True)
    write_json(kept, read_json(old / ZONES))
    return prepared, [f"{len(people)} zone decisions by people belong to other blocks now; they are in {kept.name}"]


def save_rows(folder: Path, record: dict[str, Any], rows: Sequence[FrameRow]) -> None:
    """Writes scene.json: `record` with these rows. Raises DatasetError when it cannot be written."""
    write_json(folder / SCENE, {**record, "rows": [asdict(row) for row in rows]})


def label_scene(
    dataset: Path, folder: Path, rows: Sequence[FrameRow], rules: LabelRules
) -> tuple[list[FrameRow], list[str]]:
    """Labels every frame of a scene's folder from its files and the layers of its experts, and writes the maps.

    Nothing is written before every label is made, so a frame that cannot be read leaves its scene as it was. Returns
    the rows with checksums, score and shares filled in, and notes on layers that could not be merged.
    """
    scene = SceneLabels(dataset, folder, rules)
    made = [scene.label(row) for row in rows]
    labelled, notes = [], []
    for row, (label, experts, trouble) in zip(rows, made, strict=True):
        notes += trouble
        level = row.level
        if row.flags is None and experts and not (given := folder / f"{level}.given.png").exists():
            images.write(given, encode_residual(scene.given(row)))
        codes = encode_residual(label.residual)
        images.write(folder / f"{level}.residual.png", codes)
        confidence = np.rint(label.confidence * 255).astype(np.uint8)
        if row.flags is not None:
            images.write(folder / f"{level}.confidence.png", confidence)
            images.write(folder / f"{level}.flags.png", label.flags)
        labelled.append(with_label(row, folder, decode_residual(codes), confidence, label.flags, experts))
    return labelled, notes


class SceneLabels:
    """The labels that a scene's files and its expert layers give; nothing is written."""

    def __init__(self, dataset: Path, folder: Path, rules: LabelRules) -> None:
        self.dataset, self.folder, self.rules = dataset, folder, rules
        self.reference = read_bytes_image(inside(folder, REFERENCE))
        self.blocks = read_blocks(folder, self.reference.shape[:2])
        self.evidence = None
        if (folder / EVIDENCE).exists():
            self.evidence = read_evidence(inside(folder, EVIDENCE))
            _one_size(folder / EVIDENCE, self.evidence.over, self.reference.shape)

    def label(self, row: FrameRow) -> tuple[Label, tuple[str, ...], list[str]]:
        """The label of one frame with layers merged, the experts in it, and why layers were left out.

        Layers that cannot be merged (another size, other blocks) are named and left out, all others count.
        """
        automatic = self.automatic(row)
        try:
            found = layers.read_layers(layers.layer_folder(self.dataset, row.scene_id, row.level))
        except DatasetError as error:
            return automatic, (), [str(error)]
        usable, trouble = [], []
        for layer in found:
            try:
                layers.expert_maps(automatic.residual, [layer], self.blocks)
                usable.append(layer)
            except DatasetError as error:
                trouble.append(f"{row.name}: {error}")
        merged = layers.merge(automatic.residual, layers.expert_maps(automatic.residual, usable, self.blocks))
        flags = automatic.flags | np.where(merged.touched, np.uint8(Flag.EXPERT), np.uint8(0))
        confidence = np.where(merged.touched, np.float32(1), automatic.confidence)
        return Label(merged.residual, confidence, flags), merged.experts, trouble

    def automatic(self, row: FrameRow) -> Label:
        """The label before any expert: by rule, or as it came where `row.flags` is None."""
        if row.flags is None or self.evidence is None:
            residual = self.given(row)
            return Label(residual, np.ones_like(residual), np.zeros(residual.shape, dtype=np.uint8))
        frame = read_bytes_image(inside(self.folder, f"{row.level}.png"))
        if frame.shape != self.reference.shape:
            raise DatasetError(f"{row.image}: is {frame.shape[:2]}, its reference {self.reference.shape[:2]}")
        return label_frame(self.reference, frame, self.evidence, self.rules)

    def given(self, row: FrameRow) -> FloatArray:
        """A label that came from outside, as it came."""
        kept = self.folder / f"{row.level}.given.png"
        name = kept.name if kept.exists() else f"{row.level}.residual.png"
        residual = read_residual(inside(self.folder, name))
        _one_size(self.folder / name, residual, self.reference.shape)
        return residual


def agreements(
    dataset: Path, rows: Iterable[FrameRow], rules: LabelRules, warn: Callable[[str], None]
) -> Iterator[tuple[str, layers.ExpertAgreement]]:
    """How far the experts agree: (frame, agreement) of every frame with layers of two experts or more.

    warn: called with one line for each frame that is left out, since a layer of it cannot be read or merged.
    """
    for row in rows:
        try:
            found = layers.read_layers(layers.layer_folder(dataset, row.scene_id, row.level))
            if len({layer.expert for layer in found}) > 1:
                scene = SceneLabels(dataset, scene_folder(dataset, row.scene_id), rules)
                maps = layers.expert_maps(scene.automatic(row).residual, found, scene.blocks)
                yield row.name, layers.expert_agreement(maps, scene.blocks)
        except LuxelError as error:
            warn(f"{row.name}: {error}")


def with_label(
    row: FrameRow, folder: Path, residual: FloatArray, confidence: ByteArray, flags: ByteArray, experts: Sequence[str]
) -> FrameRow:
    """A row with everything that follows from its label's files: checksums, score, shares."""
    level = row.level
    given = row.flags is None
    return replace(
        row,
        reference_sha256=sha256_of(folder / REFERENCE),
        residual_sha256=sha256_of(folder / f"{level}.residual.png"),
        confidence_sha256=None if given else sha256_of(folder / f"{level}.confidence.png"),
        flags_sha256=None if given else sha256_of(folder / f"{level}.flags.png"),
        score=row.score if row.score_source == "given" else mean_residual_score(residual),
        over=over_area(residual),
        under=under_area(residual),
        confidence_mean=float(confidence.mean(dtype=np.float64)) / 255,
        severe=_share(flags, Flag.SEVERE),
        cleaned=_share(flags, Flag.CLEANED),
        moving=_share(flags, Flag.MOVING),
        experts=";".join(experts),
    )


def read_bytes_image(path: Path) -> ByteArray:
    """An 8-bit picture of a dataset, uint8 [H, W, 3]. Raises ImageError, or DatasetError for another depth."""
    pixels = images.read(path).pixels
    if pixels.dtype != np.uint8:
        raise DatasetError(f"{path}: is {pixels.dtype}, a dataset's pictures are 8 bit; build the scene again")
    return pixels


def read_residual(path: Path) -> FloatArray:
    """A residual map, float32 [H, W]. Raises ImageError, or DatasetError for a PNG that is not 16 bit."""
    pixels = images.read(path).pixels
    if pixels.dtype != np.uint16:
        raise DatasetError(f"{path}: is {pixels.dtype}, residual maps are 16-bit PNG; was it saved by another program?")
    return decode_residual(pixels[..., 0])


def read_blocks(folder: Path, shape: Sequence[int]) -> npt.NDArray[np.int32]:
    """The blocks of a scene, int32 [H, W]; one single block where the scene has none (labels from outside)."""
    if not (folder / BLOCKS).exists():
        return np.zeros(tuple(shape), dtype=np.int32)
    labels = images.read(inside(folder, BLOCKS)).pixels[..., 0]
    if labels.dtype != np.uint16:
        raise DatasetError(f"{folder / BLOCKS}: is {labels.dtype}, blocks are 16-bit PNG; build the scene again")
    _one_size(folder / BLOCKS, labels, shape)
    return labels.astype(np.int32)


def read_evidence(path: Path) -> Evidence:
    """The evidence stored with a scene; `over` and `dark` to within 1 / 510."""
    codes = read_bytes_image(path)
    over, dark = (codes[..., i].astype(np.float32) / np.float32(255) for i in (0, 1))
    return Evidence(over, dark, (codes[..., 2] & _SOURCE_BIT) > 0, (codes[..., 2] & _MOVING_BIT) > 0)


def _one_size(path: Path, array: npt.NDArray[Any], shape: Sequence[int]) -> None:
    if array.shape[:2] != tuple(shape[:2]):
        raise DatasetError(f"{path}: is {array.shape[:2]}, its scene {tuple(shape[:2])}; build the scene again")


def _encode_evidence(evidence: Evidence, untouched: npt.NDArray[np.bool_]) -> ByteArray:
    bits = np.zeros(untouched.shape, dtype=np.uint8)
    for bit, where in ((_SOURCE_BIT, evidence.sources), (_MOVING_BIT, evidence.moving), (_UNTOUCHED_BIT, untouched)):
        bits[where] |= bit
    over, dark = (np.rint(part * 255).astype(np.uint8) for part in (evidence.over, evidence.dark))
    return np.stack([over, dark, bits], axis=-1)


def _rows(prepared: PreparedScene, source: SceneSource, folder: Path) -> list[FrameRow]:
    """Rows of a scene before its labels are known."""
    height, width = prepared.frames[0].shape[:2]
    place = f"scenes/{prepared.scene_id}"
    known: Mapping[str, Any] = prepared.metadata
    frames: Sequence[Mapping[str, Any]] = known.get("frames") or [{}] * len(prepared.frames)
    rows = []
    for level, ev, frame in zip(prepared.levels, prepared.evs, frames, strict=True):
        rows.append(
            FrameRow(
                scene_id=prepared.scene_id,
                level=level,
                group=source.group,
                kind=prepared.kind,
                ev=float(ev),
                width=width,
                height=height,
                image=f"{place}/{level}.png",
                reference=f"{place}/{REFERENCE}",
                residual=f"{place}/{level}.residual.png",
                confidence=f"{place}/{level}.confidence.png",
                flags=f"{place}/{level}.flags.png",
                image_sha256=sha256_of(folder / f"{level}.png"),
                reference_sha256="",
                residual_sha256="",
                confidence_sha256="",
                flags_sha256="",
                device=known.get("device"),
                lens=known.get("lens"),
                iso=_number(frame.get("iso", known.get("iso"))),
                exposure_s=_number(frame.get("exposure_s", known.get("exposure_s"))),
                f_number=_number(frame.get("f_number", known.get("f_number"))),
                scene=source.tags.get("scene", ""),
                light=source.tags.get("light", ""),
                tone=source.tags.get("tone", ""),
                source=str(known.get("source") or source.frames[0].file.name),
                licence=str(known.get("licence") or _UNKNOWN_LICENCE),
                score=0.0,
                score_source="map",
                over=0.0,
                under=0.0,
                confidence_mean=0.0,
                severe=0.0,
                cleaned=0.0,
                moving=0.0,
                experts="",
            )
        )
    return rows


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _share(flags: ByteArray, flag: Flag) -> float:
    return float(np.mean((flags & int(flag)) > 0))


def _plain(value: Any) -> Any:
    """A value as JSON holds it: NumPy numbers and tuples become plain, numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
