"""Source material to scenes (paper 4.1): which files are exposures of one scene, how they were taken, what they show.

A `bracket.csv` or `brackets.csv` says it outright. Otherwise frames of one body, size and folder that follow each other
closely in time are a bracket if their exposures differ (`grouping`). Camera RAW and HDR files that stay alone are
scenes of their own, whose exposures are simulated from their light; an sRGB picture that stays alone is the last
resort. Only headers are read, except where a run of frames repeats an exposure or lies differently: then what they show
decides.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from luxel import images
from luxel.dataset.align.tones import Tones
from luxel.dataset.sources.bracket_csv import BRACKET_FILES, frames_of_csv
from luxel.dataset.sources.camera_data import CameraData
from luxel.dataset.sources.grouping import MAX_GAP, Place, Shot, places
from luxel.dataset.sources.panorama import ASPECTS, USABLE_ELEVATION
from luxel.dataset.sources.source_files import INDEX, source_files
from luxel.dataset.sources.source_reader import SourceReader
from luxel.dataset.sources.taxonomy import AXES, Taxonomy, load_taxonomy, read_tags
from luxel.errors import DatasetError, ImageError

SourceKind = Literal["bracket", "raw", "hdr", "panorama", "photo"]

PAIR_TOLERANCE = 2.0
"""Seconds by which the times of a camera's RAW file and its JPEG of the same shot may differ: one has no fractions."""

PHOTO = "sRGB picture: exposures are simulated from what it clipped"
"""Note of a scene that is one photograph."""

