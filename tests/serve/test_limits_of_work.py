"""What a service does when there is too much, too slow, too large, or its processes die."""

import asyncio
import json
import re
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prometheus_client", reason="the extra serve is not installed")

from luxel.errors import LuxelError
from luxel.serve.app import make_app
from luxel.serve.options import ServiceOptions
from stand_ins.servers import Answered, ask, call, multipart, on_loopback
from stand_ins.service_work import begin, begin_without_weights

OPTIONS = ServiceOptions(
    timeout=2, queue=3, batch=3, max_body=3_000_000, max_buffered=2_000_000, upload_timeout=1, workers=1
)
log: list[Any] = []


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the service has its folders."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("scratch")
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(scope="module")
def port(scratch: Path) -> Iterator[int]:
    with on_loopback(make_app(OPTIONS, begin=begin, log=log.append)) as port:
        while ask(port, "GET", "/readyz").status != 200:
            time.sleep(0.02)
        yield port


def assess(port: int, picture: bytes) -> Answered:
    return ask(port, "POST", "/v1/assess", picture)


def count(port: int, metric: str) -> float:
    found = re.search(rf"^luxel_serve_{re.escape(metric)} (\S+)$", ask(port, "GET", "/metrics").body.decode(), re.M)
    return float(found[1]) if found else 0.0


def until(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_slow_picture_is_stopped(port: int, scratch: Path) -> None:
    answer = assess(port, b"sleep 60")
    assert (answer.status, answer.json["error"]) == (504, "the picture took longer than 2 s and was stopped")
    assert assess(port, b"quick").status == 200
    assert not list(scratch.rglob("half-read"))


def test_a_process_that_dies_costs_no_request(port: int, tmp_path: Path) -> None:
    assert assess(port, f"die-once {tmp_path / 'dead'}".encode()).json["word"] == "die-once"
    assert count(port, "retried_total") == 1


def test_a_picture_that_kills_costs_itself_only(port: int) -> None:
    answer = assess(port, b"die")
    assert (answer.status, "the process working on it" in answer.json["error"]) == (500, True)
    assert assess(port, b"quick").status == 200
    assert count(port, 'pictures_total{outcome="died"}') == 1


def test_a_full_disk_is_not_the_pictures_fault(port: int) -> None:
    assert (assess(port, b"fault").status, assess(port, b"quick").status) == (500, 200)


def test_an_unexpected_error_is_one_line(port: int, caplog: pytest.LogCaptureFixture) -> None:
    answer = assess(port, b"odd")
    assert (answer.status, answer.json["error"][:16]) == (500, "unexpected error")
    until(lambda: answer.json["request_id"] in caplog.text)
    assert assess(port, b"quick").status == 200


def test_a_full_queue_says_when_to_come_back(port: int, tmp_path: Path) -> None:
    waiting = f"wait {tmp_path / 'gate'}".encode()
    with ThreadPoolExecutor(3) as clients:
        slow = [clients.submit(assess, port, waiting) for _ in range(3)]
        until(lambda: count(port, "queue_pictures") == 3)
        answer = assess(port, b"quick")
        (tmp_path / "gate").touch()
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert [each.result().status for each in slow] == [200] * 3
    until(lambda: count(port, "queue_pictures") == 0)


def test_a_batch_takes_a_place_for_each_picture(port: int, tmp_path: Path) -> None:
    batch = multipart(*[("image", f"{n}", f"wait {tmp_path / 'gate'}".encode()) for n in range(3)])
    with ThreadPoolExecutor(1) as clients:
        answer = clients.submit(ask, port, "POST", "/v1/batch", **batch)
        until(lambda: count(port, "queue_pictures") == 3)
        assert ask(port, "POST", "/v1/batch", **batch).status == 429
        (tmp_path / "gate").touch()
        assert [json.loads(line)["name"] for line in answer.result().body.splitlines()] == ["0", "1", "2"]
    until(lambda: count(port, "queue_pictures") == count(port, "buffered_bytes") == 0)


def test_nobody_works_for_a_client_that_left(port: int, tmp_path: Path) -> None:
    before = count(port, 'pictures_total{outcome="abandoned"}')
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(assess, port, f"wait {tmp_path / 'gate'}".encode())
        until(lambda: count(port, "queue_pictures") == 1)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST /v1/assess HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsleep 0.6")
            until(lambda: count(port, "queue_pictures") == 2)
        until(lambda: count(port, "queue_pictures") == 1)
        (tmp_path / "gate").touch()
        assert first.result().status == 200
    assert count(port, 'pictures_total{outcome="abandoned"}') == before + 1


def test_a_slow_upload_ends(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"POST /v1/assess HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf")
        assert b"408 " in client.recv(4000)
    until(lambda: count(port, "buffered_bytes") == 0)


def test_bodies_of_all_requests_are_bounded() -> None:
    async def talk() -> tuple[Answered, Answered]:
        halfway = asyncio.Event()

        async def half() -> AsyncIterator[bytes]:
            yield bytes(1_200_000)
            halfway.set()
            await asyncio.sleep(60)

        app = make_app(OPTIONS, begin=begin)
        first = asyncio.create_task(call(app, "POST", "/v1/assess", half()))
        await halfway.wait()
        second = await call(app, "POST", "/v1/assess", [bytes(1_200_000)])
        return await first, second

    first, second = asyncio.run(talk())
    assert (first.status, second.status) == (408, 429)
    assert second.json["error"].startswith("too many large requests at once; retry in")


def test_a_service_without_weights_ends() -> None:
    failures: list[LuxelError] = []
    with on_loopback(make_app(OPTIONS, begin=begin_without_weights, failed=failures.append)) as port:
        until(lambda: failures)
        assert (ask(port, "GET", "/readyz").status, assess(port, b"quick").status) == (503, 503)
    assert "no-such.onnx: no such weights file" in str(failures[0])


def test_a_stopped_server_finishes_its_requests(scratch: Path, tmp_path: Path) -> None:
    found: list[Answered] = []
    with on_loopback(make_app(OPTIONS, begin=begin)) as port:
        waiting = f"wait {tmp_path / 'gate'}".encode()
        until(lambda: ask(port, "GET", "/readyz").status == 200)
        client = threading.Thread(target=lambda: found.append(assess(port, waiting)))
        client.start()
        until(lambda: count(port, "queue_pictures") == 1)
        threading.Timer(0.3, (tmp_path / "gate").touch).start()
    client.join()
    assert [answer.status for answer in found] == [200]
    with pytest.raises(ConnectionError):
        assess(port, b"quick")


def test_folders_of_ended_services_are_gone(scratch: Path) -> None:
    assert len(list(scratch.glob("luxel-serve-*"))) <= 1  # that of the service of this module
