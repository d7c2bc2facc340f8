"""Submissions: a task's map when its person says that it is finished, and what became of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from luxel.annotate.editing.maps import NOT_JUDGED, UNTOUCHED, TaskMap, pack, unpack
from luxel.annotate.editing.operations import counted
from luxel.annotate.editing.replay import replay
from luxel.annotate.store import audit
from luxel.annotate.store.database import Database
from luxel.annotate.store.leases import end_lease, hold_lease
from luxel.annotate.store.log import Holder, OutOfStep, read_log, rows_after
from luxel.annotate.store.material import material_of, shape_of, start_of
from luxel.annotate.store.project import config_of
from luxel.annotate.store.tables import Scene, StartMap, Submission, Task, User, now, stamp


class Incomplete(ValueError):
    """A map that cannot be submitted yet, with what is missing."""


class WrongState(ValueError):
    """What was asked for does not fit the state of the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What a person says with a submission.

    seq: the number the browser is at. seconds_active: time spent on it. comment: free text. as_is: a map that nothing
    was changed in is right.
    """

    seq: int
    seconds_active: float = 0.0
    comment: str = ""
    as_is: bool = False


def map_of(session: Session, dataset: Path, task: Task, up_to: int | None = None) -> TaskMap:
    """The map that a task's log gives. up_to: number of the last operation to apply."""
    scene = session.get_one(Scene, task.scene_id)
    edits = counted(read_log(session, task.id, up_to))
    return replay(start_of(session, task, scene), edits, material_of(session, dataset, task, scene))


def submit(database: Database, dataset: Path, task_id: int, holder: Holder, finish: Finish) -> Submission:
    """Stores a task's map as finished and ends the lease.

    Raises StaleLease, TaskClosed, OutOfStep, and Incomplete for a map that nothing was changed in unless it is said to
    be right as it is, or one that is not judged at all.
    """
    with database.reading() as session:  # the long part, before anything is locked
        task = session.get_one(Task, task_id)
        seq = task.seq
        made = map_of(session, dataset, task, seq)
        known = _known_map(session, task)
    untouched = float(np.mean(made.status == UNTOUCHED))
    if (made.status == NOT_JUDGED).all():
        raise Incomplete("everything is marked as not judged")
    if untouched == 1.0 and not finish.as_is:
        raise Incomplete("nothing was changed; say that it is right as it is, or change it")
    with database.writing() as session:
        task = session.get_one(Task, task_id, with_for_update=True)
        hold_lease(session, task, holder.user_id, holder.token, holder.epoch, config_of(session).lease_s)
        if not task.seq == finish.seq == seq:
            raise OutOfStep(task.seq, rows_after(session, task_id, finish.seq))
        submission = Submission(
            task_id=task_id,
            user_id=holder.user_id,
            seq=seq,
            data=pack(made),
            map_sha256=made.sha256,
            seconds_active=float(np.clip(finish.seconds_active, 0, 1e6)),
            untouched=untouched,
            gold_error=None if known is None else _difference(made, known),
            comment=finish.comment,
            submitted_at=stamp(now()),
        )
        session.add(submission)
        task.state = "submitted"
        end_lease(session, task)
        session.flush()
        name = session.get_one(User, holder.user_id).name
        audit.record(session, name, "submit", f"task {task_id}", submission=submission.id, map=made.sha256)
    return submission


def judge(session: Session, submission_id: int, verdict: str, by: User, reason: str = "") -> Submission:
    """Accepts a submission, or returns it to its person with a reason.

    session: writing. verdict: "accepted" or "returned". Raises WrongState, or Incomplete for a return without a reason.
    """
    submission = session.get_one(Submission, submission_id)
    task = session.get_one(Task, submission.task_id, with_for_update=True)
    if task.state not in ("submitted", "accepted") or submission.verdict == "returned":
        raise WrongState(f"submission {submission_id} is {submission.verdict}, its task {task.state}")
    if verdict == "returned" and not reason.strip():
        raise Incomplete("a map is returned with a reason")
    submission.verdict, submission.reason = verdict, reason
    task.state = verdict
    audit.record(session, by.name, verdict, f"task {task.id}", submission=submission_id, reason=reason)
    return submission


def submitted_map(session: Session, submission: Submission) -> TaskMap:
    """The map of a submission."""
    task = session.get_one(Task, submission.task_id)
    return unpack(submission.data, shape_of(session.get_one(Scene, task.scene_id), task.kind))


def _known_map(session: Session, task: Task) -> TaskMap | None:
    """The map that a gold task is compared with, or a person's own first map of a repeated task."""
    if task.purpose == "normal":
        return None
    same = Task.frame_id == task.frame_id if task.frame_id else Task.frame_id.is_(None)
    shape = shape_of(session.get_one(Scene, task.scene_id), task.kind)
    if task.purpose == "gold":
        query = select(StartMap).where(StartMap.scene_id == task.scene_id, StartMap.source == "gold")
        query = query.where(StartMap.frame_id == task.frame_id if task.frame_id else StartMap.frame_id.is_(None))
        stored = session.scalars(query.order_by(StartMap.id.desc())).first()
        return None if stored is None else unpack(stored.data, shape)
    first = session.scalars(
        select(Submission)
        .join(Task, Task.id == Submission.task_id)
        .where(Task.scene_id == task.scene_id, same, Task.id != task.id, Submission.user_id == task.user_id)
        .order_by(Submission.id)
    ).first()
    return None if first is None else submitted_map(session, first)


def _difference(made: TaskMap, known: TaskMap) -> float:
    """Mean absolute difference over the cells that both judge."""
    both = (made.status != NOT_JUDGED) & (known.status != NOT_JUDGED)
    return float(np.abs(made.values - known.values)[both].mean()) if both.any() else float("nan")
