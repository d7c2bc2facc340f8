"""A project as one file: backup, restore, and moving between SQLite and PostgreSQL.

A zip archive with one file of JSON lines for each table, rows in the order of their keys, bytes as base64, fixed times:
the same content gives the same bytes. It is read in one transaction, so it can be taken while people work. Sessions are
left out: whoever is logged in logs in again.
"""

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import LargeBinary, func, insert, inspect, select, text
from sqlalchemy.orm import Session

from luxel.annotate.store import audit
from luxel.annotate.store.database import Database
from luxel.annotate.store.log import verify_log
from luxel.annotate.store.tables import Base, LoginSession, Task
from luxel.errors import DatasetError
from luxel.jobs.atomic import writing_file

FORMAT = 1
_CONTENTS = "contents.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_ROWS = 500


def back_up(database: Database, out: Path) -> dict[str, int]:
    """Writes a project into an archive, atomically; returns table to number of rows.

    Raises DatasetError when the disk does not take it, or when a log in the database was changed.
    """
    counts: dict[str, int] = {}
    sums: dict[str, str] = {}
    try:
        with database.reading() as session, writing_file(out, sync=True) as file:
            if not database.lite:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            verify(session)
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                for table in _tables():
                    digest, counts[table.name] = hashlib.sha256(), 0
                    with archive.open(zipfile.ZipInfo(f"{table.name}.jsonl", _EPOCH), "w", force_zip64=True) as part:
                        for line in _lines(session, table):
                            part.write(line)
                            digest.update(line)
                            counts[table.name] += 1
                    sums[table.name] = digest.hexdigest()
                contents = {"format": FORMAT, "rows": counts, "sha256": sums}
                archive.writestr(zipfile.ZipInfo(_CONTENTS, _EPOCH), json.dumps(contents, indent=1, sort_keys=True))
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written: {error.strerror or error}") from error
    return counts


def restore_archive(database: Database, archive_file: Path) -> dict[str, int]:
    """Fills an empty database from an archive, all of it or nothing; returns table to number of rows.

    Raises DatasetError: the database holds something, or the file is not a sound archive of this format.
    """
    try:
        with zipfile.ZipFile(archive_file) as archive:
            contents = json.loads(archive.read(_CONTENTS))
            if contents["format"] != FORMAT:
                raise DatasetError(f"{archive_file}: format {contents['format']}, this luxel reads {FORMAT}")
            with database.writing() as session:
                _require_empty(session, database.url)
                for table in _tables():
                    _fill(session, table, archive, contents["sha256"][table.name], archive_file)
                if not database.lite:
                    _continue_numbers(session)
                verify(session)
            return {str(name): int(count) for name, count in contents["rows"].items()}
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise DatasetError(f"{archive_file}: not an archive of a project ({error})") from error


def verify(session: Session) -> int:
    """Checks the audit trail and every task's log; returns the number of operations. Raises DatasetError."""
    audit.verify_audit(session)
    return sum(verify_log(session, task) for task in session.scalars(select(Task).where(Task.seq > 0)))


def _tables() -> list[Any]:
    return [table for table in Base.metadata.sorted_tables if table.name != LoginSession.__tablename__]


def _lines(session: Session, table: Any) -> Iterator[bytes]:
    rows = session.execute(select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_ROWS))
    for row in rows.mappings():
        plain = {
            name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in row.items()
        }
        yield json.dumps(plain, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _fill(session: Session, table: Any, archive: zipfile.ZipFile, sha256: str, place: Path) -> None:
    blobs = {column.name for column in table.columns if isinstance(column.type, LargeBinary)}
    digest = hashlib.sha256()
    rows: list[dict[str, Any]] = []
    with archive.open(f"{table.name}.jsonl") as part:
        for line in part:
            digest.update(line)
            row = json.loads(line)
            rows.append({n: base64.b64decode(v) if n in blobs and v is not None else v for n, v in row.items()})
            if len(rows) == _ROWS:
                session.execute(insert(table), rows)
                rows = []
    if rows:
        session.execute(insert(table), rows)
    if digest.hexdigest() != sha256:
        raise DatasetError(f"{place}: {table.name} was changed since it was written; use another backup")


def _require_empty(session: Session, url: str) -> None:
    for table in _tables():
        if session.scalar(select(func.count()).select_from(table)):
            raise DatasetError(f"{url}: holds a project; restore into a new database")


def _continue_numbers(session: Session) -> None:
    """PostgreSQL counts new rows by itself; it continues after the restored ones."""
    for table in _tables():
        key = inspect(table).primary_key.columns.values()[0]
        if key.name == "id":
            names = {"table": table.name}
            session.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence(:table, 'id'), "
                    f"(SELECT COALESCE(MAX(id), 0) + 1 FROM {table.name}), false)"
                ),
                names,
            )
