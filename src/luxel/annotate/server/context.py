"""What request handlers share: the project's parts, and who asks."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request
from sqlalchemy import select

from luxel.annotate.store.accounts import Role, begin_session, may, session_of
from luxel.annotate.store.database import Database
from luxel.annotate.store.log import OperationLog
from luxel.annotate.store.tables import Task, User
from luxel.web.limits import Rate

COOKIE = "luxel_session"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a server is reached.

    https: it is behind TLS, so cookies are for TLS only. host_names: names it answers to, none for all. user_header:
    header in which a proxy says who the person is, "" for passwords. proxies: addresses that may say so.
    requests_per_minute: of one address.
    """

    https: bool = False
    host_names: tuple[str, ...] = ()
    user_header: str = ""
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    requests_per_minute: int = 3000


class Answers:
    """Answers that never change, kept in memory while there is room: pictures and arrays of scenes in work."""

    def __init__(self, max_bytes: int = 256_000_000) -> None:
        self._max, self._size = max_bytes, 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """The answer of this key, made if it is not there. Two may make it at once; they make the same."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._size += len(made) - len(self._kept.pop(key, b""))
            self._kept[key] = made
            while self._size > self._max and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])
        return made


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a running project."""

    database: Database
    dataset: Path
    log: OperationLog
    options: ServerOptions
    answers: Answers = field(default_factory=Answers)
    logins_of_name: Rate = field(default_factory=lambda: Rate(10, 10))
    logins_of_address: Rate = field(default_factory=lambda: Rate(60, 30))


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks. csrf: what their unsafe requests must repeat. fresh_cookie: to be set, for proxies."""

    user: User
    csrf: str
    token: str
    fresh_cookie: bool = False


def services_of(request: Request) -> Services:
    """The parts of the project that serves this request."""
    return cast(Services, request.app.state.services)


def same_origin(request: Request) -> bool:
    """Whether an unsafe request comes from our own pages, as far as the browser says."""
    origin = request.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == request.headers.get("host", "")
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def may_see(visit: Visit, task: Task) -> bool:
    """Whether a person may see a task: their own, or anybody's for adjudicators."""
    return task.user_id == visit.user.id or may(visit.user, "adjudicator")


def visit_of(request: Request) -> Visit | None:
    """Who asks; None without a valid session."""
    services = services_of(request)
    token = request.cookies.get(COOKIE, "")
    with services.database.reading() as session:
        found = session_of(session, token) if token else None
    name = _named_by_proxy(request, services)
    if name is None:
        if services.options.user_header or found is None:
            return None
        return Visit(found[1], found[0].csrf, token)
    if found is not None and found[1].name == name:
        return Visit(found[1], found[0].csrf, token)
    with services.database.writing() as session:
        user = session.scalar(select(User).where(User.name == name, User.active))
        if user is None:
            return None
        token, row = begin_session(session, user)
    return Visit(user, row.csrf, token, fresh_cookie=True)


def visitor(request: Request) -> Visit:
    """Who asks, with the right to ask: 401 without a session, 403 for requests that other sites made."""
    visit = visit_of(request)
    if visit is None:
        raise HTTPException(401, "log in first")
    if request.method not in ("GET", "HEAD") and (
        visit.fresh_cookie or request.headers.get("x-csrf-token") != visit.csrf or not same_origin(request)
    ):
        raise HTTPException(403, "this request does not come from a page of this project; reload the page")
    return visit


def _with_role(role: Role, request: Request) -> Visit:
    visit = visitor(request)
    if not may(visit.user, role):
        raise HTTPException(403, f"only for the role {role}")
    return visit


def _adjudicator(request: Request) -> Visit:
    return _with_role("adjudicator", request)


def _admin(request: Request) -> Visit:
    return _with_role("admin", request)


def _named_by_proxy(request: Request, services: Services) -> str | None:
    header = services.options.user_header
    if not header or request.client is None or request.client.host not in services.options.proxies:
        return None
    return request.headers.get(header)


Parts = Annotated[Services, Depends(services_of)]
Anybody = Annotated[Visit, Depends(visitor)]
Adjudicator = Annotated[Visit, Depends(_adjudicator)]
Admin = Annotated[Visit, Depends(_admin)]
