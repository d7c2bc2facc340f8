"""What adjudicators and leaders do over HTTP: compare, decide, watch progress and agreement, write back."""

import json
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from luxel.annotate.editing.maps import unpack
from luxel.annotate.quality.agreement import retest_deviation
from luxel.annotate.server.assets import view_of
from luxel.annotate.server.context import Adjudicator, Admin, Parts
from luxel.annotate.server.views import heat_png
from luxel.annotate.store import audit
from luxel.annotate.store.adjudication import adjudicate
from luxel.annotate.store.combined import agreement_of, habits_of, ratings_of
from luxel.annotate.store.log import hand_over
from luxel.annotate.store.material import shape_of
from luxel.annotate.store.project import add_replicas, config_of, segmentation_of
from luxel.annotate.store.submissions import WrongState, judge
from luxel.annotate.store.tables import Frame, Scene, Submission, Task, User
from luxel.annotate.store.targets import Target, adjudication_of, target_of, targets
from luxel.annotate.write_back import KINDS, plain_numbers, write_back
from luxel.images.writing import png_bytes

router = APIRouter(prefix="/api")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReviewBody(_Body):
    """What becomes of a submission."""

    verdict: Literal["accepted", "returned"]
    reason: Annotated[str, Field(max_length=2000)] = ""


class Decision(_Body):
    """The project's decision. weights: number of a submission to its weight, at least 0. gold: it is a known answer."""

    weights: Annotated[dict[int, Annotated[float, Field(ge=0, le=100)]], Field(min_length=1, max_length=60)]
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    gold: bool = False


@router.get("/progress")
def progress(_: Adjudicator, services: Parts) -> dict[str, Any]:
    """Tasks by state, and what every person did: numbers, time, errors on known answers, deviation of second looks."""
    with services.database.reading() as session:
        states = session.execute(select(Task.kind, Task.state, func.count()).group_by(Task.kind, Task.state)).all()
        people = [_person(session, user) for user in session.scalars(select(User).order_by(User.name))]
    return {
        "states": [{"kind": kind, "state": state, "count": count} for kind, state, count in states],
        "people": [person for person in people if person["submitted"] or person["open"]],
    }


@router.get("/targets")
def list_targets(_: Adjudicator, services: Parts) -> list[dict[str, Any]]:
    """Everything that somebody submitted, most disputed first."""
    with services.database.reading() as session:
        rows = []
        for target in targets(session):
            decided = adjudication_of(session, target.scene, target.frame)
            rows.append(
                {
                    "scene_id": target.scene.id,
                    "frame_id": target.frame.id if target.frame else 0,
                    "name": target.name,
                    "kind": "residual" if target.frame else "reference",
                    "opinions": len(target.opinions),
                    "accepted": sum(o.submission.verdict == "accepted" for o in target.opinions),
                    "disputed": _disputed(target, config_of(session).disagreement),
                    "decided": decided is not None,
                }
            )
    return sorted(rows, key=lambda row: -(row["disputed"] or 0))


@router.get("/targets/{scene_id}/{frame_id}")
def show_target(scene_id: int, frame_id: int, _: Adjudicator, services: Parts) -> dict[str, Any]:
    """The opinions on one thing, and how far they agree. frame_id: 0 for the scene's reference."""
    with services.database.reading() as session:
        target = _target(session, scene_id, frame_id)
        decided = adjudication_of(session, target.scene, target.frame)
        known = habits_of([t for t in targets(session) if (t.frame is None) == (target.frame is None)])
        return {
            "name": target.name,
            "kind": "residual" if target.frame else "reference",
            "opinions": [
                {
                    "submission": o.submission.id,
                    "task": o.submission.task_id,
                    "expert": o.expert,
                    "verdict": o.submission.verdict,
                    "comment": o.submission.comment,
                    "minutes": round(o.submission.seconds_active / 60, 1),
                    "untouched": round(o.submission.untouched, 3),
                    "blank": o.blank,
                    "habit": plain_numbers(known.get(o.expert)) if known.get(o.expert) else None,
                }
                for o in target.opinions
            ],
            "agreement": plain_numbers(agreement_of([target])),
            "disputed": _disputed(target, config_of(session).disagreement),
            "decision": None
            if decided is None
            else {"by": decided.made_by, "reason": decided.reason, "weights": json.loads(decided.weights)},
        }


