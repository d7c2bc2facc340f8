"""One writer at a time in a folder; the lock ends with the process that holds it, however it ends."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from luxel.errors import LuxelError

LOCK = ".luxel.lock"

_RETRIES = 20


@contextmanager
def locked(folder: Path, error: type[LuxelError] = LuxelError) -> Iterator[None]:
    """Holds a folder's lock while the block runs; the folder is made if needed, the lock's file removed at the end.

    error: what is raised when another process holds it, naming that process, or when the folder cannot be written.
    """
    with _unwritable(folder, error):
        folder.mkdir(parents=True, exist_ok=True)
    with _held(folder / LOCK, folder, error):
        yield


@contextmanager
def locked_file(path: Path, error: type[LuxelError] = LuxelError) -> Iterator[None]:
    """Holds the lock of a file that is about to be written, as `locked` does for a folder; its folder must be there."""
    with _held(path.with_name(f".{path.name}.lock"), path, error):
        yield


@contextmanager
def _held(lock: Path, place: Path, error: type[LuxelError]) -> Iterator[None]:
    with _unwritable(place, error):
        descriptor = _take(lock)
    if descriptor is None:
        raise error(
            f"{place}: another luxel process is writing here ({_holder(lock)}); wait for it to end, or choose another"
        )
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        os.close(descriptor)


@contextmanager
def _unwritable(place: Path, error: type[LuxelError]) -> Iterator[None]:
    try:
        yield
    except OSError as reason:
        raise error(f"{place}: cannot be written: {reason.strerror}; choose another place") from reason


def _take(path: Path) -> int | None:
    """An open descriptor that holds the lock, None if another process does."""
    for _ in range(_RETRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        if not _lock(descriptor):
            os.close(descriptor)
            return None
        with suppress(OSError):
            # Whoever held it may have removed the file between our opening and our locking it.
            if os.path.samestat(path.lstat(), os.fstat(descriptor)):
                _write_holder(descriptor)
                return descriptor
        os.close(descriptor)
    return None


def _write_holder(descriptor: int) -> None:
    since = datetime.now().astimezone().isoformat(" ", timespec="seconds")
    facts = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    with suppress(OSError):  # on a full disk it holds without a name
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(facts).encode())


def _holder(path: Path) -> str:
    try:
        facts = json.loads(path.read_bytes()[:1000])
        return f"process {int(facts['pid'])} on {str(facts['host'])[:100]} since {str(facts['since'])[:40]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it does not say which"


if sys.platform == "win32":
    import msvcrt

    _FAR = 2**30  # a byte that is not there, so that others can still read who holds the lock

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
