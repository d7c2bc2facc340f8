"""What was submitted for one scene's reference or one frame's map: the opinions that are combined and compared."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from luxel.annotate.editing.maps import NOT_JUDGED, UNTOUCHED, TaskMap, unpack
from luxel.annotate.store.material import shape_of
from luxel.annotate.store.tables import Adjudication, Frame, Scene, Submission, Task, User


@dataclass(frozen=True, slots=True)
class Opinion:
    """One submission. blank: it started from a blank map, so what was left alone says nothing."""

    submission: Submission
    expert: str
    blank: bool
    purpose: str
    made: TaskMap

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """What the person says of each cell, in lightness; NaN where nothing."""
        silent = self.made.status == NOT_JUDGED
        if self.blank:
            silent = silent | (self.made.status == UNTOUCHED)
        return np.where(silent, np.nan, self.made.values.astype(np.float64))


@dataclass(frozen=True, slots=True)
class Target:
    """A scene's reference (frame is None) or a frame's map, with the newest opinion of every person."""

    scene: Scene
    frame: Frame | None
    opinions: tuple[Opinion, ...]

    @property
    def name(self) -> str:
        """ "SCENE" or "SCENE/LEVEL"."""
        return self.scene.name if self.frame is None else f"{self.scene.name}/{self.frame.level}"


VERDICTS = ("submitted", "accepted")


def target_of(
    session: Session, scene: Scene, frame: Frame | None, verdicts: tuple[str, ...] = VERDICTS, *, repeats: bool = False
) -> Target:
    """What people said of one thing. verdicts: of the submissions that count. repeats: also second looks."""
    same = Task.frame_id.is_(None) if frame is None else Task.frame_id == frame.id
    rows = session.execute(
        select(Submission, Task, User.name)
        .join(Task, Task.id == Submission.task_id)
        .join(User, User.id == Submission.user_id)
        .where(Task.scene_id == scene.id, same, Submission.verdict.in_(verdicts))
        .order_by(Submission.id)
    ).all()
    shape = shape_of(scene, "reference" if frame is None else "residual")
    newest: dict[tuple[str, int], Opinion] = {}
    for submission, task, name in rows:
        if task.purpose == "repeat" and not repeats:
            continue
        key = (name, task.id if repeats else 0)
        newest.pop(key, None)
        newest[key] = Opinion(submission, name, task.start_id is None, task.purpose, unpack(submission.data, shape))
    return Target(scene, frame, tuple(newest.values()))


def targets(session: Session, verdicts: tuple[str, ...] = VERDICTS, *, repeats: bool = False) -> Iterator[Target]:
    """Everything that somebody submitted something for, scene by scene, the reference first."""
    pairs = session.execute(
        select(Task.scene_id, Task.frame_id)
        .join(Submission, Submission.task_id == Task.id)
        .where(Submission.verdict.in_(verdicts))
        .distinct()
    ).all()
    for scene_id, frame_id in sorted(pairs, key=lambda pair: (pair[0], pair[1] or 0)):
        scene = session.get_one(Scene, scene_id)
        frame = None if frame_id is None else session.get_one(Frame, frame_id)
        yield target_of(session, scene, frame, verdicts, repeats=repeats)


def adjudication_of(session: Session, scene: Scene, frame: Frame | None) -> Adjudication | None:
    """The last decision of the project on one thing."""
    same = Adjudication.frame_id.is_(None) if frame is None else Adjudication.frame_id == frame.id
    query = select(Adjudication).where(Adjudication.scene_id == scene.id, same).order_by(Adjudication.id.desc())
    return session.scalars(query).first()
