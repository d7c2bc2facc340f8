"""A project made from a dataset's folder, and kept in step with it: scenes, segments, frames, tasks."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from luxel import images
from luxel.annotate.editing.segments import Segmentation, segment, unpack_segments
from luxel.annotate.store import audit
from luxel.annotate.store.config import Config
from luxel.annotate.store.database import Database
from luxel.annotate.store.tables import Frame, Project, Scene, Task, now, stamp
from luxel.dataset.folder.manifest import MANIFEST, FrameRow, read_manifest, scene_folder, scenes_of, sha256_of
from luxel.dataset.folder.scene_files import BLOCKS, FUSED, REFERENCE, read_blocks
from luxel.dataset.folder.upkeep import dataset_record
from luxel.dataset.reference.superpixels import blocks
from luxel.photometry import as_unit_float


def synchronise(
    database: Database,
    dataset: Path,
    config: Config | None = None,
    *,
    progress: Callable[[str], None] = lambda scene: None,
) -> int:
    """Brings a database in step with its dataset; returns how many scenes are new.

    dataset: folder in luxel's layout. config: None keeps what the project has, at first the defaults. progress: called
    with each scene. A scene whose pixels changed becomes a new one; work on the old one stays, and no more is handed
    out. Raises DatasetError for a folder that is not a dataset, ImageError for a file that cannot be read.
    """
    record = dataset_record(dataset)
    scenes = scenes_of(read_manifest(dataset / MANIFEST))
    with database.writing() as session:
        project = session.get(Project, 1)
        if project is None:
            made = (config or Config()).model_dump_json()
            session.add(Project(id=1, name=str(record["name"])[:200], created_at=stamp(now()), config=made))
            session.flush()
            audit.record(session, audit.COMMAND_LINE, "create project", str(record["name"])[:200])
        elif config is not None and config != Config.model_validate_json(project.config):
            project.config = config.model_dump_json()
            audit.record(session, audit.COMMAND_LINE, "configure", "project", **config.model_dump(mode="json"))
    added = 0
    for name, rows in scenes.items():
        added += _synchronise_scene(database, dataset, name, rows)
        progress(name)
    with database.writing() as session:
        session.execute(update(Scene).where(Scene.name.not_in(scenes)).values(active=False))
        make_tasks(session, config_of(session))
    return added


def config_of(session: Session) -> Config:
    """The settings of the project."""
    return Config.model_validate_json(session.get_one(Project, 1).config)


def make_tasks(session: Session, config: Config) -> int:
    """Adds the tasks that the settings ask for and that are not there yet; returns how many."""
    count = 0
    existing: dict[tuple[int, int | None], int] = {
        (scene, frame): number
        for scene, frame, number in session.execute(
            select(Task.scene_id, Task.frame_id, func.count())
            .where(Task.purpose == "normal")
            .group_by(Task.scene_id, Task.frame_id)
        )
    }
    for scene in session.scalars(select(Scene).where(Scene.active)):
        replicas = config.calibration_replicas if scene.name in config.calibration else config.replicas
        targets: list[tuple[int | None, float]] = []
        if "reference" in config.kinds and scene.kind != "released":
            targets.append((None, 1.0))
        if "residual" in config.kinds:
            frames = session.scalars(select(Frame).where(Frame.scene_id == scene.id))
            targets += [(f.id, f.need) for f in frames if not config.levels or f.level in config.levels]
        for frame_id, need in targets:
            for replica in range(existing.get((scene.id, frame_id), 0), replicas):
                session.add(new_task(scene.id, frame_id, replica, need))
                count += 1
    return count


def add_replicas(session: Session, scene_id: int, frame_id: int | None, wanted: int) -> int:
    """Adds tasks on one thing until there are as many as wanted; returns how many were added."""
    same = Task.frame_id.is_(None) if frame_id is None else Task.frame_id == frame_id
    query = select(func.count()).select_from(Task).where(Task.scene_id == scene_id, same, Task.purpose == "normal")
    there = session.scalar(query) or 0
    for replica in range(there, wanted):
        session.add(new_task(scene_id, frame_id, replica, 1.0))
    return max(0, wanted - there)


def new_task(scene_id: int, frame_id: int | None, replica: int, need: float, purpose: str = "normal") -> Task:
    """A task that nobody has yet."""
    kind = "reference" if frame_id is None else "residual"
    return Task(
        scene_id=scene_id,
        frame_id=frame_id,
        kind=kind,
        purpose=purpose,
        replica=replica,
        priority=need,
        created_at=stamp(now()),
    )


def segmentation_of(scene: Scene) -> Segmentation:
    """The segments of a scene."""
    return unpack_segments(scene.segments, scene.parents, (scene.height, scene.width))


def _synchronise_scene(database: Database, dataset: Path, name: str, rows: Sequence[FrameRow]) -> bool:
    folder = scene_folder(dataset, name)
    source = folder / (FUSED if (folder / FUSED).exists() else REFERENCE)
    sha = sha256_of(source)
    with database.reading() as session:
        known = session.scalar(select(Scene).where(Scene.name == name, Scene.source_sha256 == sha))
        frames = {} if known is None else _frames_of(session, known)
    if known is not None and frames == {row.level: row.image_sha256 for row in rows}:
        if not known.active:
            with database.writing() as session:
                session.get_one(Scene, known.id).active = True
        return False
    if known is not None:
        sha = f"{sha[:32]}{rows[0].image_sha256[:32]}"  # the same light, other frames: another scene for its tasks
    made = _segments(folder, source)
    fine, parents = made.packed()
    height, width = made.fine.shape
    with database.writing() as session:
        session.execute(update(Scene).where(Scene.name == name).values(active=False))
        scene = Scene(
            name=name,
            kind=rows[0].kind,
            width=width,
            height=height,
            source_sha256=sha,
            blocks_sha256=sha256_of(folder / BLOCKS) if (folder / BLOCKS).exists() else "",
            segments=fine,
            parents=parents,
        )
        session.add(scene)
        session.flush()
        for row in rows:
            session.add(
                Frame(
                    scene_id=scene.id,
                    level=row.level,
                    ev=row.ev,
                    image_sha256=row.image_sha256,
                    need=round(1 - row.confidence_mean, 6),
                )
            )
    return True


def _frames_of(session: Session, scene: Scene) -> dict[str, str]:
    return {f.level: f.image_sha256 for f in session.scalars(select(Frame).where(Frame.scene_id == scene.id))}


def _segments(folder: Path, source: Path) -> Segmentation:
    fused = as_unit_float(images.read(source).pixels)
    medium = read_blocks(folder, fused.shape[:2]) if (folder / BLOCKS).exists() else blocks(fused)
    return segment(np.ascontiguousarray(fused), medium)
