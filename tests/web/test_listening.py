"""Servers: ports, connections that never ask, and how a server ends."""

import socket
import threading
import time

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from fastapi import FastAPI, Response

from luxel.errors import LuxelError
from luxel.web import limits, listening
from luxel.web.limits import Limits
from stand_ins.servers import on_loopback

app = FastAPI()


LARGE = 50_000_000


@app.get("/large")
def large() -> Response:
    return Response(bytes(LARGE))


@app.get("/")
def home() -> str:
    return "here"


def whole_answer(client: socket.socket) -> bytes:
    """Head and body, which may arrive apart."""
    answer = b""
    while not answer.endswith(b'"here"'):
        answer += client.recv(1000)
    return answer


def test_a_port_in_use_is_named() -> None:
    with listening.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LuxelError, match=f"127.0.0.1:{port}: Address already in use; choose another --port"):
            listening.listen("127.0.0.1", port)


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n"])
def test_connections_that_never_ask_are_closed(before: int, head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(listening, "KEEP_ALIVE_SECONDS", 1)
    with on_loopback(app) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        for _ in range(before):
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert whole_answer(client).startswith(b"HTTP/1.1 200")
        client.sendall(head)
        assert client.recv(1000) == b""


def test_a_body_that_was_answered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DISCARD_SECONDS", 0.2)
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.2)
    limited = Limits(app, max_body=1000)
    with on_loopback(limited) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 413")
        with pytest.raises(ConnectionError):  # noqa: PT012
            for _ in range(500):
                client.sendall(b"x")
                time.sleep(0.01)


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_whoever_sends_too_much_reads_why(close: bytes) -> None:
    limited = Limits(app, max_body=1000)
    with on_loopback(limited) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + close + b"Content-Length: 20000000\r\n\r\n")
        client.sendall(bytes(20_000_000))
        assert client.recv(1000).startswith(b"HTTP/1.1 413")


def test_an_answer_that_nobody_reads_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "STALLED_SECONDS", 0.2)
    lost, known = threading.Event(), listening.H11Protocol.connection_lost
    ended = lambda protocol, error: (lost.set(), known(protocol, error))  # noqa: E731
    monkeypatch.setattr(listening.H11Protocol, "connection_lost", ended)
    with on_loopback(app) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert lost.wait(30)


def test_a_connection_may_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.2)
    with on_loopback(app) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        for _ in range(3):
            for part in (b"GET / HTTP/1.1\r\n", b"Host: a\r\n\r\n"):
                client.sendall(part)
            assert whole_answer(client).startswith(b"HTTP/1.1 200")
