"""Tasks over HTTP: leases, operations, maps, submissions."""

import zlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from luxel.annotate.editing.exposure_table import exposure_table
from luxel.annotate.editing.operations import ClientOperation
from luxel.annotate.server.context import Anybody, Parts, Services, Visit, may_see
from luxel.annotate.server.views import png_of_codes
from luxel.annotate.store.leases import hold_lease
from luxel.annotate.store.log import Holder, NewOperation, rows_after
from luxel.annotate.store.material import shape_of, start_of
from luxel.annotate.store.project import config_of, segmentation_of
from luxel.annotate.store.submissions import Finish, map_of, submit
from luxel.annotate.store.tables import Frame, Scene, StartMap, Submission, Task, User
from luxel.annotate.store.tasks import Opened, next_task, open_task

router = APIRouter(prefix="/api")

MAX_BATCH = 100
Token = Annotated[str, Field(max_length=80)]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TaskRequest(_Body):
    """Which kind of task; None for either."""

    kind: Literal["reference", "residual"] | None = None


class LeaseProof(_Body):
    """The lease as it was granted."""

    token: Token
    epoch: Annotated[int, Field(ge=0)]

    def holder(self, visit: Visit) -> Holder:
        """The writer that the store knows."""
        return Holder(visit.user.id, self.token, self.epoch)


class SentOperation(_Body):
    """One operation with the name that its browser gave it."""

    client_uuid: Uuid
    made_at: Moment
    operation: ClientOperation


class OperationsBody(LeaseProof):
    """Operations that follow number `base_seq`."""

    base_seq: Annotated[int, Field(ge=0)]
    ops: Annotated[list[SentOperation], Field(min_length=1, max_length=MAX_BATCH)]


class Submit(LeaseProof):
    """That a task is finished at number `seq`."""

    seq: Annotated[int, Field(ge=0)]
    seconds_active: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    comment: Annotated[str, Field(max_length=2000)] = ""
    as_is: bool = False


@router.post("/tasks/next")
def take_next(body: TaskRequest, visit: Anybody, services: Parts) -> dict[str, Any]:
    """Leases the next task; `task` is null when there is none."""
    opened = next_task(services.database, services.dataset, visit.user, body.kind)
    return {"task": None} if opened is None else _answer(services, opened)


@router.get("/tasks/mine")
def list_mine(visit: Anybody, services: Parts) -> list[dict[str, Any]]:
    """The tasks of the person who asks, newest first."""
    with services.database.reading() as session:
        tasks = session.scalars(select(Task).where(Task.user_id == visit.user.id).order_by(Task.id.desc())).all()
        return [_row(session, task) for task in tasks]


@router.post("/tasks/{task_id}/open")
def take(task_id: int, visit: Anybody, services: Parts) -> dict[str, Any]:
    """Leases one of the person's own tasks again, in this tab."""
    with services.database.reading() as session:
        _own_task(session, task_id, visit)
    return _answer(services, open_task(services.database, services.dataset, task_id, visit.user))


@router.post("/tasks/{task_id}/lease")
def renew(task_id: int, body: LeaseProof, visit: Anybody, services: Parts) -> dict[str, Any]:
    """Renews a lease."""
    with services.database.writing() as session:
        task = session.get_one(Task, task_id, with_for_update=True)
        seconds = config_of(session).lease_s
        expires = hold_lease(session, task, visit.user.id, body.token, body.epoch, seconds)
        return {"expires_at": expires, "seq": task.seq}


@router.get("/tasks/{task_id}/ops")
def read_operations(task_id: int, visit: Anybody, services: Parts, after: int = 0) -> dict[str, Any]:
    """The operations after a number."""
    with services.database.reading() as session:
        task = _own_task(session, task_id, visit)
        return {"seq": task.seq, "ops": rows_after(session, task_id, after)}


@router.post("/tasks/{task_id}/ops")
def append(task_id: int, body: OperationsBody, visit: Anybody, services: Parts) -> dict[str, int]:
    """Stores operations; the answer comes after the commit."""
    new = [NewOperation(op.client_uuid.lower(), op.made_at, op.operation) for op in body.ops]
    return {"acked_seq": services.log.append(task_id, body.holder(visit), body.base_seq, new)}


@router.post("/tasks/{task_id}/submit")
def finish(task_id: int, body: Submit, visit: Anybody, services: Parts) -> dict[str, Any]:
    """Stores the map as finished. Whether an answer was known stays hidden."""
    facts = Finish(seq=body.seq, seconds_active=body.seconds_active, comment=body.comment, as_is=body.as_is)
    done = submit(services.database, services.dataset, task_id, body.holder(visit), facts)
    return {"submission": done.id, "map_sha256": done.map_sha256, "untouched": done.untouched}


