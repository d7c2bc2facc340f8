"""The application: routes, errors as answers, health and counts."""

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, NoResultFound
from starlette.middleware.trustedhost import TrustedHostMiddleware

from luxel import __version__
from luxel.annotate.editing.operations import OperationError
from luxel.annotate.server import assets, leading, pages, people, tasks
from luxel.annotate.server.context import Parts, ServerOptions, Services
from luxel.annotate.store.accounts import AccountError
from luxel.annotate.store.database import Database, StoreFull
from luxel.annotate.store.leases import StaleLease, TaskClosed, TaskTaken
from luxel.annotate.store.log import OperationLog, OutOfStep
from luxel.annotate.store.submissions import Incomplete, WrongState
from luxel.annotate.store.tables import OperationRow, Submission, Task
from luxel.errors import LuxelError
from luxel.web.limits import Limits, Rate

MAX_BODY = 4_000_000
"""Bytes of a request: a hundred long strokes."""

_STATUS: dict[type[Exception], int] = {
    StaleLease: 410,
    TaskClosed: 409,
    WrongState: 409,
    OperationError: 422,
    Incomplete: 422,
    AccountError: 422,
    StoreFull: 507,
    LuxelError: 409,
}


def make_app(database: Database, dataset: Path, options: ServerOptions = ServerOptions()) -> FastAPI:
    """The application over a database and the dataset's folder. options: how it is reached."""
    app = FastAPI(title="luxel annotate", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.services = Services(database, dataset, OperationLog(database), options)
    for part in (people, tasks, assets, leading, pages):
        app.include_router(part.router)
    app.get("/healthz")(_healthy)
    app.get("/readyz")(_ready)
    app.get("/metrics")(_metrics)
    for kind, status in _STATUS.items():
        app.add_exception_handler(kind, _answering(status))
    app.add_exception_handler(TaskTaken, _taken)
    app.add_exception_handler(OutOfStep, _out_of_step)
    app.add_exception_handler(NoResultFound, _absent)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(options.host_names) or ["*"])
    rate = Rate(options.requests_per_minute, options.requests_per_minute // 4)
    app.add_middleware(Limits, max_body=MAX_BODY, rate=rate)
    return app


def _answering(status: int) -> Callable[[Request, Exception], Response]:
    def answer(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status)

    return answer


def _taken(_: Request, error: Exception) -> Response:
    assert isinstance(error, TaskTaken)
    return JSONResponse({"error": str(error), "holder": error.holder, "until": error.until}, 409)


def _out_of_step(_: Request, error: Exception) -> Response:
    assert isinstance(error, OutOfStep)
    return JSONResponse({"error": str(error), "server_seq": error.seq, "ops_since": error.missed}, 409)


def _absent(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": "not found in this project"}, 404)


def _healthy() -> dict[str, str]:
    return {"status": "ok", "version": __version__}


def _ready(services: Parts) -> Response:
    try:
        with services.database.reading() as session:
            session.execute(text("SELECT 1"))
    except DBAPIError:
        return JSONResponse({"status": "the database does not answer"}, 503)
    return JSONResponse({"status": "ok"})


def _metrics(services: Parts) -> Response:
    """Counts in the text format of Prometheus; nothing of who or what."""
    with services.database.reading() as session:
        lines = [
            f"luxel_annotate_operations {session.scalar(select(func.count()).select_from(OperationRow))}",
            f"luxel_annotate_submissions {session.scalar(select(func.count()).select_from(Submission))}",
        ]
        for state, count in session.execute(select(Task.state, func.count()).group_by(Task.state)):
            lines.append(f'luxel_annotate_tasks{{state="{state}"}} {count}')
    return PlainTextResponse("\n".join(lines) + "\n")