@router.get("/targets/{scene_id}/{frame_id}/disagreement.png")
def disagreement_image(scene_id: int, frame_id: int, _: Adjudicator, services: Parts) -> Response:
    """Standard deviation of the opinions on each segment: black 0, white 0.2 in lightness and more."""
    with services.database.reading() as session:
        target = _target(session, scene_id, frame_id)
        spread = _spread(target)
        segmentation = segmentation_of(target.scene)
    labels = segmentation.fine if target.frame is None else segmentation.labels("medium")
    grey = np.clip(np.nan_to_num(spread) / 0.2, 0, 1)
    return Response(png_bytes(np.rint(grey[labels] * 255).astype(np.uint8)), media_type="image/png")


@router.get("/targets/{scene_id}/{frame_id}/decision.png")
def decision_image(scene_id: int, frame_id: int, _: Adjudicator, services: Parts) -> Response:
    """What was decided, as a person sees it."""
    with services.database.reading() as session:
        target = _target(session, scene_id, frame_id)
        decided = adjudication_of(session, target.scene, target.frame)
        if decided is None:
            raise HTTPException(404, "nothing is decided yet")
        made = unpack(decided.data, shape_of(target.scene, "residual" if target.frame else "reference"))
    return Response(view_of(services, target.scene, frame_id or None, made), media_type="image/png")


@router.get("/targets/{scene_id}/{frame_id}/change.png")
def change_image(scene_id: int, frame_id: int, _: Adjudicator, services: Parts, submission: int) -> Response:
    """A submission of a reference as changes of lightness, in the colours of residuals."""
    with services.database.reading() as session:
        target = _target(session, scene_id, frame_id)
        found = next((o for o in target.opinions if o.submission.id == submission), None)
        if found is None:
            raise HTTPException(404, "no such submission here")
        values = found.made.values
        if target.frame is None:
            values = values[segmentation_of(target.scene).fine]
    return Response(heat_png(values), media_type="image/png")


@router.post("/submissions/{submission_id}/verdict")
def give_verdict(submission_id: int, body: ReviewBody, visit: Adjudicator, services: Parts) -> dict[str, str]:
    """Accepts or returns a submission."""
    with services.database.writing() as session:
        _not_own(session, submission_id, visit.user)
        judge(session, submission_id, body.verdict, visit.user, body.reason)
        return {"verdict": body.verdict}


@router.post("/targets/{scene_id}/{frame_id}/decide")
def decide(scene_id: int, frame_id: int, body: Decision, visit: Adjudicator, services: Parts) -> dict[str, Any]:
    """Decides on one thing by weights; the submissions with a weight are accepted with it."""
    with services.database.reading() as session:  # the long part, before anything is locked
        known = habits_of([t for t in targets(session) if (t.frame is None) == (frame_id == 0)])
    with services.database.writing() as session:
        target = _target(session, scene_id, frame_id)
        made = adjudicate(session, target, body.weights, known, visit.user, body.reason, gold=body.gold)
        return {"adjudication": made.id, "map_sha256": made.map_sha256}


@router.get("/agreement")
def show_agreement(_: Adjudicator, services: Parts) -> dict[str, Any]:
    """Agreement by kind of task, with intervals over scenes, and how far the start of a map pulled."""
    with services.database.reading() as session:
        found = list(targets(session))
        answer: dict[str, Any] = {}
        for kind in KINDS:
            chosen = [t for t in found if (t.frame is None) == (kind == "reference")]
            answer[kind] = {
                **plain_numbers(agreement_of(chosen)),
                "habits": {name: plain_numbers(habit) for name, habit in sorted(habits_of(chosen).items())},
                "anchoring": _anchoring(chosen),
            }
    return answer


@router.post("/tasks/{task_id}/release")
def release(task_id: int, visit: Admin, services: Parts) -> dict[str, str]:
    """Takes a task from its person; the next one starts again, and the history stays."""
    with services.database.writing() as session:
        task = session.get_one(Task, task_id, with_for_update=True)
        if task.state not in ("leased", "returned"):
            raise WrongState(f"task {task_id} is {task.state}")
        hand_over(session, task, visit.user)
    return {}


