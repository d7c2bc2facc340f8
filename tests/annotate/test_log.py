"""The operation log, leases and submissions: nothing acknowledged is lost, nothing is applied twice."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from luxel.annotate.editing.operations import OperationError
from luxel.annotate.store import audit
from luxel.annotate.store.database import Database, StoreFull, beside
from luxel.annotate.store.leases import StaleLease, TaskClosed, TaskTaken
from luxel.annotate.store.log import Holder, OperationLog, OutOfStep, hand_over, read_log, verify_log
from luxel.annotate.store.project import synchronise
from luxel.annotate.store.submissions import Finish, Incomplete, WrongState, judge, map_of, submit
from luxel.annotate.store.tables import Lease, Task
from luxel.annotate.store.tasks import Opened, next_task, open_task
from luxel.errors import DatasetError
from stand_ins.annotators import add_user, annotate, brush, holder, new, task_of

KILLS = 10


@pytest.fixture
def opened(database: Database, dataset: Path) -> Opened:
    found = next_task(database, dataset, add_user(database, "anna"), "residual")
    assert found is not None
    return found


@pytest.fixture
def log(database: Database) -> OperationLog:
    return OperationLog(database)


def test_an_operation_sent_twice_is_stored_once(database: Database, opened: Opened, log: OperationLog) -> None:
    first, second = new(brush(1000)), new(brush(2000))
    assert log.append(opened.task.id, holder(opened), 0, [first]) == 1
    assert log.append(opened.task.id, holder(opened), 0, [first]) == 1
    assert log.append(opened.task.id, holder(opened), 0, [first, second]) == 2
    assert OperationLog(database).append(opened.task.id, holder(opened), 0, [first, second]) == 2
    with database.reading() as session:
        assert verify_log(session, session.get_one(Task, opened.task.id)) == 2


def test_a_name_stands_for_one_operation(opened: Opened, log: OperationLog) -> None:
    first = new(brush(1000))
    log.append(opened.task.id, holder(opened), 0, [first])
    other = type(first)(first.client_uuid, first.made_at, new(brush(7)).operation)
    with pytest.raises(OperationError, match="stored as another"):
        log.append(opened.task.id, holder(opened), 1, [other])


def test_what_does_not_follow_is_answered_with_what_was_missed(opened: Opened, log: OperationLog) -> None:
    log.append(opened.task.id, holder(opened), 0, [new(brush(1)), new(brush(2))])
    with pytest.raises(OutOfStep) as caught:
        log.append(opened.task.id, holder(opened), 1, [new(brush(3))])
    assert caught.value.seq == 2
    assert [row["seq"] for row in caught.value.missed] == [2]


def test_a_wrong_operation_stores_none_of_its_batch(database: Database, opened: Opened, log: OperationLog) -> None:
    with pytest.raises(OperationError):
        log.append(opened.task.id, holder(opened), 0, [new(brush(1)), new({"kind": "undo", "target": 9})])
    assert task_of(database, opened.task.id).seq == 0
    assert log.append(opened.task.id, holder(opened), 0, [new(brush(1)), new({"kind": "undo", "target": 1})]) == 2


def test_the_second_tab_makes_the_first_stale(database: Database, dataset: Path, opened: Opened) -> None:
    log = OperationLog(database)
    log.append(opened.task.id, holder(opened), 0, [new(brush(1))])
    again = open_task(database, dataset, opened.task.id, add_user(database, "anna"))
    with pytest.raises(StaleLease):
        log.append(opened.task.id, holder(opened), 1, [new(brush(2))])
    assert log.append(opened.task.id, holder(again), 1, [new(brush(2))]) == 2
    with pytest.raises(TaskTaken, match="anna"):
        open_task(database, dataset, opened.task.id, add_user(database, "bert"))


def test_a_lease_that_ran_out_still_holds_while_nobody_took_the_task(
    database: Database, dataset: Path, opened: Opened, log: OperationLog
) -> None:
    log.append(opened.task.id, holder(opened), 0, [new(brush(1))])
    _expire(database, opened.task.id)
    bert = add_user(database, "bert")
    other = next_task(database, dataset, bert, "residual")
    assert other is not None
    assert other.task.id != opened.task.id
    assert log.append(opened.task.id, holder(opened), 1, [new(brush(2))]) == 2


def test_an_idle_lease_frees_its_task(database: Database, dataset: Path, opened: Opened, log: OperationLog) -> None:
    _expire(database, opened.task.id)
    found = next_task(database, dataset, add_user(database, "bert"), "residual")
    assert found is not None
    assert found.task.id == opened.task.id
    with pytest.raises(StaleLease):
        log.append(opened.task.id, holder(opened), 0, [new(brush(1))])


def test_a_task_handed_over_starts_again_and_keeps_its_history(
    database: Database, dataset: Path, opened: Opened, log: OperationLog
) -> None:
    with database.reading() as session:
        before = map_of(session, dataset, session.get_one(Task, opened.task.id)).sha256
    log.append(opened.task.id, holder(opened), 0, [new(brush(1))])
    carla = add_user(database, "carla", "admin")
    with database.writing() as session:
        hand_over(session, session.get_one(Task, opened.task.id), carla)
    again = open_task(database, dataset, opened.task.id, add_user(database, "bert"))
    with database.reading() as session:
        assert map_of(session, dataset, session.get_one(Task, opened.task.id)).sha256 == before
        assert len(read_log(session, opened.task.id)) == 2
    with pytest.raises(OperationError, match="undo"):
        log.append(opened.task.id, holder(again), 2, [new({"kind": "undo", "target": 1})])


def test_a_full_disk_stores_nothing_and_the_next_try_works(
    database: Database, opened: Opened, log: OperationLog
) -> None:
    points = [[x, y] for x in range(40) for y in range(40)]
    big = {**brush(5), "points": points}
    with database.reading() as session:
        pages = session.scalar(text("PRAGMA page_count"))
    for connection in [database.engine.connect() for _ in range(3)]:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        connection.close()
    batch = [new(big) for _ in range(60)]
    with pytest.raises(StoreFull):
        log.append(opened.task.id, holder(opened), 0, batch)
    assert task_of(database, opened.task.id).seq == 0
    database.engine.dispose()
    assert log.append(opened.task.id, holder(opened), 0, batch) == 60


def test_submitting_ends_the_work(database: Database, dataset: Path, opened: Opened, log: OperationLog) -> None:
    with pytest.raises(Incomplete, match="nothing was changed"):
        submit(database, dataset, opened.task.id, holder(opened), Finish(seq=0))
    log.append(opened.task.id, holder(opened), 0, [new(brush(1000))])
    with pytest.raises(OutOfStep):
        submit(database, dataset, opened.task.id, holder(opened), Finish(seq=0))
    done = submit(database, dataset, opened.task.id, holder(opened), Finish(seq=1, comment="dark corner"))
    assert 0.9 < done.untouched < 1
    with pytest.raises(StaleLease):
        log.append(opened.task.id, holder(opened), 1, [new(brush(2))])
    with pytest.raises(TaskClosed):
        open_task(database, dataset, opened.task.id, add_user(database, "anna"))
    carla = add_user(database, "carla", "adjudicator")
    with database.writing() as session, pytest.raises(Incomplete, match="reason"):
        judge(session, done.id, "returned", carla)
    with database.writing() as session:
        judge(session, done.id, "returned", carla, "the lamp is missing")
    back = next_task(database, dataset, add_user(database, "anna"), "residual")
    assert back is not None
    assert back.task.id == opened.task.id
    with database.writing() as session, pytest.raises(WrongState):
        judge(session, done.id, "accepted", carla)


def test_nobody_gets_a_thing_twice_and_scenes_alternate(database: Database, dataset: Path) -> None:
    seen = []
    for _ in range(6):
        submission = annotate(database, dataset, "anna", [brush(300)], "residual")
        task = task_of(database, submission.task_id)
        seen.append((task.scene_id, task.frame_id))
    assert len(set(seen)) == 6
    assert [scene for scene, _ in seen] in ([1, 2] * 3, [2, 1] * 3)
    assert next_task(database, dataset, add_user(database, "anna"), "residual") is None


def test_a_changed_entry_shows(database: Database, dataset: Path) -> None:
    submission = annotate(database, dataset, "anna", [brush(300), brush(400)], "residual")
    with database.reading() as session:
        assert audit.verify_audit(session) > 2
    with database.writing() as session:
        session.execute(text("UPDATE operation SET payload = replace(payload, '300', '301')"))
        session.execute(text("UPDATE audit SET who = 'bert' WHERE action = 'submit'"))
    with database.reading() as session:
        with pytest.raises(DatasetError, match="operation 1"):
            verify_log(session, session.get_one(Task, submission.task_id))
        with pytest.raises(DatasetError, match="submit by bert"):
            audit.verify_audit(session)


def test_a_rebuilt_scene_is_another_one(database: Database, dataset: Path) -> None:
    assert synchronise(database, dataset) == 0
    with database.writing() as session:
        session.execute(text("UPDATE scene SET source_sha256 = 'old' WHERE name = 'scene0'"))
    assert synchronise(database, dataset) == 1
    with database.reading() as session:
        assert session.execute(text("SELECT active FROM scene ORDER BY id")).scalars().all() == [0, 1, 1]


def test_killed_at_random_nothing_acknowledged_is_lost(dataset: Path, database: Database, opened: Opened) -> None:
    """A writer that is killed again and again: every acknowledged operation is there once, in order."""
    database.close()  # a process that forks holds no connection
    rng = random.Random(5)
    acknowledged: list[str] = []
    for _ in range(KILLS):
        acknowledged += _write_until_killed(dataset, holder(opened), opened.task.id, rng.uniform(0.02, 0.15))
    fresh = Database(beside(dataset))
    with fresh.reading() as session:
        task = session.get_one(Task, opened.task.id)
        assert verify_log(session, task) == task.seq
        stored = [row[0] for row in session.execute(text("SELECT client_uuid FROM operation ORDER BY seq"))]
    assert len(acknowledged) >= KILLS
    assert set(acknowledged) <= set(stored)
    assert len(set(stored)) == len(stored)
    assert len(stored) - len(acknowledged) <= KILLS  # at most one was stored and not yet acknowledged


def _write_until_killed(dataset: Path, who: Holder, task_id: int, after: float) -> list[str]:
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(reader)
            database = Database(beside(dataset))
            log = OperationLog(database)
            with database.reading() as session:
                seq = session.get_one(Task, task_id).seq
            while True:
                operation = new(brush(seq % 1000))
                seq = log.append(task_id, who, seq, [operation])
                os.write(writer, operation.client_uuid.encode() + b"\n")
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as lines:
        first = lines.readline()
        time.sleep(after)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        return [line.strip() for line in (first, *lines) if line.endswith("\n")]


def _expire(database: Database, task_id: int) -> None:
    with database.writing() as session:
        session.get_one(Lease, task_id).expires_at = "2020-01-01T00:00:00.000000+00:00"
