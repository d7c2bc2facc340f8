"""What every request goes through: size and rate limits, and headers that tell a browser what a page may do."""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    that is too large, and the answer is 413 whatever the application made of that.
    """

    def __init__(self, app: ASGIApp, *, max_body: int, rate: Rate | None = None) -> None:
        """max_body: bytes of a request. rate: of one address; None for no limit."""
        self._app, self._max_body, self._rate = app, max_body, rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = (scope.get("client") or ("", 0))[0]
        if self._rate is not None and not self._rate.allows(address):
            await _reject(send, 429, "too many requests", [(b"retry-after", b"2")])
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._max_body:
            await self._too_large(send)
            return
        seen, begun, over = 0, False, False

        async def limited() -> Message:
            nonlocal seen, over
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_body:
                over = True
                raise _TooLarge
            return message

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if over and not begun:
                return  # what the application says of half a body; the answer is below
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
        except Exception:
            if not over:
                raise
        if over and not begun:
            await self._too_large(send)

    async def _too_large(self, send: Send) -> None:
        text = f"the request is larger than the limit of {self._max_body} bytes"
        await _reject(send, 413, text)


class _TooLarge(Exception):
    pass


async def _reject(send: Send, status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    body = json.dumps({"error": text}).encode()
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": [*start, *_HEADERS.items()]})
    await send({"type": "http.response.body", "body": body})
