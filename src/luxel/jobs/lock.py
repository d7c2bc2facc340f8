"""One writer at a time in a dataset's folder; the lock ends with the process that holds it, however it ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from luxel.errors import DatasetError

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder's lock while the block runs; the folder is made if needed.

    Raises DatasetError when another process holds it or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("ab")
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be written: {error.strerror}; choose another folder") from error
    with file:
        try:
            _take(file)
        except OSError as error:
            raise DatasetError(f"{folder}: another luxel is writing this dataset; wait for it to end") from error
        yield


if sys.platform == "win32":
    import msvcrt

    def _take(file: BinaryIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: BinaryIO) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