@router.post("/tasks/more")
def more_tasks(visit: Admin, services: Parts) -> dict[str, int]:
    """Adds replicas of what is disputed, up to the project's number of escalated ones."""
    with services.database.writing() as session:
        config = config_of(session)
        added = 0
        for target in targets(session):
            disputed = _disputed(target, config.disagreement)
            if disputed is not None and disputed > config.disputed_area:
                added += add_replicas(
                    session, target.scene.id, target.frame.id if target.frame else None, config.escalated
                )
        audit.record(session, visit.user.name, "more replicas", "project", added=added)
        return {"added": added}


@router.post("/write-back")
def write(visit: Admin, services: Parts) -> dict[str, Any]:
    """Writes everything accepted into the dataset."""
    written = write_back(services.database, services.dataset, by=visit.user.name)
    return {
        "references": written.references,
        "layers": written.layers,
        "changed": written.changed,
        "notes": list(written.notes),
    }


def _target(session: Session, scene_id: int, frame_id: int) -> Target:
    scene = session.get_one(Scene, scene_id)
    frame = session.get_one(Frame, frame_id) if frame_id else None
    if frame is not None and frame.scene_id != scene_id:
        raise HTTPException(404, "this frame is of another scene")
    return target_of(session, scene, frame)


def _spread(target: Target) -> np.ndarray[Any, np.dtype[np.float64]]:
    ratings, area = ratings_of(target)
    if len(ratings) < 2:
        return np.full(len(area), np.nan)
    stack = np.stack(list(ratings.values()))
    count = (~np.isnan(stack)).sum(axis=0)
    mean = np.nansum(stack, axis=0) / np.maximum(count, 1)
    variance = np.nansum((stack - mean) ** 2, axis=0) / np.maximum(count - 1, 1)
    return np.where(count >= 2, np.sqrt(variance), np.nan)


def _disputed(target: Target, limit: float) -> float | None:
    """Share of the area whose opinions deviate by more than the limit; None for a single opinion."""
    spread = _spread(target)
    if np.isnan(spread).all():
        return None
    _, area = ratings_of(target)
    return round(float(area[np.nan_to_num(spread) > limit].sum() / area.sum()), 4)


def _anchoring(found: list[Target]) -> dict[str, Any]:
    """Mean absolute value of maps that started blank and of those that started from the rules, on shared things."""
    pairs = []
    for target in found:
        means = {
            blank: [float(np.nanmean(np.abs(o.values))) for o in target.opinions if o.blank == blank]
            for blank in (True, False)
        }
        if means[True] and means[False]:
            pairs.append((np.nanmean(means[True]), np.nanmean(means[False])))
    if not pairs:
        return {"things": 0, "note": "nothing was done both from a blank map and from the rules' map"}
    blank, given = np.mean(pairs, axis=0)
    return {"things": len(pairs), "blank": round(float(blank), 4), "rules": round(float(given), 4)}


def _person(session: Session, user: User) -> dict[str, Any]:
    rows = session.execute(
        select(Submission.seconds_active, Submission.gold_error, Task.purpose)
        .join(Task, Task.id == Submission.task_id)
        .where(Submission.user_id == user.id)
    ).all()
    gold = [error for _, error, purpose in rows if purpose == "gold" and error is not None]
    still = select(func.count()).select_from(Task).where(Task.user_id == user.id)
    return {
        "name": user.name,
        "role": user.role,
        "submitted": len(rows),
        "open": session.scalar(still.where(Task.state.in_(("leased", "returned")))),
        "minutes": round(sum(row[0] for row in rows) / 60, 1),
        "gold_tasks": len(gold),
        "gold_error": round(float(np.mean(gold)), 4) if gold else None,
        "retest": plain_numbers(_retest(session, user)),
    }


def _retest(session: Session, user: User) -> float:
    pairs = []
    for target in targets(session, repeats=True):
        own = [o for o in target.opinions if o.expert == user.name]
        first = [o for o in own if o.purpose != "repeat"]
        second = [o for o in own if o.purpose == "repeat"]
        if first and second:
            pairs.append((first[0].values, second[-1].values))
    return retest_deviation(pairs)


def _not_own(session: Session, submission_id: int, user: User) -> None:
    if session.get_one(Submission, submission_id).user_id == user.id and user.role != "admin":
        raise HTTPException(403, "nobody may review their own map")
