"""The application on a dataset's folder, from its parts to a running server."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from luxel.annotate.server.app import make_app
from luxel.annotate.server.context import ServerOptions
from luxel.annotate.store.accounts import AccountError, Role, add_user, invite
from luxel.annotate.store.audit import COMMAND_LINE, record
from luxel.annotate.store.config import Config
from luxel.annotate.store.database import Database, beside
from luxel.annotate.store.project import synchronise
from luxel.annotate.store.tables import Project, User
from luxel.errors import DatasetError
from luxel.web.listening import listen, serve_until_stopped, server_of

LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens. server: how it is reached."""

    host: str = "127.0.0.1"
    port: int = 8765
    server: ServerOptions = field(default_factory=ServerOptions)

    @property
    def url(self) -> str:
        """For a browser."""
        name = self.server.host_names[0] if self.server.host_names and self.host not in LOCAL else self.host
        shown = f"[{name}]" if ":" in name else name
        return f"{'https' if self.server.https else 'http'}://{shown}" + ("" if self.server.https else f":{self.port}")


def open_database(dataset: Path, url: str | None) -> Database:
    """The project's database: the one at `url`, or the embedded one in the dataset's folder."""
    return Database(url or beside(dataset))


def changed_config(database: Database, changes: Mapping[str, Any]) -> Config | None:
    """The project's settings with changes; None where there are none. Raises DatasetError for a wrong value."""
    if not changes:
        return None
    with database.reading() as session:
        project = session.get(Project, 1)
        there = Config() if project is None else Config.model_validate_json(project.config)
    try:
        return Config.model_validate({**there.model_dump(), **changes})
    except ValueError as error:
        raise DatasetError(f"settings of the project: {error}") from error


def invite_person(database: Database, name: str, role: Role) -> str:
    """The token of a new invitation. Raises DatasetError for a name that is not available, or without a project."""
    with _accounts(database) as session:
        return invite(session, name, role, COMMAND_LINE)


def add_account(database: Database, name: str, role: Role) -> None:
    """Makes an account without a password. Raises DatasetError as `invite_person` does."""
    with _accounts(database) as session:
        add_user(session, name, role, None)
        record(session, COMMAND_LINE, "add account", name, role=role)


@contextmanager
def _accounts(database: Database) -> Iterator[Session]:
    try:
        with database.writing() as session:
            if session.get(Project, 1) is None:
                raise DatasetError(f"{database.url}: has no project yet; start luxel annotate DATASET once")
            yield session
    except AccountError as error:
        raise DatasetError(str(error)) from error


def serve_project(
    dataset: Path,
    address: Address = Address(),
    *,
    database_url: str | None = None,
    changes: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda scene: None,
    say: Callable[[str], None] = lambda message: print(message, file=sys.stderr),
) -> None:
    """Brings the database in step with the dataset and serves it until it is stopped.

    database_url: None for the embedded database. changes: settings of `Config` to change. progress: called with each
    scene. say: gets the address and, as long as no account exists, a link that makes the first administrator.
    Raises LuxelError when the port cannot be opened.
    """
    database = open_database(dataset, database_url)
    synchronise(database, dataset, changed_config(database, changes or {}), progress=progress)
    listener = listen(address.host, address.port)
    with database.writing() as session:
        empty = not session.scalar(select(func.count()).select_from(User))
        token = invite(session, "admin", "admin", COMMAND_LINE) if empty else ""
    say(f"serving {dataset} at {address.url}")
    if token:
        say(f"no account exists yet; the first administrator opens {address.url}/invitation/{token}")
    try:
        serve_until_stopped(server_of(make_app(database, dataset, address.server)), listener)
    finally:
        database.close()
