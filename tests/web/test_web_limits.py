"""Limits on requests: bodies are counted while they arrive, whatever they were said to be."""

import asyncio

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from fastapi import FastAPI, Request

from luxel.web.limits import Limits, Rate
from stand_ins.servers import call

read: list[int] = []


def application(rate: Rate | None = None) -> Limits:
    app = FastAPI()

    @app.post("/size")
    async def size(request: Request) -> int:
        read.append(0)
        async for chunk in request.stream():
            read[-1] += len(chunk)
        return read[-1]

    @app.post("/json")
    async def parsed(body: dict[str, str]) -> int:
        return len(body)

    return Limits(app, max_body=1000, rate=rate)


@pytest.mark.parametrize("path", ["/size", "/json"])
def test_bodies_are_counted_while_they_arrive(path: str) -> None:
    answer = asyncio.run(call(application(), "POST", path, [b"x" * 400] * 3, {"content-type": "application/json"}))
    assert answer.status == 413
    assert answer.json == {"error": "the request is larger than the limit of 1000 bytes"}
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_body_at_the_limit_passes() -> None:
    answer = asyncio.run(call(application(), "POST", "/size", [b"x" * 500] * 2, {"content-length": "1000"}))
    assert (answer.status, answer.json) == (200, 1000)


@pytest.mark.parametrize("length", ["1001", "-1", "1e3", ""])
def test_a_stated_length_is_checked_before_reading(length: str) -> None:
    read.clear()
    answer = asyncio.run(call(application(), "POST", "/size", [b"x"], {"content-length": length}))
    assert (answer.status, read) == (413, [])


def test_requests_of_one_address_are_counted() -> None:
    app = application(Rate(60, 2))
    answers = [asyncio.run(call(app, "POST", "/size", [b"x"])) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[-1].headers["retry-after"] == "2"
