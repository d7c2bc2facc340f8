"""From submissions to the dataset: zone decisions, expert layers, and a record of who said what and how far they agree.

References: the accepted opinions of several experts become one decision for each block they touched
(`luxel.annotate.quality.combine`: habits taken out, then the weighted median). Residual maps: each accepted submission
becomes one expert layer, and the dataset's own rule (the median over experts) merges them; where an adjudicator has
decided, the decision is the layer, and the submissions stay in the database only. Doing it twice changes nothing.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from luxel import images
from luxel.annotate.editing.maps import TOUCHED, TaskMap, unpack
from luxel.annotate.quality.combine import Habit, adjusted
from luxel.annotate.store import audit
from luxel.annotate.store.combined import agreement_of, combined_map, habits_of, ratings_of
from luxel.annotate.store.database import Database
from luxel.annotate.store.material import fused_pixels, shape_of
from luxel.annotate.store.project import segmentation_of
from luxel.annotate.store.tables import Adjudication
from luxel.annotate.store.targets import Target, adjudication_of, targets
from luxel.dataset.folder.manifest import scene_folder, sha256_of, write_json
from luxel.dataset.folder.scene_files import BLOCKS, FUSED, read_blocks, write_zones, zones_by_block
from luxel.dataset.folder.upkeep import relabel, rereference
from luxel.dataset.labels.layers import Layer, layer_folder, new_layer_id, write_layer
from luxel.dataset.reference.superpixels import block_mean
from luxel.dataset.reference.zone_decisions import ZoneDecision, zone_of_lightness
from luxel.errors import DatasetError, LuxelError
from luxel.jobs.atomic import is_disk_full
from luxel.jobs.lock import locked
from luxel.jobs.records import read_json
from luxel.photometry import lightness
from luxel.residual_files import SCALE

RECORD = "annotation.json"
"""File in the dataset's folder with experts, rule, habits and agreement of everything written back."""

NOTE = "luxel annotate, submission"
_RULE = "offset- and gain-adjusted weighted median"


@dataclass(frozen=True, slots=True)
class Written:
    """references: scenes whose decisions were written. layers: new expert layers. changed: frames whose maps changed.

    notes: what was left out, and why.
    """

    references: int
    layers: int
    changed: int
    notes: tuple[str, ...]


def write_back(
    database: Database,
    dataset: Path,
    *,
    by: str = audit.COMMAND_LINE,
    progress: Callable[[str], None] = lambda scene: None,
) -> Written:
    """Writes everything that is accepted into the dataset, and makes references and labels again.

    by: name in the audit trail. progress: called with each scene. Raises DatasetError when another process is writing
    the dataset, or the disk is full; then the same command completes it.
    """
    with database.reading() as session:
        found = list(targets(session, ("accepted",)))
        known = {kind: habits_of([t for t in found if (t.frame is None) == (kind == "reference")]) for kind in KINDS}
        notes = [
            f"{target.name}: the scene's pixels changed since; its submissions stay in the database"
            for target in found
            if not _is_current(dataset, target)
        ]
        current = [target for target in found if _is_current(dataset, target)]
        referenced: list[str] = []
        layers = 0
        relabelled = set()
        with locked(dataset, DatasetError):
            for target in current:
                decided = adjudication_of(session, target.scene, target.frame)
                try:
                    if target.frame is None:
                        if write_decisions(dataset, target, known["reference"], decided):
                            referenced.append(target.scene.name)
                    else:
                        layers += _write_layers(dataset, target, decided)
                        relabelled.add(target.scene.name)
                except LuxelError as error:
                    if is_disk_full(error):
                        raise
                    notes.append(f"{target.name}: {error}")
        record = record_of(session, found, known)
    changed = 0
    for names, stage in ((referenced, rereference), (sorted(relabelled - set(referenced)), relabel)):
        if names:
            number, trouble = stage(dataset, names, progress=progress)
            changed += number
            notes += trouble
    write_json(dataset / RECORD, record)
    with database.writing() as session:
        audit.record(session, by, "write back", "dataset", references=len(referenced), layers=layers, changed=changed)
    return Written(len(referenced), layers, changed, tuple(notes))


