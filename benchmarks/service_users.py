"""Clients of the service for locust, which `service_load.py` starts: each asks again as soon as it is answered.

Variables: LOAD_PICTURE, the file that is sent; LOAD_REQUESTS, requests after which the run ends, 0 for no such limit.
"""

import os
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, constant, events, task

PICTURE = Path(os.environ["LOAD_PICTURE"]).read_bytes()
REQUESTS = int(os.environ.get("LOAD_REQUESTS", "0"))


class Client(FastHttpUser):
    """One client."""

    wait_time = constant(0)

    @task
    def assess(self) -> None:
        """One picture; an answer without a score is a failure."""
        with self.client.post("/v1/assess", data=PICTURE, name="assess", catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
            elif "score" not in answer.json():
                answer.failure("no score")


@events.init.add_listener
def _count(environment: Any, **_: Any) -> None:
    seen = 0

    def one_more(**_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == REQUESTS:
            gevent.spawn(environment.runner.quit)  # not here: it ends the client that runs this

    events.request.add_listener(one_more)
