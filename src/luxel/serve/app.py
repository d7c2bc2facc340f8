"""The application: routes, errors as answers, health and counts."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from hashlib import sha256
from importlib.resources import files
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette import exceptions
from starlette.types import ASGIApp

from luxel import __version__
from luxel.criteria import load, names
from luxel.errors import LuxelError
from luxel.jobs.processes import TaskError
from luxel.serve import answers
from luxel.serve.accepting import PNG_TYPE, wanted_map
from luxel.serve.admission import Admission
from luxel.serve.intake import Intake
from luxel.serve.metrics import CONTENT_TYPE, Metrics
from luxel.serve.middleware import Log, Requests
from luxel.serve.options import ServiceOptions
from luxel.serve.work import DEFAULT_CRITERIA, Order, Result, ScoreOrder, start
from luxel.serve.workers import Outcome, Workers
from luxel.web.limits import Limits

T = TypeVar("T")

FIGURES_HEADER = "Luxel-Assessment"
ROWS_TYPE = "application/x-ndjson"

_FETCHERS = 4
_PIECE = 1 << 18
_ABOUT = "Exposure of photographs: score, areas, advice and the residual map. Pictures are not kept."

CriteriaQuery = Annotated[
    str, Query(description="Name of known criteria (`/v1/criteria`); a part `criteria` (TOML) takes their place.")
]
AnswersQuery = Annotated[
    Sequence[str], Query(description="QUESTION=yes or QUESTION=no for a question of the criteria.", alias="answer")
]


def make_app(
    options: ServiceOptions,
    *,
    log: Log = lambda facts: None,
    failed: Callable[[LuxelError], None] = lambda error: None,
    begin: Callable[..., Callable[[Order | None], Result]] = start,
) -> ASGIApp:
    """The application.

    log: gets the facts of every request.
    failed: called when no process can work any more, so that the service ends.
    begin: what each process begins with.
    Raises LuxelError for options that cannot be used.
    """
    admission = Admission(max_pictures=options.queue, max_bytes=options.max_buffered, workers=options.workers)
    metrics = Metrics(admission)
    fetchers = ThreadPoolExecutor(_FETCHERS, thread_name_prefix="luxel fetch")
    service = Service(options, Intake(options, fetchers), Workers(options, admission, metrics, begin=begin), failed)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(service.warm_up())
        yield
        warming.cancel()
        with suppress(asyncio.CancelledError):
            await warming
        fetchers.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(service.workers.close)

    # No pages of FastAPI's own: they load scripts from other servers.
    app = FastAPI(
        title="luxel", version=__version__, description=_ABOUT, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.post("/v1/assess", responses=answers.assessed(), openapi_extra=answers.body(), response_model=None)(
        service.assess
    )
    app.post(
        "/v1/score",
        responses=answers.scored(),
        openapi_extra=answers.body(beside=("regions", "criteria")),
        response_model=None,
    )(service.score)
    app.post("/v1/batch", responses=answers.batch(), openapi_extra=answers.body(many=True), response_model=None)(
        service.batch
    )
    app.get("/v1/criteria")(service.criteria)
    app.get("/", include_in_schema=False)(drop_page)
    app.get("/healthz")(healthy)
    app.get("/readyz", response_model=None)(service.readiness)
    app.get("/metrics", include_in_schema=False)(lambda: Response(metrics.text(), media_type=CONTENT_TYPE))
    app.add_exception_handler(exceptions.HTTPException, _rejected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    return Requests(Limits(app, max_body=options.max_body), admission, metrics, log)


class Service:
    """What routes share."""

    def __init__(
        self, options: ServiceOptions, intake: Intake, workers: Workers, failed: Callable[[LuxelError], None]
    ) -> None:
        self.workers = workers
        self._options, self._intake, self._failed = options, intake, failed
        self._criteria = {name: load(name).title for name in names()}
        self._criteria |= {name: load(file).title for name, file in options.criteria.items()}

    async def warm_up(self) -> None:
        """Starts the processes."""
        try:
            await self.workers.warm_up()
        except LuxelError as error:
            self._failed(error)

    async def assess(
        self,
        request: Request,
        full_size: Annotated[bool, Query(description="Draw the map at the picture's size, not a screen's.")] = False,
    ) -> Response:
        """Assess one picture: figures, or with `Accept: image/png` its map.

        The picture is the body itself, or the part `image` of a multipart body. `Accept: image/png` gives the heat map,
        `image/png;map=residual` the residual map in 16 bit at full size, `map=overlay` and `map=tinted` the picture
        with it. The answer with a map has the figures in the header `Luxel-Assessment`.
        """
        wanted = wanted_map(request.headers.get("accept", ""))
        upload = await self._intake.one(request)
        name, image = upload.images[0]
        result = await self._done(request, Order(image=image, name=name, map=wanted, full_size=full_size))
        if result.drawing is None:
            return JSONResponse(result.facts)
        kind = PNG_TYPE if wanted is None else f"{PNG_TYPE};map={wanted}"
        request.state.claim.keep_bytes(len(result.drawing))
        headers = {FIGURES_HEADER: json.dumps(result.facts), "Content-Length": str(len(result.drawing))}
        return StreamingResponse(_pieces(result.drawing), media_type=kind, headers=headers)

    async def score(
        self, request: Request, criteria: CriteriaQuery = DEFAULT_CRITERIA, answer: AnswersQuery = ()
    ) -> Response:
        """Score one picture by criteria.

        Parts beside the picture: `criteria`, a criteria file of your own; `regions`, a label picture or COCO JSON.
        """
        given = _answers(answer)
        if criteria not in self._criteria:
            raise HTTPException(422, f"no criteria {criteria[:80]!r}; there are {', '.join(self._criteria)}")
        upload = await self._intake.one(request)
        name, image = upload.images[0]
        order = ScoreOrder(criteria=upload.criteria or criteria, regions=upload.regions, answers=given)
        return JSONResponse((await self._done(request, Order(image=image, name=name, score=order))).facts)

    async def batch(self, request: Request) -> Response:
        """Assess several pictures: one JSON line for each, in their order; one that cannot be assessed has `error`."""
        upload = await self._intake.many(request)
        claim = request.state.claim

        async def lines() -> AsyncIterator[bytes]:
            orders = [Order(image=image, name=name) for name, image in upload.images]
            upload.images.clear()
            async with aclosing(_in_order(orders, self._do, self._options.workers)) as outcomes:
                async for order, outcome in outcomes:
                    claim.picture_done()
                    facts = outcome.facts if isinstance(outcome, Result) else {"name": order.name or None}
                    error = outcome.reason if isinstance(outcome, TaskError) else outcome.error
                    yield json.dumps({**facts, "error": error}).encode() + b"\n"

        return StreamingResponse(lines(), media_type=ROWS_TYPE)

    def criteria(self) -> dict[str, str]:
        """Names and titles of the criteria that `/v1/score` knows."""
        return self._criteria

    def readiness(self) -> Response:
        """Whether pictures are assessed now: 200, or 503 while the network is loaded and at the end."""
        if self.workers.ready:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "no process can work yet"}, 503, headers={"Retry-After": "2"})

    async def _done(self, request: Request, order: Order) -> Result:
        """The result of a request's only picture. Raises HTTPException where there is none."""
        outcome = await _unless_gone(request, self._do(order))
        request.state.claim.picture_done()
        if isinstance(outcome, TaskError):
            raise HTTPException(504 if outcome.kind == "timeout" else 500, f"the picture {outcome.reason}")
        if outcome.error is not None:
            raise HTTPException(500 if outcome.fault else 422, outcome.error)
        return outcome

    async def _do(self, order: Order) -> Outcome:
        try:
            return await self.workers.do(order)
        except Exception as error:
            self.workers.ready = False
            self._failed(error if isinstance(error, LuxelError) else LuxelError(f"the processes failed: {error!r}"))
            raise HTTPException(503, "no process can work any more; the service ends") from error


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    """Data as fast as its client takes it, so that the request lasts as long as the data is in memory."""
    for place in range(0, len(data), _PIECE):
        yield data[place : place + _PIECE]


