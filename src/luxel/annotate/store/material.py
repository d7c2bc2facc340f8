"""What a task shows and starts from: pictures of the dataset, and maps kept as they were when the task began."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from luxel import images
from luxel.annotate.editing.exposure_table import grey_codes
from luxel.annotate.editing.maps import Codes, TaskMap, blank_map, map_from, pack, unpack
from luxel.annotate.editing.replay import Material
from luxel.annotate.store.project import segmentation_of
from luxel.annotate.store.tables import Frame, Scene, StartMap, Task, now, stamp
from luxel.assessment.assessor import Assessor
from luxel.dataset.folder.manifest import read_scene, scene_folder, sha256_of
from luxel.dataset.folder.scene_files import (
    FUSED,
    REFERENCE,
    SceneLabels,
    read_blocks,
    read_bytes_image,
    zones_by_block,
)
from luxel.dataset.folder.upkeep import settings_of
from luxel.dataset.reference.superpixels import block_mean
from luxel.errors import DatasetError, ImageError


def shape_of(scene: Scene, kind: str) -> tuple[int, ...]:
    """The cells of a task's map: [n fine segments] of a reference, [H, W] of a residual map."""
    return (segmentation_of(scene).counts["fine"],) if kind == "reference" else (scene.height, scene.width)


def folder_of(dataset: Path, scene: Scene) -> Path:
    """A scene's folder; the name comes from the manifest, never from a request."""
    return scene_folder(dataset, scene.name)


def frame_pixels(dataset: Path, scene: Scene, frame: Frame) -> npt.NDArray[np.uint8]:
    """A frame, uint8 [H, W, 3]. Raises DatasetError when the file is not the one the project was made with."""
    place = folder_of(dataset, scene) / f"{frame.level}.png"
    if sha256_of(place) != frame.image_sha256:
        raise DatasetError(f"{place}: was changed since the project was made; start luxel annotate again")
    return read_bytes_image(place)


def fused_pixels(dataset: Path, scene: Scene) -> npt.NDArray[np.float32]:
    """The preliminary reference, float32 [H, W, 3] in [0, 1], sRGB-encoded."""
    folder = folder_of(dataset, scene)
    place = folder / (FUSED if (folder / FUSED).exists() else REFERENCE)
    pixels = images.read(place).pixels
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def start_of(session: Session, task: Task, scene: Scene) -> TaskMap:
    """The map that a task starts from."""
    shape = shape_of(scene, task.kind)
    if task.start_id is None:
        return blank_map(shape)
    return unpack(session.get_one(StartMap, task.start_id).data, shape)


def material_of(session: Session, dataset: Path, task: Task, scene: Scene) -> Material:
    """What the edits of a task refer to."""
    segmentation = segmentation_of(scene)
    if task.frame_id is None:
        return Material(segmentation)
    frame = session.get_one(Frame, task.frame_id)
    sources: dict[str, Codes] = {}
    found = session.scalars(select(StartMap).where(StartMap.frame_id == frame.id).order_by(StartMap.id))
    for stored in found:
        if stored.source in ("rules", "model"):
            sources.setdefault(stored.source, unpack(stored.data, (scene.height, scene.width)).codes)
    return Material(segmentation, grey_codes(frame_pixels(dataset, scene, frame)), sources)


def current_label(dataset: Path, scene: Scene, frame: Frame | None) -> TaskMap:
    """What the dataset's rules say now: changes of lightness of a reference's fine segments, or a frame's label.

    Raises DatasetError for a scene without one decision for each block, and a frame that is not there any more.
    """
    folder = folder_of(dataset, scene)
    if frame is None:
        blocks = read_blocks(folder, (scene.height, scene.width))
        shift = np.array([decision.shift for decision in zones_by_block(folder, int(blocks.max()) + 1)])
        segmentation = segmentation_of(scene)
        if len(shift) == segmentation.counts["medium"]:
            return map_from(shift[segmentation.medium])
        # Decisions on fine blocks that were written back earlier, as means over the fine segments.
        return map_from(block_mean(shift[blocks], segmentation.fine).astype(np.float64))
    labels = SceneLabels(dataset, folder, settings_of(dataset).rules)
    _, _, rows = read_scene(folder)
    row = next((row for row in rows if row.level == frame.level), None)
    if row is None:
        raise DatasetError(f"{folder}: has no frame {frame.level} any more; start luxel annotate again")
    return map_from(labels.automatic(row).residual)


def model_map(pixels: npt.NDArray[np.uint8]) -> TaskMap | None:
    """What the network that comes with luxel says of a frame; None for a frame too small for it.

    pixels: uint8 [H, W, 3].
    """
    try:
        return map_from(_assessor().assess(pixels).residual)
    except ImageError:
        return None


@cache
def _assessor() -> Assessor:
    return Assessor(threads=1)


def keep_map(session: Session, scene: Scene, frame: Frame | None, source: str, task_map: TaskMap) -> StartMap:
    """A stored map of this content; the one there is, or a new one."""
    frame_id = None if frame is None else frame.id
    sha = task_map.sha256
    found = session.scalar(
        select(StartMap).where(
            StartMap.scene_id == scene.id,
            StartMap.frame_id.is_(None) if frame_id is None else StartMap.frame_id == frame_id,
            StartMap.source == source,
            StartMap.sha256 == sha,
        )
    )
    if found is None:
        found = StartMap(
            scene_id=scene.id, frame_id=frame_id, source=source, sha256=sha, data=pack(task_map), made_at=stamp(now())
        )
        session.add(found)
        session.flush()
    return found
