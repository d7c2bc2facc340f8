"""The same store on a real PostgreSQL, started for the test; skipped, with the reason, where it is not available."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from luxel.annotate.store.archive import back_up, restore_archive, verify
from luxel.annotate.store.config import Config
from luxel.annotate.store.database import Database
from luxel.annotate.store.log import OperationLog
from luxel.annotate.store.project import synchronise
from luxel.annotate.store.tasks import next_task
from stand_ins.annotators import add_user, annotate, brush, holder, new

pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'luxel[annotate-postgresql]')")
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
USER = "postgres"
pytestmark = pytest.mark.skipif(
    not PROGRAMS or (os.geteuid() == 0 and not shutil.which("runuser")),
    reason="no PostgreSQL server (apt-get install postgresql)",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of our own, which nobody else can reach."""
    place = tmp_path_factory.mktemp("postgresql")
    as_root = os.geteuid() == 0
    for folder in (place, place.parent, place.parent.parent):
        if as_root:
            folder.chmod(0o755)
    if as_root:  # it does not run as root
        shutil.chown(place, USER)
    before = ["runuser", "-u", USER, "--"] if as_root else []

    def run(program: str, *arguments: str) -> None:
        command = [*before, str(PROGRAMS[-1] / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode:
            pytest.skip(f"{program} does not run here: {(done.stderr or done.stdout).strip().splitlines()[-1]}")

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = str(place / "data")
    run("initdb", "-D", data, "-U", "luxel", "--auth=trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={place}"
    run("pg_ctl", "-D", data, "-o", options, "-l", str(place / "log"), "-w", "start")
    yield f"postgresql://luxel@127.0.0.1:{port}"
    run("pg_ctl", "-D", data, "-m", "immediate", "stop")


@pytest.fixture
def database(address: str, dataset: Path) -> Iterator[Database]:
    """An empty project on the server."""
    with create_engine(
        address.replace("://", "+psycopg://") + "/postgres", isolation_level="AUTOCOMMIT"
    ).connect() as c:
        c.execute(text("DROP DATABASE IF EXISTS project WITH (FORCE)"))
        c.execute(text("CREATE DATABASE project"))
    made = Database(f"{address}/project")
    synchronise(made, dataset, Config(replicas=2, gold_share=0.0))
    yield made
    made.close()


def test_work_backup_and_moving_to_sqlite(database: Database, dataset: Path, tmp_path: Path) -> None:
    annotate(database, dataset, "anna", [brush(500), brush(900)], "residual")
    annotate(database, dataset, "anna", [brush(800)], "residual")
    back_up(database, tmp_path / "project.zip")
    lite = Database(f"sqlite:///{tmp_path / 'project.sqlite3'}")
    assert restore_archive(lite, tmp_path / "project.zip")["operation"] == 3
    back_up(lite, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "project.zip").read_bytes()


def test_moving_from_sqlite(address: str, database: Database, dataset: Path, tmp_path: Path) -> None:
    annotate(database, dataset, "anna", [brush(500)], "residual")
    back_up(database, tmp_path / "project.zip")
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE IF EXISTS other"))
        connection.execute(text("CREATE DATABASE other"))
    other = Database(f"{address}/other")
    restore_archive(other, tmp_path / "project.zip")
    annotate(other, dataset, "bert", [brush(700)], "residual")  # new rows get numbers that are free
    with other.reading() as session:
        assert verify(session) == 2
    other.close()


def test_people_who_write_at_once(database: Database, dataset: Path) -> None:
    """Four people, each with a process' worth of connections: no operation is lost, the audit chain stays one."""
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            opened = next_task(database, dataset, add_user(database, name), "residual")
            assert opened is not None
            log = OperationLog(database)  # of its own, as in another process
            for number in range(10):
                log.append(opened.task.id, holder(opened), number, [new(brush(number))])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("anna", "bert", "emil", "frida")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.reading() as session:
        assert verify(session) == 40
