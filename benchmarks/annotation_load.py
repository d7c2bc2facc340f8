"""Simulated annotators who draw on one server: latency of acknowledgements, and whether every operation is there.

    python benchmarks/annotation_load.py DATASET [--people 20] [--seconds 300] [--pause 0.5] [--database URL]

DATASET is a dataset's folder. Without --database the project's database is made in a temporary folder. Every person
draws a stroke, waits for its acknowledgement, and pauses as people do. Exit code 1 if an acknowledged operation is
lost.
"""

import argparse
import multiprocessing
import random
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import numpy as np
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
from stand_ins.annotators import new, payload_for_http


def serve(dataset: Path, url: str, listener: socket.socket) -> None:
    """A server in a process of its own."""
    app = make_app(Database(url), dataset, ServerOptions(requests_per_minute=10**9))
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])


def draw(
    port: int, name: str, everybody: threading.Barrier, seconds: float, pause: float, found: list[tuple[str, float]]
) -> None:
    """One person's work; appends name of the operation and seconds to its acknowledgement."""
    rng = random.Random(name)
    client = Client(port).log_in(name)
    opened = client.post("/api/tasks/next", {"kind": "residual"}).json
    lease, seq = opened["lease"], 0
    everybody.wait()  # opening is slower, and another figure
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        points = [[rng.randint(0, 2000), rng.randint(0, 1000)] for _ in range(rng.randint(5, 60))]
        stroke = {"kind": "brush", "mode": "add", "points": points, "radius": 20, "value": 3000}
        operation = payload_for_http(new(stroke))
        body = {"token": lease["token"], "epoch": lease["epoch"], "base_seq": seq, "ops": [operation]}
        begun = time.perf_counter()
        answer = client.post(f"/api/tasks/{opened['task']['id']}/ops", body)
        assert answer.status == 200, answer.body
        found.append((operation["client_uuid"], time.perf_counter() - begun))
        seq = answer.json["acked_seq"]
        time.sleep(rng.uniform(0.5, 1.5) * pause)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--pause", type=float, default=0.5)
    parser.add_argument("--database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or f"sqlite:///{folder}/load.sqlite3"
        database = Database(url)
        synchronise(database, options.dataset, Config(replicas=options.people, gold_share=0.0))
        names = [f"person {i}" for i in range(options.people)]
        for name in names:
            make_account(database, name)
        database.close()
        listener = socket.create_server(("127.0.0.1", 0))
        context = multiprocessing.get_context("fork")
        server = context.Process(target=serve, args=(options.dataset, url, listener), daemon=True)
        server.start()
        port = listener.getsockname()[1]
        found: list[list[tuple[str, float]]] = [[] for _ in names]
        everybody = threading.Barrier(len(names))
        threads = [
            threading.Thread(target=draw, args=(port, name, everybody, options.seconds, options.pause, mine))
            for name, mine in zip(names, found, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.kill()
        database = Database(url)
        with database.reading() as session:
            stored = set(session.scalars(select(OperationRow.client_uuid)))
            sound = verify(session)
    acknowledged = {name for mine in found for name, _ in mine}
    milliseconds = 1000 * np.array([seconds for mine in found for _, seconds in mine])
    low, middle, high, top = np.quantile(milliseconds, (0.5, 0.95, 0.99, 1))
    lost = len(acknowledged - stored)
    print(
        f"{options.people} people, {len(acknowledged)} operations acknowledged, {sound} in sound logs, {lost} lost; "
        f"acknowledged within {low:.0f} ms (median), {middle:.0f} ms (95 %), {high:.0f} ms (99 %), {top:.0f} ms (worst)"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
