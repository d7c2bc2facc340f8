"""One database: SQLite with write-ahead log and `synchronous = FULL`, or PostgreSQL. Owner of SQLAlchemy engines.

A commit that returned is on the disk. On SQLite a writing transaction takes the write lock when it begins, so that what
it read is still true when it writes; on PostgreSQL the rows that a transaction depends on are locked by name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

from luxel.errors import DatasetError

FILE = "annotation.sqlite3"
"""Name of the embedded database in a dataset's folder."""

BUSY_S = 30
"""Seconds that a transaction waits for the write lock of SQLite."""


class StoreFull(Exception):
    """The database cannot take more: disk full, quota, read-only. Nothing of the transaction was stored."""


class Database:
    """A database of a known address, with its tables at the newest version."""

    def __init__(self, url: str) -> None:
        """url: as SQLAlchemy has it, "sqlite:///file" or "postgresql://user@host/name".

        Raises DatasetError for an address that cannot be opened.
        """
        try:
            parsed = make_url(url)
            if parsed.drivername == "postgresql":
                parsed = parsed.set(drivername="postgresql+psycopg")
            self.lite = parsed.get_backend_name() == "sqlite"
            options: dict[str, Any] = {} if self.lite else {"pool_pre_ping": True}
            engine = create_engine(parsed, pool_size=20, max_overflow=30, **options)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise DatasetError(
                f"{url}: not an address of a database ({str(error).splitlines()[0]}); "
                "give sqlite:///FILE, or postgresql://USER@HOST/NAME with pip install 'luxel[annotate-postgresql]'"
            ) from error
        if self.lite:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        self.url = parsed.render_as_string(hide_password=True)
        self.engine = engine
        self._writer = engine.execution_options(luxel_writes=True)
        self._migrate()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads, of one moment."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are on the disk when the block has ended, all or none.

        Raises StoreFull when the disk does not take them.
        """
        try:
            with Session(self._writer, expire_on_commit=False) as session, session.begin():
                yield session
        except DBAPIError as error:
            if _is_full(error):
                raise StoreFull(str(error.orig)) from error
            raise

    def close(self) -> None:
        """Ends all connections."""
        self.engine.dispose()

    def _migrate(self) -> None:
        try:
            with as_file(files("luxel.annotate").joinpath("migrations")) as place, self._writer.begin() as connection:
                settings = alembic.config.Config()
                settings.set_main_option("script_location", str(place).replace("%", "%%"))
                settings.attributes["connection"] = connection
                alembic.command.upgrade(settings, "head")
        except DBAPIError as error:
            raise DatasetError(f"{self.url}: cannot be opened: {str(error.orig).splitlines()[0]}") from error


def beside(dataset: Path) -> str:
    """The address of the embedded database of a dataset's folder."""
    return f"sqlite:///{(dataset / FILE).resolve()}"


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin as `_begin_sqlite` says, not as the driver guesses
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", f"busy_timeout = {BUSY_S * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    writes = connection.get_execution_options().get("luxel_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_full(error: DBAPIError) -> bool:
    text = str(error.orig).lower()
    return any(words in text for words in ("disk is full", "disk i/o error", "readonly database", "no space left"))
