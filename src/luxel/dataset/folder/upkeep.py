"""A dataset as a whole: its record and settings, its pages, and the stages that can be done again.

`dataset.json` is the record. Manifest, card, metadata, coverage page and report follow from the scenes and can be
written at any time. Every stage works under the dataset's lock, and doing it twice changes nothing more.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import luxel
from luxel.dataset.folder import card, coverage
from luxel.dataset.folder.croissant import write_croissant
from luxel.dataset.folder.hub import write_split_files
from luxel.dataset.folder.manifest import (
    DATASET,
    FORMAT,
    MANIFEST,
    MAX_SIDE,
    SCENE,
    FrameRow,
    read_scene,
    scene_folder,
    scene_rows,
    write_json,
    write_manifest,
)
from luxel.dataset.folder.scene_files import label_scene, read_zones, save_rows, write_reference, write_zones
from luxel.dataset.folder.splits import SHARES, split_rows
from luxel.dataset.labels.label import LabelRules
from luxel.dataset.reference.zone_decisions import EvidenceRules, change_decision
from luxel.errors import DatasetError, LuxelError
from luxel.jobs.atomic import is_disk_full
from luxel.jobs.lock import locked
from luxel.jobs.records import from_record, inside, read_json

REPORT = "report.json"
PIPELINE = 4
"""Raised whenever the same source and settings would give other pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """Everything besides the sources that decides the pixels of a dataset.

    short_side: of every picture, in pixels. rules: of the labels. zones: of the references, but not of photographs'.
    """

    short_side: int = 512
    rules: LabelRules = field(default_factory=LabelRules)
    zones: EvidenceRules = field(default_factory=EvidenceRules)

    def facts(self) -> dict[str, Any]:
        """The settings as plain JSON values, with the versions of the pipeline and the format."""
        return json.loads(json.dumps({**asdict(self), "pipeline": PIPELINE, "format": FORMAT}))  # type: ignore[no-any-return]

    def fingerprint(self) -> str:
        """Hash of the facts, 16 hex digits."""
        return fingerprint_of(self.facts())


def relabel(
    out: Path, scenes: Iterable[str] | None = None, *, progress: Callable[[str], None] = lambda scene: None
) -> tuple[int, list[str]]:
    """Labels scenes again from their files, with the expert layers that are there now, and finishes the dataset.

    scenes: ids, None for all.
    progress: called with each scene that is done.
    Returns how many frames' maps changed, and a line for each layer that could not be merged and each scene that stays
    as it was because one of its files is damaged. Doing it twice changes nothing. Raises DatasetError for a folder that
    is not a dataset, an unknown scene, and a full disk.
    """
    rules = settings_of(out).rules
    with locked(out, DatasetError):
        changed = 0
        notes: list[str] = []
        for folder in scene_folders(out, scenes):
            with _one_of_many(folder, notes.append):
                record, _, rows = read_scene(folder)
                labelled, trouble = label_scene(out, folder, rows, rules)
                changed += sum(a.residual_sha256 != b.residual_sha256 for a, b in zip(rows, labelled, strict=True))
                notes += trouble
                save_rows(folder, record, labelled)
            progress(folder.name)
        finish(out, warn=notes.append)
    return changed, list(dict.fromkeys(notes))


def rereference(
    out: Path, scenes: Iterable[str] | None = None, *, progress: Callable[[str], None] = lambda scene: None
) -> tuple[int, list[str]]:
    """Makes references again from their zone decisions (zones.json), and labels those scenes again.

    Parameters, result and errors as `relabel`; a scene whose decisions are not one for each block stays as it was too.
    """
    settings = settings_of(out)
    notes: list[str] = []
    chosen: list[str] = []
    with locked(out, DatasetError):
        for folder in scene_folders(out, scenes):
            with _one_of_many(folder, notes.append):
                if read_zones(folder):
                    _, facts, _ = read_scene(folder)
                    write_reference(folder, settings.zones, facts.kind)
                    chosen.append(folder.name)
    changed, more = relabel(out, chosen, progress=progress)
    return changed, list(dict.fromkeys([*notes, *more]))


