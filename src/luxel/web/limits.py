"""What every request goes through: size and rate limits, and headers that tell a browser what a page may do."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 4_000_000
"""Bytes of a request: a hundred long strokes."""

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
    """ASGI middleware: rejects bodies over MAX_BODY while they arrive, limits requests per address, adds headers."""

    def __init__(self, app: ASGIApp, rate: Rate) -> None:
        self._app, self._rate = app, rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = (scope.get("client") or ("", 0))[0]
        if not self._rate.allows(address):
            await _refuse(send, 429, b"too many requests", [(b"retry-after", b"2")])
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            await _refuse(send, 413, b"request too large")
            return
        seen, begun = 0, False

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                raise _TooLarge
            return message

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                present = {name.lower() for name, _ in message["headers"]}
                extra = [(name, value) for name, value in _HEADERS.items() if name not in present]
                if b"cache-control" not in present:
                    extra.append((b"cache-control", b"no-store"))
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        try:
            await self._app(scope, limited, with_headers)
        except _TooLarge:
            if not begun:
                await _refuse(send, 413, b"request too large")


class _TooLarge(Exception):
    pass


async def _refuse(send: Send, status: int, text: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = b'{"error": "%s"}' % text
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": [*start, *_HEADERS.items()]})
    await send({"type": "http.response.body", "body": body})