@router.get("/tasks/{task_id}/map")
def read_map(task_id: int, visit: Anybody, services: Parts, request: Request, seq: int | None = None) -> Response:
    """The map after an operation: int16 codes, then uint8 states, as one piece; the tag is its hash."""
    with services.database.reading() as session:
        made = map_of(session, services.dataset, _own_task(session, task_id, visit), seq)
    tag = f'"{made.sha256}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"etag": tag})
    return _compressed(made.codes.astype("<i2").tobytes() + made.status.tobytes(), tag)


@router.get("/tasks/{task_id}/map.png")
def read_map_image(task_id: int, visit: Anybody, services: Parts, seq: int | None = None) -> Response:
    """The residual map after an operation as a 16-bit PNG of `luxel.residual_files`."""
    with services.database.reading() as session:
        task = _own_task(session, task_id, visit)
        if task.kind != "residual":
            raise HTTPException(404, "a reference has decisions, not a map")
        made = map_of(session, services.dataset, task, seq)
    return Response(png_of_codes(made), media_type="image/png", headers={"etag": f'"{made.sha256}"'})


@router.get("/tasks/{task_id}/start")
def read_start(task_id: int, visit: Anybody, services: Parts) -> Response:
    """The map that the task starts from, as `map` has it."""
    with services.database.reading() as session:
        task = _own_task(session, task_id, visit)
        start = start_of(session, task, session.get_one(Scene, task.scene_id))
    return _compressed(start.codes.astype("<i2").tobytes() + start.status.tobytes(), f'"{start.sha256}"')


@router.get("/tasks/{task_id}/sources/{source}")
def read_source(
    task_id: int, source: Literal["rules", "model", "uncertainty"], visit: Anybody, services: Parts
) -> Response:
    """A stored map to fill from or to look at: int16 codes."""
    with services.database.reading() as session:
        task = _own_task(session, task_id, visit)
        query = select(StartMap).where(StartMap.frame_id == task.frame_id, StartMap.source == source)
        stored = session.scalars(query.order_by(StartMap.id)).first()
        if stored is None or task.frame_id is None:
            raise HTTPException(404, f"this frame has no map {source}")
        scene = session.get_one(Scene, task.scene_id)
        plain = zlib.decompress(stored.data)[: 2 * scene.width * scene.height]
    return _compressed(plain, f'"{stored.sha256}"')


@router.get("/exposure-table")
def read_exposure_table(_: Anybody) -> Response:
    """What an exposure changes in lightness: int16 [25, 256]."""
    return _compressed(exposure_table().astype("<i2").tobytes(), '"1"')


def _own_task(session: Session, task_id: int, visit: Visit) -> Task:
    task = session.get_one(Task, task_id)
    if not may_see(visit, task):
        raise HTTPException(403, "this is another person's task")
    return task


def _compressed(plain: bytes, tag: str) -> Response:
    return Response(
        zlib.compress(plain, 4),
        media_type="application/octet-stream",
        headers={"content-encoding": "deflate", "etag": tag},
    )


def _answer(services: Services, opened: Opened) -> dict[str, Any]:
    grant = opened.grant
    with services.database.reading() as session:
        task = session.get_one(Task, opened.task.id)
        scene = session.get_one(Scene, task.scene_id)
        frames = session.scalars(select(Frame).where(Frame.scene_id == scene.id)).all()
        sources = session.scalars(
            select(StartMap.source).where(StartMap.frame_id == task.frame_id, StartMap.source != "gold").distinct()
        ).all()
        return {
            "task": {
                **_row(session, task),
                "width": scene.width,
                "height": scene.height,
                "cells": list(shape_of(scene, task.kind)),
                "segment_counts": segmentation_of(scene).counts,
                "frames": [
                    {"id": f.id, "level": f.level, "ev": f.ev} for f in sorted(frames, key=lambda f: (f.ev or 0, f.id))
                ],
                "sources": sorted(sources) if task.frame_id is not None else [],
            },
            "lease": {"token": grant.token, "epoch": grant.epoch, "expires_at": grant.expires_at},
            "lease_s": config_of(session).lease_s,
            "ops": rows_after(session, task.id, 0),
        }


def _row(session: Session, task: Task) -> dict[str, Any]:
    """What a person sees of a task: nothing of its replica, priority or purpose."""
    scene = session.get_one(Scene, task.scene_id)
    frame = None if task.frame_id is None else session.get_one(Frame, task.frame_id)
    last = session.scalars(
        select(Submission).where(Submission.task_id == task.id).order_by(Submission.id.desc()).limit(1)
    ).first()
    owner = None if task.user_id is None else session.get_one(User, task.user_id).name
    return {
        "id": task.id,
        "kind": task.kind,
        "scene_id": scene.id,
        "scene": scene.name,
        "frame_id": task.frame_id,
        "level": frame.level if frame else None,
        "ev": frame.ev if frame else None,
        "state": task.state,
        "operations": task.seq,
        "blank": task.start_id is None,
        "owner": owner,
        "reason": last.reason if last is not None and task.state == "returned" else "",
        "submitted_at": last.submitted_at if last is not None else None,
    }
