"""ASGI applications served on a free port of this machine, or called in this process without one."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from luxel.web.listening import listen, serve_until_stopped, server_of


@contextmanager
def on_loopback(app: Any) -> Iterator[int]:
    """The port of a running server, which is stopped afterwards."""
    listener = listen("127.0.0.1", 0)
    server = server_of(app, grace=30, log_level="error")
    thread = threading.Thread(target=serve_until_stopped, args=(server, listener), daemon=True)
    thread.start()
    end = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(40)
    listener.close()


@dataclass
class Answered:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    app: Any,
    method: str,
    target: str,
    chunks: Iterable[bytes] | AsyncIterator[bytes] = (),
    headers: Mapping[str, str] | None = None,
) -> Answered:
    """One request to an application, without a socket.

    chunks: of the body; one that ends before its last chunk is a client that went away. headers: of the request.
    """
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    answer, body, over = Answered(), _messages(chunks), asyncio.Event()

    async def receive() -> dict[str, Any]:
        async for message in body:
            return message
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")
            if not message.get("more_body"):
                over.set()

    await app(scope, receive, send)
    return answer


async def _messages(chunks: Iterable[bytes] | AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    if isinstance(chunks, AsyncIterator):
        async for chunk in chunks:
            yield {"type": "http.request", "body": chunk, "more_body": True}
    else:
        for chunk in chunks:
            yield {"type": "http.request", "body": chunk, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}


def ask(port: int, method: str, target: str, body: bytes | None = None, **headers: str) -> Answered:
    """One request to a server on this machine. headers: with _ for -."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    answer = Answered(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    connection.close()
    return answer


def multipart(*parts: tuple[str, str | None, bytes]) -> dict[str, Any]:
    """Body and content type of (name, file name, content) each, for `ask`."""
    body = b""
    for name, file, content in parts:
        about = f'form-data; name="{name}"' + ("" if file is None else f'; filename="{file}"')
        body += b"--limit\r\nContent-Disposition: " + about.encode() + b"\r\n\r\n" + content + b"\r\n"
    return {"body": body + b"--limit--\r\n", "content_type": "multipart/form-data; boundary=limit"}
