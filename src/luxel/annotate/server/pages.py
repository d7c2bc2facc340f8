"""Pages: templates of `luxel.annotate.pages`, and the files they refer to, all read when the program starts."""

import hashlib
import mimetypes
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import select

from luxel.annotate.server.context import Parts, Visit, may_see, visit_of
from luxel.annotate.server.people import set_cookie
from luxel.annotate.store.accounts import Role, invitation_of, may
from luxel.annotate.store.tables import Frame, Project, Scene, Submission, Task
from luxel.pages import shared_style

router = APIRouter()

_templates = Environment(
    loader=PackageLoader("luxel.annotate", "pages/templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@cache
def static_files() -> dict[str, tuple[bytes, str, str]]:
    """Name to content, media type and tag of every file that pages refer to."""
    own = files("luxel.annotate.pages").joinpath("static").iterdir()
    contents = {place.name: place.read_bytes() for place in own if place.is_file()}
    contents["dark.css"] = shared_style("dark.css").encode()
    found = {}
    for name, content in contents.items():
        media = mimetypes.guess_type(name)[0] or "application/octet-stream"
        found[name] = (content, media, hashlib.sha256(content).hexdigest()[:32])
    return found


@router.get("/static/{name}")
def static_file(name: str, request: Request) -> Response:
    """One of the known files; a name is looked up, never opened."""
    known = static_files().get(name)
    if known is None:
        return Response(status_code=404)
    content, media, tag = known
    headers = {"etag": f'"{tag}"', "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == f'"{tag}"':
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media, headers=headers)


def _page(request: Request, services: Parts, name: str, role: Role = "annotator", **facts: Any) -> Response:
    visit = visit_of(request)
    if visit is None:
        if services.options.user_header:
            return _render(services, None, "no_access.html", status=403)
        return RedirectResponse("/login", 303)
    if not may(visit.user, role):
        return _render(services, visit, "forbidden.html", status=403, role=role)
    response = _render(services, visit, name, **facts)
    if visit.fresh_cookie:
        set_cookie(response, services, visit.token)
    return response


def _render(services: Parts, visit: Visit | None, name: str, status: int = 200, **facts: Any) -> Response:
    with services.database.reading() as session:
        project = session.get_one(Project, 1).name
    user = None if visit is None else visit.user
    text = _templates.get_template(name).render(
        project=project,
        user=user,
        csrf="" if visit is None else visit.csrf,
        leads=user is not None and may(user, "adjudicator"),
        rules=user is not None and may(user, "admin"),
        **facts,
    )
    return HTMLResponse(text, status)


@router.get("/login")
def login_page(services: Parts) -> Response:
    """Name and password."""
    return _render(services, None, "login.html")


@router.get("/invitation/{token}")
def invitation_page(token: str, services: Parts) -> Response:
    """Choosing a password."""
    with services.database.reading() as session:
        invitation = invitation_of(session, token)
    return _render(services, None, "invitation.html", invitation=invitation, token=token)


@router.get("/")
def home_page(request: Request, services: Parts) -> Response:
    """The person's tasks."""
    return _page(request, services, "tasks.html")


@router.get("/task/{task_id}")
def task_page(task_id: int, request: Request, services: Parts) -> Response:
    """The workplace."""
    with services.database.reading() as session:
        task = session.get_one(Task, task_id)
        scene = session.get_one(Scene, task.scene_id).name
        level = "" if task.frame_id is None else session.get_one(Frame, task.frame_id).level
        last = select(Submission).where(Submission.task_id == task_id).order_by(Submission.id.desc())
        submission = session.scalars(last).first()
    visit = visit_of(request)
    if visit is not None and not may_see(visit, task):
        return _render(services, visit, "forbidden.html", status=403, role="of its own annotator")
    return _page(
        request,
        services,
        "workplace.html",
        task_id=task_id,
        kind=task.kind,
        heading=f"Map of {scene}, {level}" if level else f"Reference of {scene}",
        reason=submission.reason if submission is not None and task.state == "returned" else "",
        blank=task.start_id is None,
    )


@router.get("/help")
def help_page(request: Request, services: Parts) -> Response:
    """Keys, and what is asked for."""
    return _page(request, services, "help.html")


@router.get("/screen")
def screen_page(request: Request, services: Parts) -> Response:
    """The screen check."""
    return _page(request, services, "screen.html")


@router.get("/progress")
def progress_page(request: Request, services: Parts) -> Response:
    """Progress by person."""
    return _page(request, services, "progress.html", "adjudicator")


@router.get("/adjudication")
def adjudication_page(request: Request, services: Parts) -> Response:
    """What was submitted."""
    return _page(request, services, "adjudication.html", "adjudicator")


@router.get("/adjudication/{scene_id}/{frame_id}")
def target_page(scene_id: int, frame_id: int, request: Request, services: Parts) -> Response:
    """Opinions side by side."""
    return _page(request, services, "target.html", "adjudicator", scene_id=scene_id, frame_id=frame_id)


@router.get("/agreement")
def agreement_page(request: Request, services: Parts) -> Response:
    """Agreement of experts."""
    return _page(request, services, "agreement.html", "adjudicator")


@router.get("/people")
def people_page(request: Request, services: Parts) -> Response:
    """Accounts, invitations, audit trail."""
    return _page(request, services, "people.html", "admin")
