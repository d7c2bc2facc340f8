"""Servers: a socket to listen on, and an application served on it until the process is stopped."""

import asyncio
import signal
import socket
import threading
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from luxel.errors import LuxelError

HEAD_SECONDS = 20.0
"""Seconds within which a connection must have sent the head of a request, or the rest of one that was answered."""

STALLED_SECONDS = 30.0
"""Seconds within which a client must take what was sent, some 50 kB of it; then its connection is cut."""

KEEP_ALIVE_SECONDS = 30


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections. port: 0 for any that is free. Raises LuxelError when it cannot be opened."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while attempting")[0]  # the address is named already
        raise LuxelError(f"{host}:{port}: {reason}; choose another --port or --host") from error


def server_of(
    app: ASGIApp, *, grace: int | None = None, connections: int | None = None, log_level: str = "warning"
) -> uvicorn.Server:
    """A server for an application, to be given a socket: `run(sockets=[...])`.

    grace: seconds that requests in work may still take once it is stopped; None for no limit.
    connections: open at once; one more is answered 503. None for no limit.
    log_level: of uvicorn.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=_PromptProtocol,
            ws="none",
            log_level=log_level,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=grace,
            limit_concurrency=connections,
        )
    )


def serve_until_stopped(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serves until SIGTERM or Ctrl-C; requests in work are finished. Raises KeyboardInterrupt after Ctrl-C."""
    if threading.current_thread() is threading.main_thread():
        # uvicorn has handlers of its own while it runs, and raises the signal again for this one when it has finished:
        # a server that was stopped in order ends with exit code 0.
        signal.signal(signal.SIGTERM, lambda number, frame: setattr(server, "should_exit", True))
    server.run(sockets=[listener])


class _PromptProtocol(H11Protocol):
    """HTTP/1.1 that closes connections which would be kept open for ever.

    Those whose request does not begin, or does not end though it was answered; and those whose client does not read its
    answer, which stays in memory meanwhile.
    """

    _waiting: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        answered = self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY
        if answered or self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._stop_waiting()

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_SECONDS, self._close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _close(self) -> None:
        self._waiting = None
        with suppress(OSError):
            self.transport.close()