KINDS = ("reference", "residual")


def write_decisions(dataset: Path, target: Target, known: Mapping[str, Habit], decided: Adjudication | None) -> bool:
    """Writes a scene's zone decisions where people changed them; returns whether anything did change.

    Blocks whose fine segments were decided differently are replaced by these segments. The dataset's lock is held.
    """
    folder = scene_folder(dataset, target.scene.name)
    segmentation = segmentation_of(target.scene)
    names = ", ".join(sorted(o.expert for o in target.opinions))
    if decided is None:
        made = combined_map(target, known)
    else:
        made = unpack(decided.data, shape_of(target.scene, "reference"))
        names = f"{decided.made_by} ({names})"
    touched = made.status == TOUCHED
    if not touched.any():
        return False
    before = read_blocks(folder, (target.scene.height, target.scene.width))
    old = zones_by_block(folder, int(before.max()) + 1)
    fine = _is_finer(touched, made.codes, segmentation.medium)
    labels = segmentation.fine if fine else segmentation.labels("medium")
    _, first, inside = np.unique(labels, return_index=True, return_inverse=True)
    inherited = before.ravel()[first]
    decided_cells = np.zeros(len(first), dtype=bool)
    cell = np.zeros(len(first), dtype=np.int64)
    of_cell = np.arange(len(touched)) if fine else segmentation.medium
    decided_cells[of_cell[touched]] = True
    cell[of_cell[touched]] = np.flatnonzero(touched)
    mean = block_mean(lightness(fused_pixels(dataset, target.scene)), inside.reshape(labels.shape).astype(np.int32))
    decisions = []
    for block, there in enumerate(inherited.tolist()):
        kept = replace(old[there], block=block, zone_before=float(zone_of_lightness(mean[block])))
        if decided_cells[block]:
            shift = float(made.codes[cell[block]]) / SCALE
            aimed = float(zone_of_lightness(np.clip(mean[block] + shift, 0, 1)))
            kept = replace(kept, shift=shift, target_zone=aimed, reason="person", decided_by=names)
        elif not np.array_equal(labels, before):
            kept = replace(kept, target_zone=float(zone_of_lightness(np.clip(mean[block] + kept.shift, 0, 1))))
        else:
            kept = old[there]
        decisions.append(kept)
    if not np.array_equal(labels, before):
        images.write(folder / BLOCKS, labels.astype(np.uint16))
    elif [_plain(old[d.block]) for d in decisions] == [_plain(d) for d in decisions]:
        return False
    write_zones(folder, decisions)
    return True


def _plain(decision: ZoneDecision) -> str:
    return json.dumps(asdict(decision))  # NaN equals NaN as text


def _is_finer(touched: npt.NDArray[np.bool_], codes: npt.NDArray[np.int16], medium: npt.NDArray[np.int32]) -> bool:
    """Whether a decision is finer than the dataset's blocks: a block touched in part, or with several values."""
    count = int(medium.max()) + 1
    share = np.bincount(medium, touched, count) / np.bincount(medium, minlength=count)
    if ((share > 0) & (share < 1)).any():
        return True
    values = codes.astype(np.int64)
    low, high = np.full(count, 1 << 20), np.full(count, -(1 << 20))
    np.minimum.at(low, medium[touched], values[touched])
    np.maximum.at(high, medium[touched], values[touched])
    return bool(((share == 1) & (low != high)).any())


