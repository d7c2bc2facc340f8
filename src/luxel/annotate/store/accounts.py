"""People, passwords, invitations and sessions. Owner of argon2. Secrets are stored as hashes only."""

import secrets
from datetime import timedelta
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from luxel.annotate.store import audit
from luxel.annotate.store.leases import digest
from luxel.annotate.store.tables import Invitation, LoginSession, User, now, stamp

Role = Literal["annotator", "adjudicator", "admin"]
ROLES: tuple[Role, ...] = ("annotator", "adjudicator", "admin")
"""Each may do what those before may."""

SESSION = timedelta(days=7)
INVITATION = timedelta(days=14)
MIN_PASSWORD, MAX_PASSWORD = 10, 200
MAX_NAME = 80

_hasher = PasswordHasher()
# Of nobody's password: a name that does not exist takes as long as a wrong password.
_nobody = _hasher.hash(secrets.token_hex(16))


class AccountError(ValueError):
    """What an account cannot be or have, for the person to correct."""


def checked_name(name: str) -> str:
    """A person's name as it is stored. Raises AccountError for one that is empty, long, or not printable.

    The dataset's files join names by ";" and ",", so a name has neither.
    """
    cleaned = " ".join(name.split())
    if not cleaned or len(cleaned) > MAX_NAME or not cleaned.isprintable() or set(cleaned) & set(",;/\\"):
        raise AccountError(
            f"{name[:40]!r}: a name has 1 to {MAX_NAME} printable characters, no comma, semicolon or slash"
        )
    if cleaned.lower() in ("rules", audit.COMMAND_LINE):
        raise AccountError(f"{cleaned!r} is a reserved name; choose another")
    return cleaned


def invite(session: Session, name: str, role: Role, by: str) -> str:
    """The token of a new invitation; who has it makes the account. Raises AccountError for a name that is taken."""
    name = checked_name(name)
    if session.scalar(select(User).where(User.name == name)) is not None:
        raise AccountError(f"{name!r} already has an account")
    token = secrets.token_urlsafe(24)
    created = now()
    session.add(
        Invitation(
            token_sha256=digest(token),
            name=name,
            role=role,
            made_by=by,
            created_at=stamp(created),
            expires_at=stamp(created + INVITATION),
        )
    )
    audit.record(session, by, "invite", name, role=role)
    return token


def invitation_of(session: Session, token: str) -> Invitation | None:
    """An invitation that can still be used."""
    found = session.get(Invitation, digest(token))
    return found if found is not None and found.used_at is None and found.expires_at > stamp(now()) else None


def accept_invitation(session: Session, token: str, password: str) -> User:
    """Makes the account of an invitation. Raises AccountError: used, too old, or no password to rely on."""
    invitation = invitation_of(session, token)
    if invitation is None:
        raise AccountError("this invitation was used or is too old; ask for another")
    user = add_user(session, invitation.name, invitation.role, password)
    invitation.used_at = stamp(now())
    audit.record(session, user.name, "accept invitation", user.name, role=user.role)
    return user


def add_user(session: Session, name: str, role: str, password: str | None) -> User:
    """A new person. password: None where a proxy says who it is. Raises AccountError."""
    name = checked_name(name)
    if role not in ROLES:
        raise AccountError(f"{role!r}: roles are {', '.join(ROLES)}")
    if session.scalar(select(User).where(User.name == name)) is not None:
        raise AccountError(f"{name!r} already has an account")
    hashed = None if password is None else _hasher.hash(checked_password(password))
    user = User(name=name, role=role, password_hash=hashed, created_at=stamp(now()))
    session.add(user)
    session.flush()
    return user


def checked_password(password: str) -> str:
    """Raises AccountError for a password that is short or very long."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccountError(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    return password


def check_login(session: Session, name: str, password: str) -> User | None:
    """The person with this name and password, None if there is none."""
    user = session.scalar(select(User).where(User.name == " ".join(name.split())))
    stored = user.password_hash if user is not None and user.password_hash else _nobody
    try:
        _hasher.verify(stored, password[:MAX_PASSWORD])
    except (VerificationError, InvalidHashError):
        return None
    return user if user is not None and user.active and user.password_hash else None


def begin_session(session: Session, user: User) -> tuple[str, LoginSession]:
    """A new session: the token for the cookie, and what is stored of it. Old ones of everybody are removed."""
    session.execute(delete(LoginSession).where(LoginSession.expires_at < stamp(now())))
    token, created = secrets.token_urlsafe(32), now()
    row = LoginSession(
        token_sha256=digest(token),
        user_id=user.id,
        csrf=secrets.token_urlsafe(24),
        created_at=stamp(created),
        expires_at=stamp(created + SESSION),
    )
    session.add(row)
    audit.record(session, user.name, "log in", user.name)
    return token, row


def session_of(session: Session, token: str) -> tuple[LoginSession, User] | None:
    """A session that is valid, and its person."""
    row = session.get(LoginSession, digest(token))
    if row is None or row.expires_at < stamp(now()):
        return None
    user = session.get_one(User, row.user_id)
    return (row, user) if user.active else None


def end_sessions(session: Session, user: User) -> None:
    """Logs a person out everywhere."""
    session.execute(delete(LoginSession).where(LoginSession.user_id == user.id))


def change_user(session: Session, user: User, by: str, *, role: str | None = None, active: bool | None = None) -> None:
    """Changes a person's role, or whether the account is active.

    Raises AccountError where no administrator would remain.
    """
    if role is not None and role not in ROLES:
        raise AccountError(f"{role!r}: roles are {', '.join(ROLES)}")
    admins = select(func.count()).select_from(User).where(User.role == "admin", User.active, User.id != user.id)
    loses = user.role == "admin" and (active is False or role not in (None, "admin"))
    if loses and not session.scalar(admins):
        raise AccountError(f"{user.name} is the only administrator")
    user.role = role or user.role
    if active is not None:
        user.active = active
        if not active:
            end_sessions(session, user)
    audit.record(session, by, "change account", user.name, role=user.role, active=user.active)


def may(user: User, role: Role) -> bool:
    """Whether a person has this role or a higher one."""
    return ROLES.index(user.role) >= ROLES.index(role) if user.role in ROLES else False
