"""Images and arrays of scenes over HTTP, by number: no name from a request becomes a path."""

import json
import zlib
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, HTTPException, Response
from sqlalchemy.orm import Session

from luxel.annotate.editing.exposure_table import grey_codes
from luxel.annotate.editing.maps import TaskMap
from luxel.annotate.server.context import Adjudicator, Anybody, Parts, Services, may_see
from luxel.annotate.server.views import (
    heat_png,
    judged_of,
    preview_arrays,
    reference_png,
    thumbnail_png,
    zone_rules,
)
from luxel.annotate.store.material import frame_pixels, fused_pixels
from luxel.annotate.store.project import segmentation_of
from luxel.annotate.store.submissions import map_of, submitted_map
from luxel.annotate.store.tables import Frame, Scene, Submission, Task
from luxel.dataset.reference.superpixels import block_mean
from luxel.draw import heatmap
from luxel.images.writing import png_bytes
from luxel.photometry import lightness

router = APIRouter(prefix="/api")

_FOREVER = "private, max-age=31536000, immutable"


def _immutable(content: bytes, tag: str, media: str, encoding: str = "") -> Response:
    headers = {"etag": f'"{tag}"', "cache-control": _FOREVER}
    if encoding:
        headers["content-encoding"] = encoding
    return Response(content, media_type=media, headers=headers)


def _scene_and_frame(session: Session, frame_id: int) -> tuple[Scene, Frame]:
    frame = session.get_one(Frame, frame_id)
    return session.get_one(Scene, frame.scene_id), frame


@router.get("/frames/{frame_id}/image.png")
def frame_image(frame_id: int, _: Anybody, services: Parts) -> Response:
    """A frame."""
    with services.database.reading() as session:
        scene, frame = _scene_and_frame(session, frame_id)
    key = f"frame {frame.image_sha256}"
    content = services.answers.get(key, lambda: png_bytes(frame_pixels(services.dataset, scene, frame)))
    return _immutable(content, frame.image_sha256, "image/png")


@router.get("/frames/{frame_id}/thumbnail.png")
def frame_thumbnail(frame_id: int, _: Anybody, services: Parts) -> Response:
    """A frame, small."""
    with services.database.reading() as session:
        scene, frame = _scene_and_frame(session, frame_id)
    key = f"thumbnail {frame.image_sha256}"
    content = services.answers.get(key, lambda: thumbnail_png(frame_pixels(services.dataset, scene, frame)))
    return _immutable(content, f"{frame.image_sha256}-small", "image/png")


@router.get("/frames/{frame_id}/grey")
def frame_grey(frame_id: int, _: Anybody, services: Parts) -> Response:
    """Lightness of a frame in 255ths: uint8 [H, W]."""
    with services.database.reading() as session:
        scene, frame = _scene_and_frame(session, frame_id)

    def made() -> bytes:
        return zlib.compress(grey_codes(frame_pixels(services.dataset, scene, frame)).tobytes(), 4)

    content = services.answers.get(f"grey {frame.image_sha256}", made)
    return _immutable(content, frame.image_sha256, "application/octet-stream", "deflate")


@router.get("/scenes/{scene_id}/fused.png")
def fused_image(scene_id: int, _: Anybody, services: Parts) -> Response:
    """The preliminary reference, which decisions change."""
    with services.database.reading() as session:
        scene = session.get_one(Scene, scene_id)

    def made() -> bytes:
        return png_bytes(np.rint(fused_pixels(services.dataset, scene) * 255).astype(np.uint8))

    content = services.answers.get(f"fused {scene.source_sha256}", made)
    return _immutable(content, scene.source_sha256, "image/png")


@router.get("/scenes/{scene_id}/arrays/{name}")
def scene_array(scene_id: int, name: Literal["segments", "guide", "free"], _: Anybody, services: Parts) -> Response:
    """segments: uint16 [H, W] fine segments. guide, free: uint8 [H, W] of the preview."""
    with services.database.reading() as session:
        scene = session.get_one(Scene, scene_id)

    def made() -> bytes:
        arrays = preview_arrays(services.dataset, scene, fused_pixels(services.dataset, scene))
        return zlib.compress(arrays[name].tobytes(), 4)

    tag = f"{scene.source_sha256}-{name}"
    content = scene.segments if name == "segments" else services.answers.get(tag, made)
    return _immutable(content, tag, "application/octet-stream", "deflate")


@router.get("/scenes/{scene_id}/facts")
def scene_facts(scene_id: int, _: Anybody, services: Parts) -> Response:
    """Parents, mean lightness and size of every fine segment, and the rule of the preview."""
    with services.database.reading() as session:
        scene = session.get_one(Scene, scene_id)
    content = services.answers.get(
        f"facts {scene.id} {scene.source_sha256}", lambda: json.dumps(_facts(services, scene)).encode()
    )
    return Response(content, media_type="application/json")


def _facts(services: Services, scene: Scene) -> dict[str, Any]:
    segmentation = segmentation_of(scene)
    y = lightness(fused_pixels(services.dataset, scene))
    rules = zone_rules(services.dataset, scene)
    return {
        "medium": segmentation.medium.tolist(),
        "coarse": segmentation.coarse.tolist(),
        "mean": [round(v, 6) for v in block_mean(y, segmentation.fine).tolist()],
        "size": np.bincount(segmentation.fine.ravel()).tolist(),
        "radius": max(1, round(rules.radius * min(y.shape))),
        "smoothness": rules.smoothness,
    }


@router.get("/tasks/{task_id}/preview.png")
def exact_preview(task_id: int, visit: Anybody, services: Parts) -> Response:
    """The reference that a task's decisions give, exactly as the dataset will have it."""
    with services.database.reading() as session:
        task = session.get_one(Task, task_id)
        if not may_see(visit, task) or task.kind != "reference":
            raise HTTPException(404, "this reference is not in your tasks")
        scene = session.get_one(Scene, task.scene_id)
        made = map_of(session, services.dataset, task)
    fused = fused_pixels(services.dataset, scene)
    content = reference_png(services.dataset, scene, fused, segmentation_of(scene), made.values)
    return Response(content, media_type="image/png", headers={"etag": f'"{made.sha256}"'})


@router.get("/submissions/{submission_id}/view.png")
def submission_image(submission_id: int, _: Adjudicator, services: Parts) -> Response:
    """A submission as a person sees it: the reference, or the heat map of residuals."""
    with services.database.reading() as session:
        submission = session.get_one(Submission, submission_id)
        task = session.get_one(Task, submission.task_id)
        scene = session.get_one(Scene, task.scene_id)
        made = submitted_map(session, submission)
    content = view_of(services, scene, task.frame_id, made)
    return _immutable(content, submission.map_sha256, "image/png")


def view_of(services: Services, scene: Scene, frame_id: int | None, made: TaskMap) -> bytes:
    """PNG of a reference (frame_id is None) or of a residual map's colours."""
    if frame_id is not None:
        return heat_png(made.values, judged_of(made))
    fused = fused_pixels(services.dataset, scene)
    return reference_png(services.dataset, scene, fused, segmentation_of(scene), made.values)


@router.get("/palette")
def palette(_: Anybody) -> Response:
    """Colours of residuals from -1 to +1: uint8 [257, 3]."""
    colours = heatmap.render(np.linspace(-1, 1, 257, dtype=np.float32)[None])
    return _immutable(np.ascontiguousarray(colours).tobytes(), "palette-1", "application/octet-stream")
