"""Building a dataset: scenes in parallel, each written atomically, resumable after any interruption.

A scene is prepared and labelled in a hidden folder and appears under its name by one rename. Killed anywhere, the next
build of the same folder finds every finished scene and does the rest. A scene that fails is a row with the reason, and
is tried again next time. One build at a time works in a folder; it adds scenes and never removes one.

What decides a scene's pixels is its source files (name, size, time), its facts and the settings. A scene whose source
changed is built again. Other settings are rejected unless `rebuild` is given: a dataset never mixes two settings.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2

import luxel
from luxel.dataset.folder.manifest import DATASET, SCENE, read_scene, scene_folder, write_json
from luxel.dataset.folder.scene_files import carry_over, write_scene
from luxel.dataset.folder.upkeep import (
    BuildSettings,
    dataset_record,
    fingerprint_of,
    finish,
    log_warning,
    new_record,
)
from luxel.dataset.prepare import PreparedScene, prepare_scene
from luxel.dataset.sources.scan import SceneSource
from luxel.dataset.sources.taxonomy import NAMES_FILE, load_taxonomy, taxonomy_file
from luxel.errors import DatasetError, LuxelError
from luxel.jobs.atomic import is_disk_full, remove_leftovers, write_file, writing_folder
from luxel.jobs.lock import locked
from luxel.jobs.processes import TaskError, results

__all__ = ["SceneOutcome", "build_dataset"]

Prepare = Callable[..., PreparedScene]
State = Literal["built", "kept", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOutcome:
    """The outcome of one source scene.

    scene_id: the scene.
    kind: what its source is: a bracket, RAW, HDR, a panorama or a still.
    state: "built" now, "kept" from an earlier build, or "failed".
    reason: why it failed; "" otherwise.
    frames: how many are in the dataset.
    dropped: file and reason of every source frame left out.
    notes: what was assumed or could not be merged.
    seconds: time taken.
    """

    scene_id: str
    kind: str
    state: State
    reason: str = ""
    frames: int = 0
    dropped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def build_dataset(
    sources: Sequence[SceneSource],
    out: Path,
    *,
    settings: BuildSettings = BuildSettings(),
    jobs: int = 1,
    rebuild: bool = False,
    name: str = "",
    taxonomy: Path | None = None,
    max_megapixels: float = 200.0,
    timeout: float | None = None,
    prepare: Prepare = prepare_scene,
    warn: Callable[[str], None] = log_warning,
    progress: Callable[[SceneOutcome], None] = lambda outcome: None,
) -> list[SceneOutcome]:
    """Builds or completes a dataset; returns one outcome per source, in their order.

    sources: from `luxel.dataset.sources.scan.scan_sources`.
    out: the dataset's folder.
    settings: what decides the pixels besides the sources.
    jobs: processes; 1 without a time limit works in this one.
    rebuild: accept other settings than the folder was built with and build every scene again.
    name: of the dataset in its card, default the folder's name.
    taxonomy: TOML of the names of tags, which becomes the dataset's own; None keeps the one it has, at first luxel's.
    max_megapixels: larger source images fail, 10^6 pixels.
    timeout: seconds for each file of a scene, in a process that is ended then; None: no limit.
    prepare: makes a prepared scene from a source; must pickle for processes.
    warn: called with one line for each damaged record of an earlier build.
    progress: called with each outcome as it comes.
    Raises DatasetError: other settings, two sources of one name, a folder in use or not a dataset, a full disk.

    >>> import tempfile
    >>> import numpy as np
    >>> from luxel import images
    >>> from luxel.dataset.sources.scan import scan_sources
    >>> ramp = np.linspace(0, 255, 64 * 96).reshape(64, 96, 1).repeat(3, axis=2).astype(np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images.write(f"{folder}/photo.png", ramp)
    ...     sources = scan_sources([Path(folder)])
    ...     outcome = build_dataset(sources, Path(folder) / "data", settings=BuildSettings(short_side=64))[0]
    >>> outcome.state, outcome.frames
    ('built', 9)
    """
    twice = [scene for scene, n in Counter(source.scene_id for source in sources).items() if n > 1]
    if twice:
        raise DatasetError(f"two sources are named {twice[0]!r}; rename one, or build them into two datasets")
    with locked(out, DatasetError):
        _open(out, settings, rebuild=rebuild, name=name, taxonomy=taxonomy_file(out) if taxonomy is None else taxonomy)
        remove_leftovers(out / "scenes")
        outcomes: dict[str, SceneOutcome] = {}
        todo = []
        for source in sources:
            if kept := _standing(out, source, settings):
                outcomes[source.scene_id] = kept
                progress(kept)
            else:
                todo.append(source)
        work = partial(build_scene, out=out, settings=settings, max_megapixels=max_megapixels, prepare=prepare)
        limited = results(
            todo,
            partial(_worker, work),
            jobs=min(jobs, len(todo)),
            timeout=timeout if todo else None,
            files=lambda source: len(source.frames),
        )
        for index, result in limited:
            source = todo[index]
            if isinstance(result, TaskError):
                remove_leftovers(out / "scenes")
            outcome = failure(source, result.reason) if isinstance(result, TaskError) else result
            outcomes[source.scene_id] = outcome
            progress(outcome)
        ordered = [outcomes[source.scene_id] for source in sources]
        finish(out, [asdict(outcome) for outcome in ordered], warn=warn)
    return ordered


def _worker(work: Callable[[SceneSource], SceneOutcome]) -> Callable[[SceneSource], SceneOutcome]:
    """What a process begins with: a scene needs nothing loaded before."""
    return work


def build_scene(
    source: SceneSource, *, out: Path, settings: BuildSettings, max_megapixels: float, prepare: Prepare = prepare_scene
) -> SceneOutcome:
    """Builds one scene into a dataset's folder; what is wrong with the scene becomes a failed outcome.

    source: from `luxel.dataset.sources.scan.scan_sources`.
    out: the dataset's folder.
    settings: what decides the pixels besides the source.
    max_megapixels: larger source images fail, 10^6 pixels.
    prepare: makes a prepared scene from the source.
    Raises DatasetError when no scene could be written any more (the disk is full or read-only).
    """
    begun = time.monotonic()
    threads = cv2.getNumThreads()
    try:
        # Sums split over threads would make the last digits, and with them checksums, depend on the machine.
        cv2.setNumThreads(1)
        prepared = prepare(source, short_side=settings.short_side, max_megapixels=max_megapixels, rules=settings.zones)
        _check_prepared(prepared, source)
        record = {"fingerprint": settings.fingerprint(), "stamp": stamp_of(source), "luxel": luxel.__version__}
        final = scene_folder(out, source.scene_id)
        with writing_folder(final, sync=True) as folder:
            prepared, carried = carry_over(out, final, prepared)
            notes = write_scene(out, folder, prepared, source, settings.rules, settings.zones, record)
    except (LuxelError, OSError, MemoryError) as error:
        if is_disk_full(error):
            raise DatasetError(f"{out}: {_reason(error)}; free some space and run the same build again") from error
        return failure(source, _reason(error), time.monotonic() - begun)
    except Exception as error:
        # A fault of ours on one scene must not cost the others; it is reported, with its place.
        logging.getLogger("luxel.dataset").exception("%s: unexpected error", source.scene_id)
        return failure(source, f"unexpected {type(error).__name__}: {error}", time.monotonic() - begun)
    finally:
        cv2.setNumThreads(threads)
    return SceneOutcome(
        scene_id=source.scene_id,
        kind=source.kind,
        state="built",
        frames=len(prepared.frames),
        dropped=tuple(prepared.dropped),
        notes=(*notes, *carried),
        seconds=round(time.monotonic() - begun, 3),
    )


def failure(source: SceneSource, reason: str, seconds: float = 0.0) -> SceneOutcome:
    """The outcome of a scene that cannot be used. Files by name only: a dataset does not reveal other folders.

    source: the scene.
    reason: why, in one line or several.
    seconds: time taken.
    """
    line = " ".join(reason.split())
    for frame in source.frames:
        line = line.replace(str(frame.file), frame.file.name)
    return SceneOutcome(
        scene_id=source.scene_id, kind=source.kind, state="failed", reason=line, seconds=round(seconds, 3)
    )


def stamp_of(source: SceneSource) -> str:
    """Hash of what a scene is made from: name, size and time of its files, and its facts; 16 hex digits.

    source: the scene.
    """
    facts = asdict(source)
    for frame in facts["frames"]:
        path = Path(frame["file"])
        try:
            status = path.stat()
            frame["file"] = [path.name, status.st_size, status.st_mtime_ns]
        except OSError:
            frame["file"] = [path.name, -1, -1]  # missing: preparing it will say so
    return fingerprint_of(facts)


def _open(out: Path, settings: BuildSettings, *, rebuild: bool, name: str, taxonomy: Path) -> None:
    """Makes or checks dataset.json and the table of names."""
    load_taxonomy(taxonomy)  # rejects a wrong one before anything is written
    facts = settings.facts()
    if (out / DATASET).exists():
        record = dataset_record(out)
        stored = record["settings"]
        if stored != facts and not rebuild:
            raise DatasetError(
                f"{out}: was built with {_difference(stored, facts)}; use the same settings, another folder, or "
                "--rebuild to build every scene again"
            )
        record["settings"] = facts
        record["name"] = name or record["name"]
    else:
        unknown = [entry.name for entry in out.iterdir() if not entry.name.startswith(".")]
        if unknown:
            raise DatasetError(f"{out}: holds {min(unknown)!r} and is not a dataset; choose an empty folder")
        record = new_record(name or out.resolve().name, settings)
    write_json(out / DATASET, record)
    write_file(out / NAMES_FILE, taxonomy.read_bytes(), sync=True, error=DatasetError)
    (out / "scenes").mkdir(exist_ok=True)


def _standing(out: Path, source: SceneSource, settings: BuildSettings) -> SceneOutcome | None:
    """The outcome of a scene that an earlier build finished and nothing has changed since, else None."""
    folder = scene_folder(out, source.scene_id)
    if not (folder / SCENE).is_file():
        return None
    try:
        _, facts, rows = read_scene(folder)
    except DatasetError:
        return None  # damaged: built again
    if facts.fingerprint != settings.fingerprint() or facts.stamp != stamp_of(source):
        return None
    files = {file for row in rows for file in (row.image, row.reference, row.residual, row.confidence, row.flags)}
    if not all((out / file).is_file() for file in files if file):
        return None
    return SceneOutcome(
        scene_id=source.scene_id,
        kind=source.kind,
        state="kept",
        frames=len(rows),
        dropped=facts.dropped,
        notes=facts.notes,
    )


def _check_prepared(prepared: PreparedScene, source: SceneSource) -> None:
    """A prepared scene must be what its files and rows promise; a mismatch is named before anything is written."""
    sizes = {frame.shape[:2] for frame in prepared.frames} | {prepared.preliminary.fused.shape[:2]}
    if not prepared.frames or len(sizes) != 1:
        raise DatasetError(f"{source.scene_id}: frames and reference have sizes {sorted(sizes)}; they must be one")
    if len(set(prepared.levels)) != len(prepared.levels):
        raise DatasetError(f"{source.scene_id}: two frames are named {Counter(prepared.levels).most_common(1)[0][0]}")


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory for this scene; use fewer jobs"
    return str(error) or type(error).__name__


def _difference(stored: dict[str, Any], asked: dict[str, Any]) -> str:
    """The settings that differ, as "short_side 512 instead of 256"."""
    flat = [{**facts, **facts.get("rules", {}), **facts.get("zones", {})} for facts in (stored, asked)]
    names = sorted((flat[0].keys() | flat[1].keys()) - {"rules", "zones"})
    return ", ".join(
        f"{n} {flat[0].get(n)} instead of {flat[1].get(n)}" for n in names if flat[0].get(n) != flat[1].get(n)
    )
