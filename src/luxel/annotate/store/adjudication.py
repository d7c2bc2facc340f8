"""The project's decision on one thing, from the weights that an adjudicator gives to the opinions."""

import json
from collections.abc import Mapping

from sqlalchemy.orm import Session

from luxel.annotate.editing.maps import pack
from luxel.annotate.quality.combine import Habit
from luxel.annotate.store import audit
from luxel.annotate.store.combined import combined_map
from luxel.annotate.store.material import keep_map
from luxel.annotate.store.submissions import Incomplete
from luxel.annotate.store.tables import Adjudication, Task, User, now, stamp
from luxel.annotate.store.targets import Target


def adjudicate(
    session: Session,
    target: Target,
    weights: Mapping[int, float],
    known: Mapping[str, Habit],
    by: User,
    reason: str,
    *,
    gold: bool = False,
) -> Adjudication:
    """Stores a decision, and accepts the submissions that have a weight in it.

    weights: number of a submission to its weight; 0 or not named leaves it out. known: habits of the experts. gold: the
    result is a known answer for people to be compared with. Raises Incomplete if no submission has a weight.
    """
    named = {o.expert: float(weights.get(o.submission.id, 0)) for o in target.opinions}
    if not any(weight > 0 for weight in named.values()):
        raise Incomplete("give at least one opinion a weight")
    made = combined_map(target, known, named)
    decided = Adjudication(
        scene_id=target.scene.id,
        frame_id=None if target.frame is None else target.frame.id,
        method="weighted median",
        weights=json.dumps({name: weight for name, weight in sorted(named.items()) if weight > 0}),
        data=pack(made),
        map_sha256=made.sha256,
        made_by=by.name,
        reason=reason,
        made_at=stamp(now()),
    )
    session.add(decided)
    for opinion in target.opinions:
        if named[opinion.expert] > 0:
            opinion.submission.verdict = "accepted"
            session.get_one(Task, opinion.submission.task_id).state = "accepted"
    if gold:
        keep_map(session, target.scene, target.frame, "gold", made)
    session.flush()
    audit.record(session, by.name, "decide", target.name, weights=named, reason=reason, map=made.sha256, gold=gold)
    return decided
