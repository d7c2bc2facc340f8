"""The operation log: appended with sequence numbers, acknowledged after the commit, never applied twice.

Every operation has a name that its browser chose (`client_uuid`) and follows a number the browser knows (`base_seq`).
What is sent twice is stored once; what does not follow the last number is answered with what was missed.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from luxel.annotate.editing.operations import (
    History,
    Operation,
    OperationError,
    StartOver,
    check_operation,
    read_operation,
)
from luxel.annotate.store import audit
from luxel.annotate.store.audit import chain_hash
from luxel.annotate.store.database import Database
from luxel.annotate.store.leases import end_lease, hold_lease
from luxel.annotate.store.project import config_of, segmentation_of
from luxel.annotate.store.tables import OperationRow, Scene, Task, User, now, stamp
from luxel.errors import DatasetError

MAX_OPERATIONS = 20_000
"""Operations that one task can have."""

_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class NewOperation:
    """client_uuid: its name. made_at: the browser's time. operation: what was done."""

    client_uuid: str
    made_at: str
    operation: Operation


@dataclass(frozen=True, slots=True)
class Holder:
    """Who writes: the person, and the lease as it was granted."""

    user_id: int
    token: str
    epoch: int


class OutOfStep(Exception):
    """The log continued without this browser. seq: of the server. missed: rows after the browser's number."""

    def __init__(self, seq: int, missed: list[dict[str, Any]]) -> None:
        super().__init__(f"the log is at {seq}")
        self.seq, self.missed = seq, missed


class OperationLog:
    """The logs of all tasks of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._histories: OrderedDict[int, tuple[int, str, History]] = OrderedDict()
        self._counts: dict[int, dict[str, int]] = {}
        self._lock = threading.Lock()

    def append(self, task_id: int, holder: Holder, base_seq: int, new: Sequence[NewOperation]) -> int:
        """Stores operations; returns the number of the last one. They are on the disk when this returns.

        base_seq: number that the first of them follows. Raises StaleLease, TaskClosed, OutOfStep, OperationError, and
        StoreFull; then nothing of `new` was stored.
        """
        with self._lock:
            with self._database.writing() as session:
                task = session.get_one(Task, task_id, with_for_update=True)
                hold_lease(session, task, holder.user_id, holder.token, holder.epoch, config_of(session).lease_s)
                fresh = self._unknown(session, task, new)
                if not fresh:
                    return task.seq
                if task.seq != base_seq + len(new) - len(fresh):
                    raise OutOfStep(task.seq, rows_after(session, task_id, base_seq))
                history = self._history(session, task)
                self._add(session, task, holder, fresh, history)
            self._remember(task, history)
        return task.seq

    def _add(
        self, session: Session, task: Task, holder: Holder, fresh: Sequence[NewOperation], history: History
    ) -> None:
        if task.seq + len(fresh) > MAX_OPERATIONS:
            raise OperationError(f"a task holds {MAX_OPERATIONS} operations; submit it")
        counts = self._segment_counts(session, task)
        for entry in fresh:
            check_operation(entry.operation, task.kind, counts)
            history.append(task.seq + 1, entry.operation)
            add_row(session, task, holder, entry)

    def _remember(self, task: Task, history: History) -> None:
        """Keeps a history that is stored; one that failed half way was taken out by `_history` and is read again."""
        self._histories[task.id] = (task.seq, task.head, history)
        while len(self._histories) > _REMEMBERED:
            self._histories.popitem(last=False)

    def _unknown(self, session: Session, task: Task, new: Sequence[NewOperation]) -> list[NewOperation]:
        names = [entry.client_uuid for entry in new]
        if len(set(names)) != len(names):
            raise OperationError("two operations have one name")
        known = {
            row.client_uuid: row.payload
            for row in session.scalars(
                select(OperationRow).where(OperationRow.task_id == task.id, OperationRow.client_uuid.in_(names))
            )
        }
        for entry in new[: len(known)]:
            if known.get(entry.client_uuid) != payload_of(entry.operation):
                raise OperationError(f"operation {entry.client_uuid}: was stored as another one, or out of order")
        return list(new[len(known) :])

    def _history(self, session: Session, task: Task) -> History:
        kept = self._histories.pop(task.id, None)
        if kept is not None and kept[:2] == (task.seq, task.head):
            return kept[2]
        history = History()
        for seq, operation in read_log(session, task.id):
            history.append(seq, operation)
        return history

    def _segment_counts(self, session: Session, task: Task) -> dict[str, int]:
        if task.scene_id not in self._counts:
            self._counts[task.scene_id] = segmentation_of(session.get_one(Scene, task.scene_id)).counts
        return self._counts[task.scene_id]


def add_row(session: Session, task: Task, holder: Holder, entry: NewOperation) -> None:
    """Writes one operation at the end of a locked task's log."""
    payload, received = payload_of(entry.operation), stamp(now())
    seq = task.seq + 1
    parts = (str(task.id), str(seq), str(holder.user_id), str(holder.epoch), entry.client_uuid, entry.made_at, received)
    digest = chain_hash(task.head, *parts, payload)
    session.add(
        OperationRow(
            task_id=task.id,
            seq=seq,
            user_id=holder.user_id,
            epoch=holder.epoch,
            client_uuid=entry.client_uuid,
            payload=payload,
            made_at=entry.made_at,
            received_at=received,
            previous_hash=task.head,
            hash=digest,
        )
    )
    task.seq, task.head = seq, digest


