"""Which task a person gets next, and what comes with it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from luxel.annotate.store.config import Config
from luxel.annotate.store.database import Database
from luxel.annotate.store.leases import Grant, TaskTaken, release_idle, take_lease
from luxel.annotate.store.material import current_label, frame_pixels, keep_map, model_map
from luxel.annotate.store.project import config_of, new_task
from luxel.annotate.store.tables import Frame, Lease, Scene, StartMap, Submission, Task, User, now, stamp

MIN_DONE_FOR_REPEAT = 3
"""A person's map comes again at the earliest after this many others."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A task with a lease on it."""

    task: Task
    grant: Grant


def next_task(database: Database, dataset: Path, user: User, kind: str | None = None) -> Opened | None:
    """Leases the next task for a person; None when there is nothing for them.

    Begun and returned tasks of theirs come first. Then, by chance, a task with a known answer or one they did before
    (`gold_share`), which looks like any other. Then open tasks by priority, one thing after the other: never two
    replicas of it, and not the scene of their last task if there is another.

    kind: "reference" or "residual", None for either.
    """
    while True:
        with database.writing() as session:
            config = config_of(session)
            _free_idle(session)
            task = _own(session, user, kind) or _hidden(session, user, config, kind) or _open(session, user, kind)
            if task is None:
                return None
            task_id = task.id
        try:
            return open_task(database, dataset, task_id, user)
        except TaskTaken:
            continue  # somebody was faster; there is one open task less


def open_task(database: Database, dataset: Path, task_id: int, user: User) -> Opened:
    """Leases one task. Raises TaskTaken, TaskClosed, or sqlalchemy's NoResultFound for a number that is not there."""
    with database.reading() as session:
        task = session.get_one(Task, task_id)
        scene = session.get_one(Scene, task.scene_id)
        frame = None if task.frame_id is None else session.get_one(Frame, task.frame_id)
        begins = task.user_id is None and task.seq == 0
        blank = begins and _starts_blank(task, config_of(session))
        known = set(session.scalars(select(StartMap.source).where(StartMap.frame_id == task.frame_id)))
    label = current_label(dataset, scene, frame) if begins or "rules" not in known else None
    model = None if frame is None or "model" in known else model_map(frame_pixels(dataset, scene, frame))
    with database.writing() as session:
        task = session.get_one(Task, task_id, with_for_update=True)
        grant = take_lease(session, task, user, config_of(session).lease_s)
        if label is not None:
            stored = keep_map(session, scene, frame, "rules", label)
            if begins and task.seq == 0:
                task.start_id = None if blank else stored.id
        if model is not None:
            keep_map(session, scene, frame, "model", model)
    return Opened(task, grant)


def _starts_blank(task: Task, config: Config) -> bool:
    """Half of the replicas (`blank_share`) of every thing, spread evenly over their numbers; never of a reference.

    A reference without any decision is not a neutral start: it is the fused bracket, which nobody calls ideal.
    """
    if task.kind == "reference":
        return False
    return int((task.replica + 1) * config.blank_share) > int(task.replica * config.blank_share)


def _free_idle(session: Session) -> None:
    expired = select(Task).join(Lease, Lease.task_id == Task.id).where(Lease.expires_at < stamp(now()), Task.seq == 0)
    for task in session.scalars(expired.with_for_update(of=Task)):
        release_idle(session, task)


def _own(session: Session, user: User, kind: str | None) -> Task | None:
    query = select(Task).where(Task.user_id == user.id, Task.state.in_(("leased", "returned")))
    if kind:
        query = query.where(Task.kind == kind)
    return session.scalars(query.order_by(Task.id).limit(1)).first()


def _open(session: Session, user: User, kind: str | None) -> Task | None:
    """The open task of highest priority among things this person has not had, references of a scene before its maps."""
    had = {(t.scene_id, t.frame_id) for t in session.scalars(select(Task).where(Task.user_id == user.id))}
    submitted = select(Task.scene_id).join(Submission, Submission.task_id == Task.id)
    last = session.scalar(submitted.where(Submission.user_id == user.id).order_by(Submission.id.desc()).limit(1))
    query = (
        select(Task)
        .join(Scene, Scene.id == Task.scene_id)
        .where(Task.state == "open", Task.purpose == "normal", Scene.active)
        .order_by(Task.priority.desc(), Task.scene_id, Task.frame_id, Task.replica, Task.id)
    )
    if kind:
        query = query.where(Task.kind == kind)
    second = None
    for task in session.scalars(query):
        if (task.scene_id, task.frame_id) in had:
            continue
        if task.scene_id != last:
            return task
        second = second or task
    return second


def _hidden(session: Session, user: User, config: Config, kind: str | None) -> Task | None:
    """A task with a known answer, or a second look at one of the person's own; None most of the time."""
    done = session.scalar(select(func.count()).select_from(Submission).where(Submission.user_id == user.id)) or 0
    if not _drawn(f"{user.id}:{done}", config.gold_share):
        return None
    answered = select(StartMap.frame_id, StartMap.scene_id).where(StartMap.source == "gold").distinct()
    had = {(t.scene_id, t.frame_id) for t in session.scalars(select(Task).where(Task.user_id == user.id))}
    for frame_id, scene_id in session.execute(answered):
        if (scene_id, frame_id) not in had and _is_kind(frame_id, kind):
            return _add(session, user, scene_id, frame_id, "gold")
    if done < MIN_DONE_FOR_REPEAT:
        return None
    again = select(Task).where(Task.user_id == user.id, Task.purpose == "repeat")
    repeated = {(t.scene_id, t.frame_id) for t in session.scalars(again)}
    first = session.scalars(
        select(Task)
        .join(Submission, Submission.task_id == Task.id)
        .where(Submission.user_id == user.id, Task.purpose == "normal")
        .order_by(Submission.id)
    )
    for task in first:
        if (task.scene_id, task.frame_id) not in repeated and _is_kind(task.frame_id, kind):
            second = _add(session, user, task.scene_id, task.frame_id, "repeat")
            second.replica = task.replica  # so that it starts from the same kind of map
            return second
    return None


def _is_kind(frame_id: int | None, kind: str | None) -> bool:
    return kind is None or kind == ("reference" if frame_id is None else "residual")


def _add(session: Session, user: User, scene_id: int, frame_id: int | None, purpose: str) -> Task:
    task = new_task(scene_id, frame_id, user.id, 0.0, purpose)
    session.add(task)
    session.flush()
    return task


def _drawn(text: str, share: float) -> bool:
    """Chance that can be repeated: the same person at the same point draws the same."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) < share * 2**32
