"""Around every request: an id, a line in the log, counts, and everything it held given back at its end."""

import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luxel.serve.admission import Admission, Claim
from luxel.serve.metrics import Metrics

Log = Callable[[Mapping[str, Any]], None]

ID_HEADER = b"x-request-id"
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_PROBES = {"/healthz", "/readyz", "/metrics"}


class Requests:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp, admission: Admission, metrics: Metrics, log: Log) -> None:
        """log: gets the facts of each request; those of probes only where they failed."""
        self._app, self._admission, self._metrics, self._log = app, admission, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(ID_HEADER, b"")
        request_id = given.decode() if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        claim = Claim(self._admission)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id, "claim": claim}
        begun, status, received = time.perf_counter(), 0, 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (ID_HEADER, request_id.encode())]
            await send(message)

        try:
            await self._app(scope, counted, with_id)
        except Exception:
            # What the client gets was sent by the application's own handler.
            logging.getLogger("luxel.serve").exception("request %s failed", request_id)
        finally:
            claim.release()
            seconds = time.perf_counter() - begun
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(route, method, status or "none").inc()
            self._metrics.request_seconds.labels(route).observe(seconds)
            if route not in _PROBES or status >= 400:
                self._log(
                    {
                        "request_id": request_id,
                        "method": method,
                        "route": route,
                        "status": status or None,
                        "seconds": round(seconds, 4),
                        "bytes": received,
                    }
                )