def hand_over(session: Session, task: Task, by: User) -> None:
    """Frees a locked task for another person: what was done stays in the log and does not count."""
    end_lease(session, task)
    if task.seq:
        task.epoch += 1
        entry = NewOperation(f"start-over-{task.epoch}", stamp(now()), StartOver(kind="start_over"))
        add_row(session, task, Holder(by.id, "", task.epoch), entry)
    task.user_id, task.state = None, "open"
    audit.record(session, by.name, "release", f"task {task.id}")


def payload_of(operation: Operation) -> str:
    """An operation as the log holds it: JSON with sorted keys, nothing that is not needed."""
    return json.dumps(operation.model_dump(exclude_none=True), sort_keys=True, separators=(",", ":"))


def read_log(session: Session, task_id: int, up_to: int | None = None) -> list[tuple[int, Operation]]:
    """Numbers and operations of a task in order. up_to: the last number wanted."""
    query = select(OperationRow.seq, OperationRow.payload).where(OperationRow.task_id == task_id)
    if up_to is not None:
        query = query.where(OperationRow.seq <= up_to)
    rows = session.execute(query.order_by(OperationRow.seq))
    return [(seq, read_operation(json.loads(payload))) for seq, payload in rows]


def rows_after(session: Session, task_id: int, seq: int) -> list[dict[str, Any]]:
    """The operations after a number, as plain values for a browser."""
    rows = session.scalars(
        select(OperationRow).where(OperationRow.task_id == task_id, OperationRow.seq > seq).order_by(OperationRow.seq)
    )
    return [
        {"seq": row.seq, "client_uuid": row.client_uuid, "made_at": row.made_at, "operation": json.loads(row.payload)}
        for row in rows
    ]


def verify_log(session: Session, task: Task) -> int:
    """The number of operations of a sound log. Raises DatasetError naming the first that does not fit."""
    previous, last = "", 0
    rows = select(OperationRow).where(OperationRow.task_id == task.id).order_by(OperationRow.seq)
    for row in session.scalars(rows):
        parts = (row.task_id, row.seq, row.user_id, row.epoch, row.client_uuid, row.made_at, row.received_at)
        expected = chain_hash(previous, *map(str, parts), row.payload)
        if row.seq != last + 1 or row.previous_hash != previous or row.hash != expected:
            raise DatasetError(f"task {task.id}, operation {row.seq}: was changed, or one before it is missing")
        previous, last = row.hash, row.seq
    if (last, previous) != (task.seq, task.head):
        raise DatasetError(f"task {task.id}: its last operations are missing; restore a backup")
    return last
