"""Kills the annotation server at random moments while people draw, and counts what was acknowledged and is not there.

    python benchmarks/annotation_kills.py DATASET [--kills 100] [--people 4] [--seed 0]

DATASET is a dataset's folder; the project's database is made in a temporary folder. Every person draws without pause
and sends what was not acknowledged again after each restart, as the browser does. Afterwards every acknowledged
operation must be in the database once, in order, and every chain of hashes must be sound. Exit code 1 if not.
"""

import argparse
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from http.client import HTTPException
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import uvicorn
from sqlalchemy import select

from luxel.annotate.server.app import make_app
from luxel.annotate.server.context import ServerOptions
from luxel.annotate.store.archive import verify
from luxel.annotate.store.config import Config
from luxel.annotate.store.database import Database
from luxel.annotate.store.project import synchronise
from luxel.annotate.store.tables import OperationRow
from stand_ins.annotation_server import Client, make_account
from stand_ins.annotators import brush, new, payload_for_http


def serve(dataset: Path, url: str, port: int) -> int:
    """Starts a server in a process of its own; returns its number."""
    process = os.fork()
    if process == 0:
        try:
            listener = socket.create_server(("127.0.0.1", port))
            app = make_app(Database(url), dataset, ServerOptions(requests_per_minute=10**9))
            uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])
        finally:
            os._exit(0)
    return process


class Person(threading.Thread):
    """Draws one stroke after the other on one task, whatever becomes of the server."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(daemon=True)
        self.client, self.acknowledged, self.resent = Client(port).log_in(name), [], 0
        self.opened = self.client.post("/api/tasks/next", {"kind": "residual"}).json
        self.stop = False

    def run(self) -> None:
        seq, lease = 0, self.opened["lease"]
        waiting: list[dict[str, object]] = []
        while not self.stop:
            if not waiting:
                waiting = [payload_for_http(new(brush(seq % 30_000))) for _ in range(random.randint(1, 5))]
            body = {"token": lease["token"], "epoch": lease["epoch"], "base_seq": seq, "ops": waiting}
            try:
                answer = self.client.post(f"/api/tasks/{self.opened['task']['id']}/ops", body)
            except (OSError, HTTPException):  # no answer, or half of one
                self.resent += 1
                time.sleep(0.02)
                continue
            assert answer.status == 200, answer.body
            seq = answer.json["acked_seq"]
            self.acknowledged += [str(entry["client_uuid"]) for entry in waiting]
            waiting = []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/kills.sqlite3"
        database = Database(url)
        synchronise(database, options.dataset, Config(replicas=options.people, gold_share=0.0))
        names = [f"person {i}" for i in range(options.people)]
        for name in names:
            make_account(database, name)
        database.close()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = serve(options.dataset, url, port)
        wait_for(port)
        people = [Person(port, name) for name in names]
        for person in people:
            person.start()
        for _ in range(options.kills):
            time.sleep(rng.uniform(0.1, 1.0))
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
            server = serve(options.dataset, url, port)
            wait_for(port)
        time.sleep(1)
        for person in people:
            person.stop = True
        for person in people:
            person.join(60)
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        database = Database(url)
        with database.reading() as session:
            stored = session.scalars(select(OperationRow.client_uuid)).all()
            sound = verify(session)
        acknowledged = [name for person in people for name in person.acknowledged]
        lost = set(acknowledged) - set(stored)
        twice = len(stored) - len(set(stored))
        resent = sum(person.resent for person in people)
        print(
            f"{options.kills} kills, {len(acknowledged)} operations acknowledged, {len(stored)} stored, "
            f"{resent} requests sent again: {len(lost)} lost, {twice} twice; {sound} operations in sound logs"
        )
        return 1 if lost or twice or sound != len(stored) else 0


def wait_for(port: int) -> None:
    while True:
        try:
            if Client(port).get("/healthz").status == 200:
                return
        except (OSError, HTTPException):
            time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