UNGROUPED = "states no time or no exposure, so it stays alone; if it belongs to a bracket, name both in a bracket.csv"
"""Note of a photograph that could not be grouped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSource:
    """One file of a scene and what is said about it; None where nothing is.

    exposure_s: shutter time in seconds. f_number, iso. ev: stops relative to the other frames of the scene, if stated
    outright. taken: seconds since 1970 by the camera's clock. width, height: pixels, upright, 0 if the header cannot be
    read. format: as `images.Picture.format`. turn: counterclockwise quarter turns after which it lies as the other
    frames of its bracket do, because the camera mistook how it was held.
    """

    file: Path
    format: str
    width: int
    height: int
    exposure_s: float | None = None
    f_number: float | None = None
    iso: float | None = None
    ev: float | None = None
    taken: float | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSource:
    """Source material of one scene.

    scene_id: unique in its scan, safe as a file name. group: scenes of one group show the same place and must stay in
    one split. kind: see `PreparedScene`. tags: keys "scene", "light", "tone" (names of the taxonomy, "" if not tagged).
    metadata: device, lens, iso, exposure_s, f_number, licence, source: plain JSON values, absent where not known.
    view: yaw, pitch, fov in degrees and aspect (width over height), for panoramas. notes: what was assumed.
    """

    scene_id: str
    group: str
    kind: SourceKind
    frames: tuple[FrameSource, ...]
    tags: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    view: dict[str, float] | None = None
    notes: tuple[str, ...] = ()


_Named = tuple[SceneSource, Path]
"""A scene, and the first file of its group."""

FactsOf = Callable[[Path], CameraData]
"""Reads the header of a file; one that cannot be read is of unknown format."""

ScanProgress = Callable[[str, str, int | None], None]
"""Called with what is being done, the name of the file it is done to, and the number of files, None if not known."""


def scan_sources(
    paths: Iterable[Path],
    *,
    tags: Path | None = None,
    taxonomy: Taxonomy | None = None,
    views: int = 1,
    gap: float = MAX_GAP,
    max_megapixels: float = 200.0,
    timeout: float | None = None,
    warn: Callable[[str], None] = lambda message: None,
    progress: ScanProgress = lambda what, file, total: None,
) -> list[SceneSource]:
    """Scenes in files and folders (folders with everything below them), sorted by id.

    paths: what to scan; hidden files and folders are left out.
    tags: CSV of tags, see `taxonomy.read_tags`; it overrides the index.csv of a folder.
    taxonomy: the names that tags may have, default luxel's.
    views: number of views of every panorama (an HDR or EXR picture twice as wide as high).
    gap: seconds, see `grouping.MAX_GAP`.
    max_megapixels: larger pictures are not opened where frames are compared.
    timeout: seconds that one file may take to be read, in a process of its own; None: no limit.
    warn: called with one line for each file that cannot be read, symbolic link, and unknown column of a CSV.
    progress: see `ScanProgress`.
    Raises DatasetError: a path that does not exist, a wrong CSV, tags for something that is not there.
    """
    names = taxonomy or load_taxonomy()
    given = read_tags(tags, names) if tags is not None else {}
    files = source_files(map(Path, paths), warn=warn)
    indexes = {file.parent: read_tags(file, names) for file in files if file.name == INDEX}
    with SourceReader(timeout=timeout, max_megapixels=max_megapixels) as reader:

        def facts_of(file: Path) -> CameraData:
            try:
                return reader.header(file)
            except ImageError as error:
                # Still a scene: preparing it will fail with the reason, which the report states.
                warn(str(error))
                return CameraData(format="unknown", light=False)

        def look(shot: Shot) -> Tones:
            progress("comparing frames", shot.file.name, None)
            return reader.tones(shot.file).turned(shot.turn)

        found: list[_Named] = []
        claimed: set[Path] = set()
        for file, root in files.items():
            if file.name in BRACKET_FILES:
                brackets, used = _csv_brackets(file, root, facts_of, warn)
                found += brackets
                claimed |= used
        shots, notes = _without_twins(_shots(files, claimed, facts_of, progress))
        light = [s for s in shots if s.facts.light and s.facts.format != "RAW"]
        camera = [s for s in shots if not (s.facts.light and s.facts.format != "RAW")]
        found += [(scene, shot.file) for shot in light for scene in _light_scenes(shot, views)]
        found += _camera_scenes(camera, notes, look, gap)
    scenes = _together(_unique(found))
    used_names: set[str] = set()
    tagged = [_tagged(scene, given, indexes, used_names) for scene in scenes]
    if unknown := sorted(set(given) - used_names):
        raise DatasetError(
            f"{tags}: {unknown[0]!r} is neither a scene nor a file of what was scanned; scenes are named like "
            f"{scenes[0].scene_id!r}"
            if scenes
            else f"{tags}: nothing was found to tag"
        )
    return sorted(tagged, key=lambda scene: scene.scene_id)


def _shots(files: dict[Path, Path], claimed: set[Path], facts_of: FactsOf, progress: ScanProgress) -> list[Shot]:
    """Facts of every picture that no CSV claims."""
    wanted = [f for f in files if f.suffix.lower() in images.SUFFIXES and f.resolve() not in claimed]
    shots = []
    for file in wanted:
        shots.append(Shot(file, files[file], facts_of(file)))
        progress("reading headers", file.name, len(wanted))
    return shots


def _without_twins(shots: Sequence[Shot]) -> tuple[list[Shot], dict[Path, str]]:
    """Shots without the pictures that a camera wrote beside its RAW files; and notes on those RAW files.

    A twin has the name, the device and the time of its RAW file.
    """
    raws = {_stem(s.file): s for s in shots if s.facts.format == "RAW"}
    kept, notes = [], {}
    for shot in shots:
        raw = raws.get(_stem(shot.file))
        if raw is None or shot.facts.format == "RAW" or not _one_shot(raw.facts, shot.facts):
            kept.append(shot)
        else:
            notes[raw.file] = f"{shot.file.name} left out: the same shot as {raw.file.name}"
    return kept, notes


def _stem(file: Path) -> tuple[Path, str]:
    return file.parent, file.stem.lower()


def _one_shot(raw: CameraData, other: CameraData) -> bool:
    if raw.taken is None or other.taken is None or raw.device is None or other.device is None:
        return False
    same_device = raw.device.casefold() == other.device.casefold()
    return same_device and abs(raw.taken - other.taken) <= PAIR_TOLERANCE


def _csv_brackets(
    file: Path, root: Path, facts_of: FactsOf, warn: Callable[[str], None]
) -> tuple[list[_Named], set[Path]]:
    """Scenes of a bracket CSV and the files it names."""
    scenes, used = [], set()
    for name, rows in frames_of_csv(file, warn=warn).items():
        frames, facts = [], []
        for row in rows:
            used.add(row.file)
            data = facts_of(row.file)
            facts.append(data)
            frames.append(
                FrameSource(
                    file=row.file,
                    format=data.format,
                    width=data.width,
                    height=data.height,
                    exposure_s=row.exposure_s or data.exposure_s,
                    f_number=row.f_number or data.f_number,
                    iso=row.iso or data.iso,
                    ev=row.ev,
                    taken=data.taken,
                )
            )
        scene_id = _name(root, file.parent / name if name else file.parent)
        kind: SourceKind = "bracket"
        notes: tuple[str, ...] = ()
        if len(frames) == 1:
            kind, notes = _alone(facts[0]), (f"{file.name} names one frame: its exposures are simulated",)
        scene = SceneSource(
            scene_id=scene_id,
            group=scene_id,
            kind=kind,
            frames=tuple(frames),
            metadata=_metadata(facts),
            notes=notes,
        )
        scenes.append((scene, frames[0].file))
    return scenes, used


def _light_scenes(shot: Shot, views: int) -> list[SceneSource]:
    """The scene of an HDR file, or the views of a panorama."""
    name = _name(shot.root, shot.file)
    base = SceneSource(scene_id=name, group=name, kind="hdr", frames=(_frame(shot),), metadata=_metadata([shot.facts]))
    if shot.facts.width != 2 * shot.facts.height or not shot.facts.width:
        return [base]
    note = "twice as wide as high: taken for an equirectangular panorama, seen through a view of it"
    return [
        replace(base, scene_id=f"{name}-v{i}", kind="panorama", view=view_of(name, i), notes=(note,))
        for i in range(views)
    ]


def view_of(name: str, index: int) -> dict[str, float]:
    """View number `index` of a panorama: yaw, pitch, fov in degrees and aspect, drawn with its name as the seed.

    Field of view 65 to 90 degrees, pitch about the horizon and within the usable elevation.
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(f"{name}/{index}".encode()).digest()[:8], "big"))
    fov, aspect = float(rng.uniform(65, 90)), float(ASPECTS[rng.integers(len(ASPECTS))])
    vertical = 2 * np.degrees(np.arctan(np.tan(np.radians(fov) / 2) / aspect))
    reach = max(0.0, USABLE_ELEVATION - vertical / 2)
    pitch = float(np.clip(rng.normal(0, 12), -reach, reach))
    return {"yaw": float(rng.uniform(-180, 180)), "pitch": pitch, "fov": fov, "aspect": aspect}


