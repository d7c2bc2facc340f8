"""What every request goes through: size and rate limits, and headers that tell a browser what a page may do."""

import asyncio
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

DISCARD_SECONDS = 20.0
"""Seconds for which the rest of a body is received that was answered before it had arrived."""

_REMEMBERED = 10_000
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}


class Rate:
    """A bucket of requests for every key, which fills again with time."""

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """per_minute: requests in the long run. burst: at once."""
        self._per_second, self._burst, self._clock = per_minute / 60, float(burst), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, key: str) -> bool:
        """Whether one more request of this key is within the limit; it is counted if so."""
        with self._lock:
            moment = self._clock()
            left, last = self._buckets.pop(key, (self._burst, moment))
            left = min(self._burst, left + (moment - last) * self._per_second)
            self._buckets[key] = (left - 1 if left >= 1 else left, moment)
            while len(self._buckets) > _REMEMBERED:
                self._buckets.popitem(last=False)
            return left >= 1


class Limits:
    """ASGI middleware: rejects large bodies before they are parsed, limits requests per address, adds headers.

    A body is counted while it arrives, whatever its length was said to be; the application never sees the rest of one
    that is too large, and the answer is 413 whatever the application made of that. What is left of a body that was
    answered early is received for a while and discarded: closed at once, a client that still sends would see a broken
    connection in place of its answer.
    """

    def __init__(self, app: ASGIApp, *, max_body: int, rate: Rate | None = None) -> None:
        """max_body: bytes of a request. rate: of one address; None for no limit."""
        self._app, self._max_body, self._rate = app, max_body, rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._max_body)
        address = (scope.get("client") or ("", 0))[0]
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if self._rate is not None and not self._rate.allows(address):
            await exchange.reject(429, "too many requests", [(b"retry-after", b"2")])
        elif not length.isdigit() or int(length) > self._max_body:
            await exchange.too_large()
        else:
            await exchange.run(self._app)


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_body: int) -> None:
        names = {name for name, _ in scope["headers"]}
        self._scope, self._receive, self._send, self._max_body = scope, receive, send, max_body
        self._received, self._complete = 0, not names & {b"content-length", b"transfer-encoding"}
        self._begun = self._over = False

    async def run(self, app: ASGIApp) -> None:
        try:
            await app(self._scope, self._counted, self._answer)
        except Exception:
            if not self._over:
                raise
        if self._over and not self._begun:
            await self.too_large()

    async def too_large(self) -> None:
        self._over = False
        await self.reject(413, f"the request is larger than the limit of {self._max_body} bytes")

    async def reject(self, status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        body = json.dumps({"error": text}).encode()
        start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
        await self._answer({"type": "http.response.start", "status": status, "headers": start})
        await self._answer({"type": "http.response.body", "body": body})

    async def _counted(self) -> Message:
        message = await self._receive()
        self._complete = self._complete or not message.get("more_body")
        self._received += len(message.get("body", b""))
        if self._received > self._max_body:
            self._over = True
            raise _TooLarge
        return message

    async def _answer(self, message: Message) -> None:
        if self._over and not self._begun:
            return  # what the application says of half a body
        if message["type"] == "http.response.start":
            self._begun = True
            present = {name.lower() for name, _ in message["headers"]}
            extra = [(name, value) for name, value in _HEADERS.items() if name not in present]
            if b"cache-control" not in present:
                extra.append((b"cache-control", b"no-store"))
            message["headers"] = [*message["headers"], *extra]
        elif not message.get("more_body") and not self._complete:
            await self._send({**message, "more_body": True})
            await self._discard()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _discard(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_SECONDS):
                while not self._complete:
                    message = await self._receive()
                    self._complete = not message.get("more_body")


class _TooLarge(Exception):
    pass