@contextmanager
def _one_of_many(folder: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """Around work on one scene: what is wrong with its files is a line, the others are done. A full disk is raised."""
    try:
        yield
    except Exception as error:
        if is_disk_full(error):
            raise
        if isinstance(error, LuxelError):
            warn(str(error))
        else:
            logging.getLogger("luxel.dataset").debug("%s: unexpected error", folder.name, exc_info=error)
            warn(f"{folder}: unexpected {type(error).__name__}: {' '.join(str(error).split())[:200]}")


def log_warning(line: str) -> None:
    """Logs one line: what `warn` does where nobody gives another."""
    logging.getLogger("luxel.dataset").warning("%s", line)


def decide(out: Path, scene: str, zones: Mapping[int, float], *, by: str) -> None:
    """Stores a person's decisions for blocks of a scene; `rereference` applies them.

    zones: block to the Adams zone it is to have, 0 to 7.5. by: the person's name. Raises DatasetError for a block or a
    scene that is not there, a zone outside its range, or no name.
    """
    dataset_record(out)
    with locked(out, DatasetError):
        (folder,) = scene_folders(out, [scene])
        decisions = {decision.block: decision for decision in read_zones(folder)}
        for block, zone in zones.items():
            if block not in decisions:
                raise DatasetError(f"{scene}: has no block {block}; its blocks are 0 to {len(decisions) - 1}")
            decisions[block] = change_decision(decisions[block], by=by, zone=zone)
        write_zones(folder, decisions.values())


def resplit(
    out: Path, *, seed: int = 0, shares: Sequence[float] = SHARES, warn: Callable[[str], None] = log_warning
) -> list[FrameRow]:
    """Splits a dataset again by seeds `seed` ... `seed + 4` and finishes it. Returns the rows. warn: as of `finish`."""
    record = dataset_record(out)
    with locked(out, DatasetError):
        split_rows([], seed=seed, shares=shares)  # rejects shares that make no sense before anything is written
        write_json(out / DATASET, {**record, "split": {"seed": seed, "shares": list(shares)}})
        return finish(out, warn=warn)


def refresh(out: Path, *, warn: Callable[[str], None] = log_warning) -> list[FrameRow]:
    """Writes what belongs to the dataset as a whole again, as `finish` does. Returns the rows. warn: as of `finish`."""
    dataset_record(out)
    with locked(out, DatasetError):
        return finish(out, warn=warn)


def finish(
    out: Path, report: Sequence[Mapping[str, Any]] | None = None, *, warn: Callable[[str], None] = log_warning
) -> list[FrameRow]:
    """Writes what belongs to the dataset as a whole from its scenes: manifest, card, metadata, coverage and report.

    report: outcomes of a build as plain values; None keeps those of the last one.
    warn: called with one line for each record that is left out because it is damaged.
    Returns the rows of the manifest. Raises DatasetError: a damaged dataset.json, no scene that can be read, a full
    disk.
    """
    record = dataset_record(out)
    settings_of(out)  # the card prints them
    rows = split_rows(scene_rows(out, warn), seed=record["split"]["seed"], shares=record["split"]["shares"])
    write_manifest(out / MANIFEST, rows)
    write_split_files(out, rows)
    if report is not None:
        write_json(out / REPORT, {"outcomes": list(report)})
    else:
        report = []
        with _one_of_many(out, warn):
            report = read_report(out)
    card.write_card(out, record, rows, report)
    write_croissant(out, record, rows)
    with _one_of_many(out, warn):  # the table of names may be damaged
        coverage.write_coverage(out, record["name"], rows, report)
    return rows


def dataset_record(out: Path) -> dict[str, Any]:
    """dataset.json of a dataset. Raises DatasetError for a folder that is none, or of a newer format."""
    if not (out / DATASET).is_file():
        raise DatasetError(
            f"{out}: no {DATASET} here, so this is not a luxel dataset; build one with luxel dataset build"
        )
    place = inside(out, DATASET)
    record = read_json(place)
    if record.get("format") != FORMAT:
        raise DatasetError(f"{place}: dataset format {str(record.get('format'))[:40]}, this luxel reads {FORMAT}")
    facts = from_record(_Named, {key: record[key] for key in ("name", "luxel") if key in record}, where=str(place))
    settings = record.get("settings")
    if not isinstance(settings, dict) or not all(isinstance(settings.get(part), dict) for part in ("rules", "zones")):
        raise DatasetError(f"{place}: has no settings with rules and zones; build into a new folder")
    split = from_record(_SplitSettings, record.get("split"), where=f"{place}: split")
    return {**record, **asdict(facts), "split": {"seed": split.seed, "shares": list(split.shares)}}


def read_report(out: Path) -> list[dict[str, Any]]:
    """The outcomes of a dataset's last build as plain values; none where it has no report. Raises DatasetError."""
    place = inside(out, REPORT)
    if not place.exists():
        return []
    listed = read_json(place).get("outcomes")
    if not isinstance(listed, list):
        raise DatasetError(f"{place}: has no list of outcomes; remove it, or run the build again")
    return [asdict(from_record(_Outcome, entry, where=f"{place}: outcome {n}")) for n, entry in enumerate(listed)]


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    luxel: str


@dataclass(frozen=True, slots=True)
class _SplitSettings:
    seed: int
    shares: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """`build.SceneOutcome` as a report holds it."""

    scene_id: str
    kind: str
    state: Literal["built", "kept", "failed"]
    reason: str
    frames: int
    dropped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    seconds: float


def settings_of(out: Path) -> BuildSettings:
    """The settings a dataset was built with."""
    facts = dataset_record(out)["settings"]
    place = f"{out / DATASET}: settings"
    rules = from_record(LabelRules, facts["rules"], where=f"{place}: rules")
    zones = from_record(EvidenceRules, facts["zones"], where=f"{place}: zones")
    side = facts.get("short_side")
    if not isinstance(side, int) or not 1 <= side <= MAX_SIDE:
        raise DatasetError(f"{place}: short_side is {str(side)[:40]}; give pixels")
    # Levels are 8-bit codes, all others are shares and lightness.
    limits = {"clipped": 255.0, "noise_floor": 255.0, "speck": float(MAX_SIDE)}
    for name, value in {**asdict(rules), **asdict(zones)}.items():
        for number in value if isinstance(value, tuple) else (value,):
            if not -1 <= number <= limits.get(name, 1.0):
                raise DatasetError(f"{place}: {name} is {number:g}, outside -1 to {limits.get(name, 1.0):g}")
    return BuildSettings(short_side=side, rules=rules, zones=zones)


def new_record(name: str, settings: BuildSettings, **more: Any) -> dict[str, Any]:
    """The record of a new dataset, for dataset.json."""
    return {
        "format": FORMAT,
        "layout": "luxel",
        "name": name,
        "settings": settings.facts(),
        "split": {"seed": 0, "shares": list(SHARES)},
        "luxel": luxel.__version__,
        "datePublished": datetime.now(UTC).date().isoformat(),
        **more,
    }


def scene_folders(out: Path, scenes: Iterable[str] | None = None) -> list[Path]:
    """Folders of the scenes with these ids, None for all, sorted. Raises DatasetError for one that is not there."""
    if scenes is None:
        return sorted(place.parent for place in (out / "scenes").glob(f"[!.]*/{SCENE}"))
    folders = [scene_folder(out, scene) for scene in scenes]
    for folder in folders:
        if not (folder / SCENE).is_file():
            raise DatasetError(f"{out}: has no scene {folder.name!r}; its scenes are the folders of {out / 'scenes'}")
    return folders


def fingerprint_of(facts: Any) -> str:
    """Hash of plain values, 16 hex digits; what JSON cannot hold counts by its text."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]