def _camera_scenes(
    shots: Sequence[Shot], notes: dict[Path, str], look: Callable[[Shot], Tones], gap: float
) -> list[_Named]:
    """Brackets and single pictures among camera files."""
    known = [s for s in shots if s.facts.taken is not None and s.facts.stops is not None]
    found = [(s, place[0][0].file) for place in places(known, look, gap=gap) for s in _place_scenes(place)]
    unknown = [s for s in shots if s.facts.taken is None or s.facts.stops is None]
    found += [(_single(s, _name(s.root, s.file)), s.file) for s in unknown]
    return [
        (replace(s, notes=(*s.notes, *(notes[f.file] for f in s.frames if f.file in notes))), first)
        for s, first in found
    ]


def _place_scenes(place: Place) -> list[SceneSource]:
    """The brackets and single pictures of one place, in one group."""
    group = _name(place[0][0].root, place[0][0].file)
    scenes = []
    for members in place:
        name = _name(members[0].root, members[0].file)
        if len(members) == 1:
            scenes.append(replace(_single(members[0], name), group=group))
            continue
        notes = [f"{len(members)} frames grouped by time, exposure and body"]
        notes += [f"{s.file.name} rotated to match the other frames" for s in members if s.turn]
        if any(s.facts.exposure_s is None for s in members):
            notes.append("no shutter times: exposures from the exposure compensation")
        scenes.append(
            SceneSource(
                scene_id=name,
                group=group,
                kind="bracket",
                frames=tuple(_frame(s) for s in members),
                metadata=_metadata([s.facts for s in members]),
                notes=tuple(notes),
            )
        )
    return scenes


