"""The service from its options to a running server that ends in order."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from luxel.errors import LuxelError
from luxel.serve.app import make_app
from luxel.serve.options import ServiceOptions
from luxel.web.listening import listen, serve_until_stopped, server_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where a service listens, and how it ends.

    connections: open at once; one more is answered 503. grace: seconds that requests in progress may still take once
    the service is stopped.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    connections: int = 1000
    grace: int = 30


def serve_pictures(
    options: ServiceOptions, reach: Reach, *, say: Callable[[str], None], log: Callable[[str], None]
) -> None:
    """Serves until SIGTERM or Ctrl-C, and finishes what is in progress.

    say: gets the address. log: gets a line of JSON for each request.
    Raises LuxelError when the port cannot be opened, or no process can work (any more).
    """
    listener = listen(reach.host, reach.port)
    failures: list[LuxelError] = []

    def failed(error: LuxelError) -> None:
        failures.append(error)
        server.should_exit = True

    app = make_app(
        options,
        log=lambda facts: log(json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **facts})),
        failed=failed,
    )
    server = server_of(app, grace=reach.grace, connections=reach.connections)
    shown = f"[{reach.host}]" if ":" in reach.host else reach.host
    say(f"serving at http://{shown}:{listener.getsockname()[1]}")
    serve_until_stopped(server, listener)
    if failures:
        raise failures[0]
