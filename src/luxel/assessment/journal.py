"""`results.jsonl`: one line per picture, written as it comes, so that a killed run resumes where it stopped."""

import json
import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Self

from luxel.errors import LuxelError
from luxel.jobs.atomic import writing_file
from luxel.jobs.file_list import Found
from luxel.jobs.lock import locked

Row = dict[str, Any]
"""One picture's result as plain JSON values: `path`, the values of `Assessment.to_dict`, `outputs`, `error`."""

FILE_NAME = "results.jsonl"

_STAMP_KEY = "resume"
_SYNC_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Stamp:
    """What must be unchanged for an earlier row to stand: the file as it was, and everything that decides its row.

    file: absolute path or URL. bytes, mtime_ns: size and modification time, -1 for a missing file and for URLs.
    settings: fingerprint.
    name: output name the row's files were written under.
    """

    file: str
    bytes: int
    mtime_ns: int
    settings: str
    name: str

    @classmethod
    def of(cls, picture: Found, settings: str) -> Self:
        """The stamp of a file as it is now.

        A URL is taken as one that always names the same content: asking each before a run resumes would take longer
        than the run.
        """
        file = key_of(picture)
        try:
            status = picture.path.stat() if picture.url is None else None
        except OSError:
            # Missing or out of reach: the reader will say why, and no row ever stands for it.
            status = None
        if status is None:
            return cls(file, -1, -1, settings, picture.name)
        return cls(file, status.st_size, status.st_mtime_ns, settings, picture.name)


def key_of(picture: Found) -> str:
    """Under what a picture's row is kept: its absolute path, or its URL."""
    # abspath does not follow links, which resolve() would.
    return os.path.abspath(picture.path) if picture.url is None else picture.url  # noqa: PTH100