def _write_layers(dataset: Path, target: Target, decided: Adjudication | None) -> int:
    """Writes the layers of a frame that are not there yet, removes those a decision replaces; returns how many."""
    assert target.frame is not None
    folder = layer_folder(dataset, target.scene.name, target.frame.level)
    wanted: dict[str, Layer] = {}
    if decided is not None:
        made = unpack(decided.data, shape_of(target.scene, "residual"))
        names = ", ".join(sorted(json.loads(decided.weights)))
        note = f"luxel annotate, adjudication {decided.id} of {names}: {decided.reason}"
        if layer := _layer(made, decided.made_by, decided.made_at, note):
            wanted[layer.id] = layer
    else:
        for opinion in target.opinions:
            text = f"{NOTE} {opinion.submission.id} {opinion.submission.comment}".strip()
            if layer := _layer(opinion.made, opinion.expert, opinion.submission.submitted_at, text):
                wanted[layer.id] = layer
    for place in folder.glob("*.json") if folder.is_dir() else ():
        if place.stem not in wanted and str(read_json(place).get("note", "")).startswith("luxel annotate, "):
            for part in folder.glob(f"{place.stem}.*"):
                part.unlink()
    fresh = [layer for layer in wanted.values() if not (folder / f"{layer.id}.json").exists()]
    for layer in fresh:
        write_layer(folder, layer)
    return len(fresh)


def _layer(made: TaskMap, expert: str, at: str, note: str) -> Layer | None:
    """A map as an expert layer: it sets the residual where the person changed it. None where nothing was."""
    where = made.status == TOUCHED
    if not where.any():
        return None
    moment = datetime.fromisoformat(at)
    amount = np.where(where, made.values, 0).astype(np.float32)
    return Layer(
        id=new_layer_id(expert, moment), expert=expert, made=at, mode="set", amount=amount, where=where, note=note
    )


def _is_current(dataset: Path, target: Target) -> bool:
    folder = scene_folder(dataset, target.scene.name)
    return target.scene.active and (
        not (folder / FUSED).exists() or target.scene.source_sha256[:32] == sha256_of(folder / FUSED)[:32]
    )


def record_of(session: Session, found: list[Target], known: Mapping[str, Mapping[str, Habit]]) -> dict[str, Any]:
    """Who said what, by which rule it was combined, and how far they agree, as plain JSON values."""
    entries = []
    for target in found:
        kind = "reference" if target.frame is None else "residual"
        ratings, _ = ratings_of(target)
        decided = adjudication_of(session, target.scene, target.frame)
        entry: dict[str, Any] = {
            "name": target.name,
            "experts": sorted(ratings),
            "rule": _RULE if target.frame is None else "layers of all experts, median",
            "agreement": plain_numbers(agreement_of([target])),
        }
        if decided is not None:
            entry["adjudicated"] = {"by": decided.made_by, "at": decided.made_at, "reason": decided.reason}
            entry["adjudicated"]["weights"] = json.loads(decided.weights)
        if kind == "reference":
            entry["segments"] = _segment_rows(ratings, known[kind])
        entries.append(entry)
    return {
        "format": 1,
        "habits": {k: {name: plain_numbers(habit) for name, habit in sorted(known[k].items())} for k in KINDS},
        "agreement": {
            k: plain_numbers(agreement_of([t for t in found if (t.frame is None) == (k == "reference")])) for k in KINDS
        },
        "targets": entries,
    }


def _segment_rows(
    ratings: Mapping[str, npt.NDArray[np.float64]], known: Mapping[str, Habit]
) -> dict[str, dict[str, list[float | None]]]:
    """Raw and adjusted ratings of every fine segment."""
    return {
        expert: {
            "raw": [None if math.isnan(v) else round(v, 5) for v in values.tolist()],
            "adjusted": [
                None if math.isnan(v) else round(v, 5) for v in adjusted(values, known.get(expert, Habit())).tolist()
            ],
        }
        for expert, values in sorted(ratings.items())
    }


def plain_numbers(value: Any) -> Any:
    """A dataclass of numbers as JSON values; what is not a number is null."""
    if isinstance(value, Mapping):
        return {key: plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_numbers(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return plain_numbers(asdict(value))
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
