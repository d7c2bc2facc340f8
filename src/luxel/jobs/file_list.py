"""A list of files that lies on disk, so that memory does not grow with their number.

It is a temporary SQLite database without a name: SQLite keeps a small one in memory, writes a large one to the folder
for temporary files (`TMPDIR`), and removes it with the process, however that ends.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from luxel.errors import LuxelError

OUTPUT_ENDINGS = {
    "heatmap": ".heatmap.jpg",
    "tinted": ".tinted.jpg",
    "overlay": ".overlay.jpg",
    "residual": ".residual.png",
    "false-colour": ".false-colour.png",
    "zebra": ".zebra.png",
    "zones": ".zones.png",
    "compare": ".compare.png",
}
"""What a command writes for an image: kind -> ending after the output name."""

_BATCH = 1000
_ROW = "path, name, url"


@dataclass(frozen=True, slots=True)
class Found:
    """One file to work on.

    path: as the user gave it or as found under a given folder. name: where its outputs go, relative to the output
    folder, without ending, "/" between folders; no two files of a run share one (letter case is ignored). url: where
    it is read from if it is not a local file; then `path` is only what names are made of.
    """

    path: Path
    name: str
    url: str | None = None

    @property
    def source(self) -> str:
        """Path or URL, for rows and messages."""
        return str(self.path) if self.url is None else self.url

    def output(self, folder: Path, kind: str) -> Path:
        """Path of one output file. kind: a key of `OUTPUT_ENDINGS`."""
        return folder / f"{self.name}{OUTPUT_ENDINGS[kind]}"


class FileList(Sequence[Found]):
    """Files in order, each once.

    files: to begin with, added under the names that they have.
    """

    def __init__(self, files: Iterable[Found] = ()) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE files (n INTEGER PRIMARY KEY, real BLOB UNIQUE, path BLOB, name BLOB, low BLOB, url BLOB,"
            " rung INTEGER);"
            "CREATE INDEX by_name ON files (low);"
            "BEGIN"
        )
        self._count = 0
        for file in files:
            self.add(file)

    def add(self, file: Found) -> None:
        """Add a file at the end, unless the same file, by its real path or its URL, is in the list."""
        real = os.path.realpath(file.path) if file.url is None else file.url
        values = (self._count, real, str(file.path), file.name, file.name.lower(), file.url)
        added = self._database.execute(
            "INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?, ?, ?, 0)",
            [value if isinstance(value, int) or value is None else os.fsencode(value) for value in values],
        )
        self._count += added.rowcount

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Found: ...

    @overload
    def __getitem__(self, place: slice) -> "list[Found]": ...

    def __getitem__(self, place: int | slice) -> "Found | list[Found]":
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(self._count))]
        number = place + self._count if place < 0 else place
        row = self._database.execute(f"SELECT {_ROW} FROM files WHERE n = ?", (number,)).fetchone()
        if row is None:
            raise IndexError(place)
        return _found(row)

    def __iter__(self) -> Iterator[Found]:
        # In batches, so that names may change meanwhile.
        for start in range(0, self._count, _BATCH):
            query = f"SELECT {_ROW} FROM files WHERE n >= ? AND n < ? ORDER BY n"
            yield from map(_found, self._database.execute(query, (start, start + _BATCH)).fetchall())

    def has_name(self, name: str) -> bool:
        """Whether a file of the list has this output name, whatever its letter case."""
        query = "SELECT 1 FROM files WHERE low = ? LIMIT 1"
        return self._database.execute(query, (os.fsencode(name.lower()),)).fetchone() is not None

    def rename(self, number: int, name: str) -> None:
        """Give the file at a place another output name."""
        values = (os.fsencode(name), os.fsencode(name.lower()), number)
        self._database.execute("UPDATE files SET name = ?, low = ? WHERE n = ?", values)

    def settle_names(self) -> None:
        """Tell files apart whose outputs would overwrite each other, the same way in every run over the same list.

        Files that still share a name take the next of these together: name, name-suffix (a.jpg, a.png -> a-jpg,
        a-png), the path as given (x/a.jpg, y/a.jpg -> x/a, y/a), that with the suffix. What is left gets a number.
        """
        for _ in range(3):
            for number, rung, file in self._sharing_a_name():
                self.rename(number, _next_name(file, rung))
                self._database.execute("UPDATE files SET rung = rung + 1 WHERE n = ?", (number,))
        kept: set[str] = set()
        for number, _, file in self._sharing_a_name():
            if file.name.lower() in kept:
                self.rename(number, free_name(file.name, self.has_name))
            kept.add(file.name.lower())

    def keep_shard(self, shard: int, shards: int) -> None:
        """Keep one of several parts of the list, of about equal size.

        shard, shards: which part, from 1, and of how many. A file's part follows from a hash of its path or URL as
        given, so that it stays where it is when others come or go.
        """
        if not 1 <= shard <= shards:
            raise LuxelError(f"shard {shard}/{shards}: give I/N with I from 1 to N")
        self._database.create_function("part_of", 1, lambda source: _part(source, shards), deterministic=True)
        # Numbered from 0 again; below 0 first, where no number is taken.
        for statement in (
            f"DELETE FROM files WHERE part_of(COALESCE(url, path)) != {shard - 1}",
            "CREATE TEMP TABLE places AS SELECT n FROM files ORDER BY n",
            "CREATE INDEX temp.by_n ON places (n)",
            "UPDATE files SET n = -(SELECT rowid FROM places WHERE places.n = files.n)",
            "UPDATE files SET n = -n - 1",
            "DROP TABLE places",
        ):
            self._database.execute(statement)
        self._count = self._database.execute("SELECT COUNT(*) FROM files").fetchone()[0]

    def _sharing_a_name(self) -> Iterator[tuple[int, int, Found]]:
        """Place, renamings so far, and file of all that share a name with another; they may be renamed meanwhile."""
        self._database.execute(
            "CREATE TEMP TABLE sharing AS SELECT n FROM files WHERE low IN"
            " (SELECT low FROM files GROUP BY low HAVING COUNT(*) > 1) ORDER BY n"
        )
        query = f"SELECT n, rung, {_ROW} FROM files WHERE n IN (SELECT n FROM sharing WHERE rowid > ? AND rowid <= ?)"
        for start in range(0, self._database.execute("SELECT COUNT(*) FROM sharing").fetchone()[0], _BATCH):
            for number, rung, *row in self._database.execute(f"{query} ORDER BY n", (start, start + _BATCH)).fetchall():
                yield number, rung, _found(row)
        self._database.execute("DROP TABLE sharing")


def in_order(paths: Iterable[Path]) -> Iterator[Path]:
    """Paths sorted part by part, letter case last, so that IMG_1.JPG and img_2.jpg interleave as people expect."""
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    database.executescript("CREATE TABLE paths (low BLOB, plain BLOB); BEGIN")
    database.executemany("INSERT INTO paths VALUES (?, ?)", map(_sort_keys, paths))
    for (plain,) in database.execute("SELECT plain FROM paths ORDER BY low, plain"):
        yield Path(*plain.decode("utf-8", "surrogatepass").split("\0"))
    database.close()


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """`name`, or `name-2`, `name-3` ... if it is taken. is_taken: whether a name is, whatever its letter case."""
    free, number = name, 2
    while is_taken(free):
        free, number = f"{name}-{number}", number + 1
    return free


def _sort_keys(path: Path) -> tuple[bytes, bytes]:
    # No name holds a NUL, and it sorts before every other character: as if the parts were compared one by one.
    plain = "\0".join(path.parts)
    return plain.lower().encode("utf-8", "surrogatepass"), plain.encode("utf-8", "surrogatepass")


def _found(row: Sequence[bytes | None]) -> Found:
    path, name, url = (None if value is None else os.fsdecode(value) for value in row)
    return Found(Path(path or ""), name or "", url)


def _next_name(file: Found, renamings: int) -> str:
    suffix = file.path.suffix.lower().replace(".", "-")
    if renamings == 0:
        return file.name + suffix
    parents = [part for part in file.path.parent.parts if part not in ("..", file.path.anchor)]
    full = "/".join([*parents, file.path.stem])
    return full if renamings == 1 else full + suffix


def _part(source: bytes, parts: int) -> int:
    return int.from_bytes(hashlib.blake2b(source, digest_size=8).digest()) % parts
