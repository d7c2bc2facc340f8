"""`results.jsonl`: one line per picture, written as it comes, so that a killed run resumes where it stopped."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Self

from luxel.errors import LuxelError
from luxel.jobs.atomic import write_file, writing_file
from luxel.jobs.lock import locked

Row = dict[str, Any]
"""One picture's result as plain JSON values: `path`, the values of `Assessment.to_dict`, `outputs`, `error`."""

FILE_NAME = "results.jsonl"

_STAMP_KEY = "resume"
_SYNC_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Stamp:
    """What must be unchanged for an earlier row to stand: the file as it was, and everything that decides its row.

    file: absolute path. bytes, mtime_ns: size and modification time, -1 for a missing file. settings: fingerprint.
    name: output name the row's files were written under.
    """

    file: str
    bytes: int
    mtime_ns: int
    settings: str
    name: str

    @classmethod
    def of(cls, path: Path, settings: str, name: str) -> Self:
        """The stamp of a file as it is now."""
        file = os.path.abspath(path)  # noqa: PTH100 - does not follow links, which resolve() would
        try:
            status = path.stat()
        except OSError:
            # Missing or out of reach: the reader will say why, and no row ever stands for it.
            return cls(file, -1, -1, settings, name)
        return cls(file, status.st_size, status.st_mtime_ns, settings, name)


class Journal:
    """The rows of a folder. Each is appended, and handed to the operating system, before the next picture's.

    A process killed at any point loses no row that was appended. Power loss may cost the rows of the last second:
    the file is forced to disk at most once a second and on closing.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        """Opens `folder`/results.jsonl, made if needed. resume: keep the rows there, else start empty.

        A half-written line (the run was killed while it wrote) is removed. Raises LuxelError when the folder cannot
        be written, or another run writes there.
        """
        self.path = folder / FILE_NAME
        self._rows: dict[str, tuple[Stamp, Row]] = {}
        self._held = ExitStack()
        self._held.enter_context(locked(folder))
        try:
            if resume and self.path.exists():
                self._load()
            else:
                self.path.unlink(missing_ok=True)
            self._file: BinaryIO = self.path.open("ab")
        except OSError as error:
            self._held.close()
            raise LuxelError(f"{self.path}: {error.strerror}; choose another --out folder") from error
        self._synced = time.monotonic()

    def earlier(self, file: str) -> tuple[Stamp, Row] | None:
        """The last row stored for an absolute path, with its stamp."""
        return self._rows.get(file)

    def stamps(self) -> list[Stamp]:
        """The stamps of all rows, one per file."""
        return [stamp for stamp, _ in self._rows.values()]

    def append(self, stamp: Stamp, row: Row) -> None:
        """Stores a row. Raises LuxelError when it cannot be written."""
        self._rows[stamp.file] = (stamp, row)
        try:
            self._file.write(_line(stamp, row))
            self._file.flush()
            if time.monotonic() - self._synced >= _SYNC_SECONDS:
                self._sync()
        except OSError as error:
            raise LuxelError(f"{self.path}: {error.strerror}; free some space and add --resume") from error

    def finish(self, order: Sequence[str]) -> None:
        """Rewrites the file in a settled order, atomically: rows of other files first, then those of `order`."""
        chosen = set(order)
        files = [file for file in self._rows if file not in chosen] + [file for file in order if file in self._rows]
        self._replace([_line(*self._rows[file]) for file in files])

    def close(self) -> None:
        """Forces what was appended to disk, closes the file and gives the folder free."""
        with self._held:
            self._close_file()

    def _close_file(self) -> None:
        if not self._file.closed:
            self._sync()
            self._file.close()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def _load(self) -> None:
        lines = self.path.read_bytes().split(b"\n")
        whole, rest = lines[:-1], lines[-1]
        kept = []
        for line in whole:
            entry = _parse(line)
            if entry is not None:
                self._rows[entry[0].file] = entry
                kept.append(line + b"\n")
        if rest or len(kept) < len(whole) or self.path.is_symlink():
            # The pictures of broken lines are simply assessed again. What a link names is never written to.
            with writing_file(self.path, sync=True) as file:
                file.write(b"".join(kept))

    def _replace(self, lines: list[bytes]) -> None:
        self._close_file()
        write_file(self.path, b"".join(lines), sync=True, remedy="free some space and add --resume")


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
