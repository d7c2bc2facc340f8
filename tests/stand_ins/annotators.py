"""People who annotate, for tests of the store: accounts, strokes, whole tasks."""

import uuid
from pathlib import Path
from typing import Any

from sqlalchemy import select

from luxel.annotate.editing.operations import Operation, read_operation
from luxel.annotate.store.database import Database
from luxel.annotate.store.log import Holder, NewOperation, OperationLog
from luxel.annotate.store.submissions import Finish, judge, submit
from luxel.annotate.store.tables import Submission, Task, User, now, stamp
from luxel.annotate.store.tasks import Opened, next_task


def add_user(database: Database, name: str, role: str = "annotator") -> User:
    with database.writing() as session:
        user = session.scalar(select(User).where(User.name == name))
        if user is None:
            user = User(name=name, role=role, password_hash=None, created_at=stamp(now()))
            session.add(user)
    return user


def new(operation: dict[str, Any] | Operation) -> NewOperation:
    made = read_operation(operation) if isinstance(operation, dict) else operation
    return NewOperation(str(uuid.uuid4()), stamp(now()), made)


def payload_for_http(entry: NewOperation) -> dict[str, Any]:
    """An operation as a browser sends it."""
    operation = entry.operation.model_dump(exclude_none=True)
    return {"client_uuid": entry.client_uuid, "made_at": "2026-11-27T10:00:00.000Z", "operation": operation}


def zones(segments: list[int], value: int, granularity: str = "medium") -> dict[str, Any]:
    return {
        "kind": "set_segments", "granularity": granularity, "segments": segments, "values": [value] * len(segments)
    }  # fmt: skip


def brush(value: int, x: int = 20, y: int = 20, radius: int = 6) -> dict[str, Any]:
    return {"kind": "brush", "mode": "set", "points": [[4 * x, 4 * y]], "radius": radius, "value": value}


def holder(opened: Opened) -> Holder:
    return Holder(opened.task.user_id or 0, opened.grant.token, opened.grant.epoch)


def annotate(
    database: Database, dataset: Path, name: str, operations: list[dict[str, Any]], kind: str, *, accept: bool = True
) -> Submission:
    """A person's next task, worked on and submitted, and accepted by an adjudicator."""
    opened = next_task(database, dataset, add_user(database, name), kind)
    assert opened is not None
    seq = OperationLog(database).append(opened.task.id, holder(opened), 0, [new(o) for o in operations])
    submission = submit(database, dataset, opened.task.id, holder(opened), Finish(seq=seq, as_is=not operations))
    if accept:
        judge_by = add_user(database, "carla", "adjudicator")
        with database.writing() as session:
            submission = judge(session, submission.id, "accepted", judge_by)
    return submission


def task_of(database: Database, task_id: int) -> Task:
    with database.reading() as session:
        return session.get_one(Task, task_id)