class Journal:
    """The rows of a folder. Each is appended, and handed to the operating system, before the next picture's.

    A process killed at any point loses no row that was appended. Power loss may cost the rows of the last second:
    the file is forced to disk at most once a second and on closing. Rows stay in the file: memory holds none of them,
    and the index of who has one is a temporary SQLite database on disk.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        """Opens `folder`/results.jsonl, made if needed. resume: keep the rows there, else start empty.

        A half-written line (the run was killed while it wrote) is removed. Raises LuxelError when the folder cannot
        be written, or another run writes there.
        """
        self.path = folder / FILE_NAME
        self._index = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._index.execute("PRAGMA journal_mode = OFF")
        self._begin_index()
        self._held = ExitStack()
        self._held.enter_context(locked(folder))
        try:
            if resume and self.path.exists():
                self._load()
            else:
                self.path.unlink(missing_ok=True)
            self._file: BinaryIO = self.path.open("ab")
            self._end = self._file.tell()
            self._reader: BinaryIO = self.path.open("rb")
        except OSError as error:
            self._held.close()
            raise LuxelError(f"{self.path}: {error.strerror}; choose another --out folder") from error
        self._synced = time.monotonic()

    def earlier(self, file: str) -> tuple[Stamp, Row] | None:
        """The last row stored for an absolute path or a URL, with its stamp."""
        query = "SELECT offset, length FROM lines WHERE file = ?"
        place = self._index.execute(query, (os.fsencode(file),)).fetchone()
        return None if place is None else _parse(_line_at(self._reader, *place))

    def name_of(self, file: str) -> str | None:
        """The output name that the files of the last row of an absolute path or a URL were written under."""
        found = self._index.execute("SELECT name FROM lines WHERE file = ?", (os.fsencode(file),)).fetchone()
        return None if found is None else os.fsdecode(found[0])

    def has_name(self, name: str) -> bool:
        """Whether a row's files were written under this output name, whatever its letter case."""
        query = "SELECT 1 FROM lines WHERE low = ? LIMIT 1"
        return self._index.execute(query, (os.fsencode(name.lower()),)).fetchone() is not None

    def append(self, stamp: Stamp, row: Row) -> None:
        """Stores a row. Raises LuxelError when it cannot be written."""
        line = _line(stamp, row)
        try:
            self._file.write(line)
            self._file.flush()
            if time.monotonic() - self._synced >= _SYNC_SECONDS:
                self._sync()
        except OSError as error:
            raise LuxelError(f"{self.path}: {error.strerror}; free some space and add --resume") from error
        self._note(stamp, self._end, len(line))
        self._end += len(line)

    def finish(self, order: Iterable[str]) -> None:
        """Rewrites the file in a settled order, atomically: rows of other files first, then those of `order`."""
        self._index.execute("CREATE TABLE chosen (n INTEGER PRIMARY KEY, file BLOB UNIQUE)")
        files = ((os.fsencode(file),) for file in order)
        self._index.executemany("INSERT OR IGNORE INTO chosen (file) VALUES (?)", files)
        self._close_file()
        query = (
            "SELECT offset, length FROM lines LEFT JOIN chosen USING (file)"
            " ORDER BY chosen.n IS NOT NULL, chosen.n, lines.n"
        )
        end = 0
        for offset, length in self._index.execute(query):
            if offset != end:
                break
            end += length
        if end != self._end:
            self._rewrite(query)

    def close(self) -> None:
        """Forces what was appended to disk, closes the file and gives the folder free."""
        with self._held:
            self._close_file()
            self._reader.close()
            self._index.close()

    def _begin_index(self) -> None:
        self._index.execute("DROP TABLE IF EXISTS lines")
        self._index.execute(
            "CREATE TABLE lines (n INTEGER PRIMARY KEY, file BLOB UNIQUE, name BLOB, low BLOB, offset INTEGER,"
            " length INTEGER)"
        )
        self._index.execute("CREATE INDEX by_name ON lines (low)")

    def _note(self, stamp: Stamp, offset: int, length: int) -> None:
        self._index.execute(
            "INSERT INTO lines (file, name, low, offset, length) VALUES (?, ?, ?, ?, ?) ON CONFLICT (file) DO UPDATE"
            " SET name = excluded.name, low = excluded.low, offset = excluded.offset, length = excluded.length",
            (os.fsencode(stamp.file), os.fsencode(stamp.name), os.fsencode(stamp.name.lower()), offset, length),
        )

    def _close_file(self) -> None:
        if not self._file.closed:
            self._sync()
            self._file.close()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def _load(self) -> None:
        if self._scan() and not self.path.is_symlink():
            return
        # The pictures of broken lines are simply assessed again. What a link names is never written to.
        self._rewrite("SELECT offset, length FROM lines ORDER BY n")
        self._begin_index()
        self._scan()

    def _scan(self) -> bool:
        """Notes every whole line; False if there are others."""
        offset, whole = 0, True
        with self.path.open("rb") as file:
            for line in file:
                entry = _parse(line) if line.endswith(b"\n") else None
                if entry is None:
                    whole = False
                else:
                    self._note(entry[0], offset, len(line))
                offset += len(line)
        return whole

    def _rewrite(self, query: str) -> None:
        """Replaces the file by the lines at the places that a query gives."""
        try:
            with self.path.open("rb") as old, writing_file(self.path, sync=True) as new:
                for offset, length in self._index.execute(query):
                    new.write(_line_at(old, offset, length))
        except OSError as error:
            raise LuxelError(
                f"{self.path}: cannot be written: {error.strerror or error}; free some space and add --resume"
            ) from error


def _line_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _line(stamp: Stamp, row: Row) -> bytes:
    # ASCII only: file names that are not valid UTF-8 survive as escapes.
    return json.dumps({**row, _STAMP_KEY: asdict(stamp)}, allow_nan=False).encode("ascii") + b"\n"


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number that JSON allows")


def _parse(line: bytes) -> tuple[Stamp, Row] | None:
    """Stamp and row of a line, or None for a line that no run wrote whole."""
    try:
        row = json.loads(line, parse_constant=_not_json)
        stamp = Stamp(**row.pop(_STAMP_KEY))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return stamp, row