def healthy() -> dict[str, str]:
    """Whether the server answers at all."""
    return {"status": "ok", "version": __version__}


def drop_page() -> HTMLResponse:
    """A page that shows the map of a picture dropped on it."""
    text = files("luxel.serve").joinpath("drop.html").read_text(encoding="utf-8")
    policy = "default-src 'none'; img-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; " + "; ".join(
        [*(f"{kind}-src '{_hash_of(text, kind)}'" for kind in ("style", "script")), "frame-ancestors 'none'"]
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": policy})


def _hash_of(page: str, element: str) -> str:
    """Hash of the content of the page's one element of a kind, by which a browser runs it and nothing else."""
    (content,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
    return "sha256-" + b64encode(sha256(content.encode()).digest()).decode()


def _answers(given: Sequence[str]) -> dict[str, bool]:
    answers = {}
    for text in given:
        question, _, word = text.partition("=")
        if word.lower() not in ("yes", "no"):
            raise HTTPException(422, f"answer={text[:80]!r}: write QUESTION=yes or QUESTION=no")
        answers[question] = word.lower() == "yes"
    return answers


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; it is cancelled when the client goes away."""
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise HTTPException(499, "the client disconnected")
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _in_order(
    orders: list[Order], do: Callable[[Order], Coroutine[Any, Any, Outcome]], at_once: int
) -> AsyncGenerator[tuple[Order, Outcome]]:
    """Each order and its outcome, in order; a few are in work at once, so that other requests get their turn."""
    running: list[tuple[Order, asyncio.Task[Outcome]]] = []
    waiting = iter(orders)
    try:
        while True:
            for order in waiting:
                running.append((order, asyncio.create_task(do(order))))
                if len(running) > at_once:
                    break
            if not running:
                return
            order, task = running[0]
            outcome = await task
            del running[0]
            yield order, outcome
    finally:
        for _, task in running:
            task.cancel()


def _problem(request: Request, status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    request.state.claim.release()  # now, because a client may take its time to read this
    return JSONResponse({"error": text, "request_id": request.state.request_id}, status, headers=headers)


def _rejected(request: Request, error: Exception) -> Response:
    assert isinstance(error, exceptions.HTTPException)
    return _problem(request, error.status_code, str(error.detail), dict(error.headers or {}))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return _problem(request, 422, f"{place}: {first['msg']}")


def _failed(request: Request, _: Exception) -> Response:
    return _problem(request, 500, "unexpected error; the log of the service has it under this request id")