def _together(scenes: Sequence[SceneSource]) -> list[SceneSource]:
    """Scenes whose groups keep in one split what may show one place.

    A bracket is compared with its neighbours by what it shows. A frame alone is not, so it stays with all that was
    taken in its folder in the same minute; a file without a time stays with the files of its name and folder.
    """
    leader: dict[str, str] = {}

    def find(group: str) -> str:
        while leader.get(group, group) != group:
            group = leader[group]
        return group

    by_minute: dict[tuple[Path, int], list[SceneSource]] = {}
    by_stem: dict[tuple[Path, str], list[SceneSource]] = {}
    for scene in scenes:
        for minute in {int(f.taken // 60) for f in scene.frames if f.taken is not None}:
            by_minute.setdefault((scene.frames[0].file.parent, minute), []).append(scene)
        for stem in {_stem(f.file) for f in scene.frames}:
            by_stem.setdefault(stem, []).append(scene)
    open_minutes = [m for m in by_minute.values() if any(len(s.frames) == 1 for s in m)]
    open_stems = [m for m in by_stem.values() if any(f.taken is None for s in m for f in s.frames)]
    for members in (*open_minutes, *open_stems):
        first = find(members[0].group)
        for other in members[1:]:
            leader[find(other.group)] = first
    return [replace(scene, group=find(scene.group)) for scene in scenes]


def _frame(shot: Shot) -> FrameSource:
    f = shot.facts
    width, height = (f.height, f.width) if shot.turn % 2 else (f.width, f.height)
    ev = f.compensation if f.exposure_s is None else None
    return FrameSource(
        file=shot.file, format=f.format, width=width, height=height, exposure_s=f.exposure_s, f_number=f.f_number,
        iso=f.iso, ev=ev, taken=f.taken, turn=shot.turn,
    )  # fmt: skip


def _single(shot: Shot, name: str) -> SceneSource:
    kind = _alone(shot.facts)
    notes: tuple[str, ...] = ()
    if kind == "photo":
        unknown = shot.facts.width and (shot.facts.taken is None or shot.facts.stops is None)
        notes = (PHOTO, UNGROUPED) if unknown else (PHOTO,)
    return SceneSource(
        scene_id=name, group=name, kind=kind, frames=(_frame(shot),), metadata=_metadata([shot.facts]), notes=notes
    )


def _alone(facts: CameraData) -> SourceKind:
    """The kind of a scene of one file."""
    if facts.format == "RAW":
        return "raw"
    return "hdr" if facts.light else "photo"


def _metadata(facts: Sequence[CameraData]) -> dict[str, Any]:
    """What all frames of a scene have in common."""
    known: dict[str, Any] = {}
    for key in ("device", "lens", "iso", "exposure_s", "f_number"):
        values = {getattr(f, key) for f in facts}
        if len(values) == 1 and (value := values.pop()) is not None:
            known[key] = value
    return known


def _name(root: Path, file: Path) -> str:
    """A scene's id from where its file lies: the scanned folder's name and the way down, joined by "-"."""
    inside = file.relative_to(root).parts
    parts = [root.name, *inside]
    if inside and file.suffix.lower() in images.SUFFIXES:
        parts[-1] = file.stem
    text = "-".join(re.sub(r"[^A-Za-z0-9.]+", "_", part).strip("._") or "_" for part in parts if part)
    return text[-100:].lstrip("-._")


def _unique(scenes: Sequence[_Named]) -> list[SceneSource]:
    """Scenes of one name get a hash of their first file's path behind it, and groups of one name likewise."""
    # Some file systems do not tell case apart.
    names = Counter(s.scene_id.lower() for s, _ in scenes)
    groups = Counter(group for group, _ in {(s.group.lower(), first) for s, first in scenes})

    def own(name: str, file: Path, uses: Counter[str]) -> str:
        tail = hashlib.sha256(str(file).encode()).hexdigest()[:6]
        return f"{name}-{tail}" if uses[name.lower()] > 1 else name

    return [
        replace(s, scene_id=own(s.scene_id, s.frames[0].file, names), group=own(s.group, first, groups))
        for s, first in scenes
    ]


def _tagged(
    scene: SceneSource,
    given: dict[str, dict[str, str]],
    indexes: dict[Path, dict[str, dict[str, str]]],
    used: set[str],
) -> SceneSource:
    """The scene with the tags of its index.csv and, before them, of the tags file: by file first, then by scene."""
    tags: dict[str, str] = {}
    for frame in scene.frames:
        tags |= indexes.get(frame.file.parent, {}).get(frame.file.name, {})
    keys = [name for f in scene.frames for name in (f.file.name, f.file.as_posix())]
    for key in [*keys, scene.group, scene.scene_id]:
        if key in given:
            used.add(key)
            tags |= {axis: value for axis, value in given[key].items() if value}
    about = {key: value for key, value in tags.items() if key in ("licence", "source")}
    return replace(scene, tags={axis: tags.get(axis, "") for axis in AXES}, metadata={**scene.metadata, **about})
