"""Sessions, invitations and accounts over HTTP."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from luxel.annotate.server.context import COOKIE, Admin, Anybody, Parts, Services, same_origin
from luxel.annotate.store import accounts, audit
from luxel.annotate.store.leases import digest
from luxel.annotate.store.tables import AuditEntry, LoginSession, User

router = APIRouter(prefix="/api")

Secret = Annotated[str, Field(max_length=400)]
Name = Annotated[str, Field(max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Login(_Body):
    """A name and its password."""

    name: Name
    password: Secret


class Acceptance(_Body):
    """An invitation's token and the password of the new account."""

    token: Secret
    password: Secret


class NewInvitation(_Body):
    """Whom to invite."""

    name: Name
    role: accounts.Role = "annotator"


class AccountChange(_Body):
    """What to change; None leaves it."""

    role: accounts.Role | None = None
    active: bool | None = None


class ScreenCheck(_Body):
    """The darkest and brightest steps of the test ramp that a person could distinguish, and the browser's facts."""

    darkest: Annotated[int, Field(ge=0, le=20)]
    brightest: Annotated[int, Field(ge=0, le=20)]
    pixel_ratio: Annotated[float, Field(gt=0, le=20)]
    depth: Annotated[int, Field(ge=1, le=64)]
    wide_gamut: bool
    hdr: bool


def set_cookie(response: Response, services: Services, token: str) -> None:
    """Puts a session into the browser: not for scripts, not sent by other sites."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(accounts.SESSION.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=services.options.https,
        path="/",
    )


def _from_our_pages(request: Request) -> None:
    if not same_origin(request):
        raise HTTPException(403, "this request does not come from a page of this project")


@router.post("/session")
def log_in(body: Login, request: Request, response: Response, services: Parts) -> dict[str, str]:
    """Begins a session."""
    _from_our_pages(request)
    address = request.client.host if request.client else ""
    if not services.logins_of_address.allows(address) or not services.logins_of_name.allows(body.name):
        raise HTTPException(429, "too many attempts; wait a minute")
    with services.database.reading() as session:
        user = accounts.check_login(session, body.name, body.password)
    if user is None:
        raise HTTPException(403, "no account with this name and password")
    with services.database.writing() as session:
        token, row = accounts.begin_session(session, user)
    set_cookie(response, services, token)
    return {"name": user.name, "role": user.role, "csrf": row.csrf}


@router.get("/session")
def show_session(visit: Anybody) -> dict[str, str]:
    """Who is logged in."""
    return {"name": visit.user.name, "role": visit.user.role, "csrf": visit.csrf}


@router.delete("/session")
def log_out(visit: Anybody, response: Response, services: Parts) -> dict[str, str]:
    """Ends the session."""
    with services.database.writing() as session:
        if row := session.get(LoginSession, digest(visit.token)):
            session.delete(row)
    response.delete_cookie(COOKIE, path="/")
    return {}


@router.put("/session/screen")
def keep_screen_check(body: ScreenCheck, visit: Anybody, services: Parts) -> dict[str, str]:
    """Stores the screen check with the session."""
    with services.database.writing() as session:
        if row := session.get(LoginSession, digest(visit.token)):
            row.screen = body.model_dump_json()
        audit.record(session, visit.user.name, "screen check", visit.user.name, **body.model_dump())
    return {}


@router.post("/invitations")
def invite(body: NewInvitation, visit: Admin, services: Parts) -> dict[str, str]:
    """A link that makes one account."""
    with services.database.writing() as session:
        token = accounts.invite(session, body.name, body.role, visit.user.name)
    return {"path": f"/invitation/{token}"}


@router.post("/invitations/accept")
def accept(body: Acceptance, request: Request, response: Response, services: Parts) -> dict[str, str]:
    """Makes the account of an invitation and begins a session."""
    _from_our_pages(request)
    address = request.client.host if request.client else ""
    if not services.logins_of_address.allows(address):
        raise HTTPException(429, "too many attempts; wait a minute")
    with services.database.writing() as session:
        user = accounts.accept_invitation(session, body.token, body.password)
        token, row = accounts.begin_session(session, user)
    set_cookie(response, services, token)
    return {"name": user.name, "role": user.role, "csrf": row.csrf}


@router.get("/users")
def list_users(_: Admin, services: Parts) -> list[dict[str, Any]]:
    """Everybody."""
    with services.database.reading() as session:
        return [
            {"id": u.id, "name": u.name, "role": u.role, "active": u.active, "since": u.created_at}
            for u in session.scalars(select(User).order_by(User.name))
        ]


@router.patch("/users/{user_id}")
def change(user_id: int, body: AccountChange, visit: Admin, services: Parts) -> dict[str, str]:
    """Changes a role, or activates or deactivates an account."""
    with services.database.writing() as session:
        user = session.get_one(User, user_id)
        accounts.change_user(session, user, visit.user.name, role=body.role, active=body.active)
    return {}


@router.get("/audit")
def show_audit(_: Admin, services: Parts, before: int = 0, limit: Annotated[int, Field(ge=1, le=500)] = 100) -> Any:
    """The audit trail, newest first, and whether its chain is sound."""
    with services.database.reading() as session:
        entries = audit.verify_audit(session)
        query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
        if before:
            query = query.where(AuditEntry.id < before)
        rows = [
            {
                "id": e.id,
                "at": e.at,
                "who": e.who,
                "action": e.action,
                "subject": e.subject,
                "detail": json.loads(e.detail),
            }
            for e in session.scalars(query)
        ]
    return {"entries": entries, "sound": True, "rows": rows}
