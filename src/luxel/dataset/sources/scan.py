"""Source material to scenes (paper 4.1): which files are exposures of one scene, how they were taken, what they show.

A `bracket.csv` or `brackets.csv` says it outright. Otherwise frames of one body, size and folder that follow each other
closely in time are a bracket if their exposures differ. Camera RAW and HDR files that stay alone are scenes of their
own, whose exposures are simulated from their light; an sRGB picture that stays alone is the last resort. Only headers
are read, except where a run of frames repeats an exposure: then what the frames show decides.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from luxel import images
from luxel.dataset.align.same_scene import COARSE_SIDE, scene_groups, similarity_table
from luxel.dataset.align.tones import tones
from luxel.dataset.sources.bracket_csv import BRACKET_FILES, frames_of_csv
from luxel.dataset.sources.camera_data import CameraData, camera_data
from luxel.dataset.sources.panorama import ASPECTS, USABLE_ELEVATION
from luxel.dataset.sources.source_files import INDEX, source_files
from luxel.dataset.sources.taxonomy import AXES, Taxonomy, load_taxonomy, read_tags
from luxel.errors import DatasetError, ImageError
from luxel.images.sniff import RAW_SUFFIXES

SourceKind = Literal["bracket", "raw", "hdr", "panorama", "photo"]

MAX_GAP = 5.0
"""Seconds between the end of one exposure and the beginning of the next in a bracket."""

MIN_STEP = 0.3
"""Stops by which two exposures must differ to count as two."""

PHOTO = "sRGB picture: exposures are simulated from what it clipped"
"""Note of a scene that is one photograph."""

UNGROUPED = "states no time or no exposure, so it stays alone; if it belongs to a bracket, name both in a bracket.csv"
"""Note of a photograph that could not be grouped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSource:
    """One file of a scene and what is said about it; None where nothing is.

    exposure_s: shutter time in seconds. f_number, iso. ev: stops relative to the other frames of the scene, if stated
    outright. taken: seconds since 1970 by the camera's clock. width, height: pixels, upright, 0 if the header cannot be
    read. format: as `images.Picture.format`.
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


@dataclass(frozen=True, slots=True)
class _Shot:
    """A file, the folder it was found from, and its facts."""

    file: Path
    root: Path
    facts: CameraData

    @property
    def frame(self) -> FrameSource:
        f = self.facts
        return FrameSource(
            file=self.file, format=f.format, width=f.width, height=f.height, exposure_s=f.exposure_s,
            f_number=f.f_number, iso=f.iso, taken=f.taken,
        )  # fmt: skip


def scan_sources(
    paths: Iterable[Path],
    *,
    tags: Path | None = None,
    taxonomy: Taxonomy | None = None,
    views: int = 1,
    longest_gap: float = MAX_GAP,
    max_megapixels: float = 200.0,
    progress: Callable[[str], None] = lambda file: None,
) -> list[SceneSource]:
    """Scenes in files and folders (folders with everything below them), sorted by id.

    paths: what to scan; hidden files and folders are left out. tags: CSV of tags, see `taxonomy.read_tags`; it goes
    before the index.csv of a folder. taxonomy: the names that tags may have, default luxel's. views: of every panorama
    (an HDR or EXR picture twice as wide as high). longest_gap: seconds, see MAX_GAP. max_megapixels: larger
    pictures are not opened where frames are compared. progress: called with each file whose header was read.
    Raises DatasetError: a path that does not exist, a wrong CSV, tags for something that is not there.
    """
    names = taxonomy or load_taxonomy()
    given = read_tags(tags, names) if tags is not None else {}
    files = source_files(map(Path, paths))
    indexes = {file.parent: read_tags(file, names) for file in files if file.name == INDEX}
    scenes: list[SceneSource] = []
    claimed: set[Path] = set()
    for file, root in files.items():
        if file.name in BRACKET_FILES:
            found, used = _csv_brackets(file, root)
            scenes += found
            claimed |= used
    shots, notes = _shots(files, claimed, progress)
    light = [s for s in shots if s.facts.light and s.facts.format != "RAW"]
    scenes += [scene for shot in light for scene in _light_scenes(shot, views)]
    scenes += _camera_scenes([s for s in shots if s not in light], notes, longest_gap, max_megapixels)
    scenes = _unique(scenes)
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


def _shots(
    files: dict[Path, Path], claimed: set[Path], progress: Callable[[str], None]
) -> tuple[list[_Shot], dict[Path, str]]:
    """Facts of every picture that no CSV claims; and notes on RAW files whose JPEG twin is left out."""
    raws = {(f.parent, f.stem.lower()): f for f in files if f.suffix.lower() in RAW_SUFFIXES}
    shots, notes = [], {}
    for file, root in files.items():
        if file in claimed or file.suffix.lower() not in images.SUFFIXES:
            continue
        raw = raws.get((file.parent, file.stem.lower()))
        if raw is not None and raw != file:
            notes[raw] = f"{file.name} left out: the same shot as {raw.name}"
            continue
        try:
            facts = camera_data(file)
        except ImageError:
            # Still a scene: preparing it will fail with the reason, and the report will tell.
            facts = CameraData(format="unknown", light=False)
        shots.append(_Shot(file, root, facts))
        progress(file.name)
    return shots, notes


def _csv_brackets(file: Path, root: Path) -> tuple[list[SceneSource], set[Path]]:
    """Scenes of a bracket CSV and the files it names."""
    scenes, used = [], set()
    for name, rows in frames_of_csv(file).items():
        frames, facts = [], []
        for row in rows:
            used.add(row.file)
            try:
                data = camera_data(row.file)
            except ImageError:
                data = CameraData(format="unknown", light=False)  # dropped, with the reason, when it is developed
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
        scenes.append(
            SceneSource(
                scene_id=scene_id,
                group=scene_id,
                kind=kind,
                frames=tuple(frames),
                metadata=_metadata(facts),
                notes=notes,
            )
        )
    return scenes, used


def _light_scenes(shot: _Shot, views: int) -> list[SceneSource]:
    """The scene of an HDR file, or the views of a panorama."""
    name = _name(shot.root, shot.file)
    base = SceneSource(scene_id=name, group=name, kind="hdr", frames=(shot.frame,), metadata=_metadata([shot.facts]))
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
    shots: Sequence[_Shot], notes: dict[Path, str], longest_gap: float, max_megapixels: float
) -> list[SceneSource]:
    """Brackets and single pictures among camera files."""
    series: dict[tuple[Any, ...], list[_Shot]] = {}
    alone: list[list[_Shot]] = []
    for shot in shots:
        f = shot.facts
        if f.taken is None or f.stops is None:
            alone.append([shot])
        else:
            key = (shot.file.parent, f.format, f.device, f.body, frozenset((f.width, f.height)))
            series.setdefault(key, []).append(shot)
    scenes = []
    for members in series.values():
        for run in _runs(sorted(members, key=lambda s: (s.facts.taken, s.file.name)), longest_gap):
            parts = _by_content(run, max_megapixels) if _repeats(run) else [run]
            for part in parts:
                scenes += _brackets(part)
    scenes += [_single(shot, _name(shot.root, shot.file)) for [shot] in alone]
    return [
        replace(s, notes=(*s.notes, *(notes[f.file] for f in s.frames if f.file in notes))) if notes else s
        for s in scenes
    ]


def _runs(shots: Sequence[_Shot], longest_gap: float) -> list[list[_Shot]]:
    """Shots in time order, cut where the camera rested."""
    runs = [[shots[0]]]
    for before, shot in pairwise(shots):
        gap = (shot.facts.taken or 0.0) - (before.facts.taken or 0.0) - (before.facts.exposure_s or 0.0)
        if gap > longest_gap or before.facts.width != shot.facts.width:
            runs.append([])
        runs[-1].append(shot)
    return runs


def _repeats(run: Sequence[_Shot]) -> bool:
    """Whether two shots have the same exposure."""
    stops = sorted(s.facts.stops or 0.0 for s in run)
    return any(b - a < MIN_STEP for a, b in pairwise(stops))


def _by_content(run: Sequence[_Shot], max_megapixels: float) -> list[list[_Shot]]:
    """A run cut into scenes by what its frames show; frames that cannot be read are left alone."""
    read, coarse, unread = [], [], []
    for shot in run:
        try:
            coarse.append(tones(images.read(shot.file, max_megapixels=max_megapixels).pixels, COARSE_SIDE))
            read.append(shot)
        except ImageError:
            unread.append([shot])  # the scene of this file will fail with the reason
    groups = scene_groups(similarity_table(coarse)) if read else []
    return [[read[i] for i in group] for group in groups] + unread


def _brackets(shots: Sequence[_Shot]) -> list[SceneSource]:
    """Shots of one scene in time order: a new bracket begins where an exposure comes again."""
    parts: list[list[_Shot]] = [[]]
    for shot in shots:
        if any(abs((shot.facts.stops or 0.0) - (s.facts.stops or 0.0)) < MIN_STEP for s in parts[-1]):
            parts.append([])
        parts[-1].append(shot)
    group = _name(shots[0].root, shots[0].file)
    scenes = []
    for part in parts:
        name = _name(part[0].root, part[0].file)
        if len(part) == 1:
            scenes.append(replace(_single(part[0], name), group=group))
            continue
        note = f"{len(part)} frames grouped by time, exposure and body"
        scenes.append(
            SceneSource(
                scene_id=name,
                group=group,
                kind="bracket",
                frames=tuple(s.frame for s in part),
                metadata=_metadata([s.facts for s in part]),
                notes=(note,),
            )
        )
    return scenes


def _single(shot: _Shot, name: str) -> SceneSource:
    kind = _alone(shot.facts)
    notes: tuple[str, ...] = ()
    if kind == "photo":
        riddle = shot.facts.width and (shot.facts.taken is None or shot.facts.stops is None)
        notes = (PHOTO, UNGROUPED) if riddle else (PHOTO,)
    return SceneSource(
        scene_id=name, group=name, kind=kind, frames=(shot.frame,), metadata=_metadata([shot.facts]), notes=notes
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


def _unique(scenes: Sequence[SceneSource]) -> list[SceneSource]:
    """Scenes of one name get a hash of their first file's path behind it."""
    names = [s.scene_id.lower() for s in scenes]  # some file systems do not tell case apart
    result = []
    for scene, name in zip(scenes, names, strict=True):
        if names.count(name) > 1:
            tail = hashlib.sha256(str(scene.frames[0].file).encode()).hexdigest()[:6]
            new = f"{scene.scene_id}-{tail}"
            scene = replace(scene, scene_id=new, group=new if scene.group == scene.scene_id else scene.group)
        result.append(scene)
    return result


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
