"""Files and folders that appear atomically: the one writer of everything luxel leaves on a disk.

What is written gets a hidden name beside its target that nobody can guess, `.luxel-<16 hex digits>.partial`, and is
renamed when it is complete. That name is created exclusively, so that a link planted there is never followed; a link
at the target is replaced, not followed. Nothing stays behind after an exception.

After a kill the hidden name stays. A writer therefore holds a lock on what it writes, which ends with its process
however that ends: what nobody holds is a leftover, and the next process that writes into the same folder removes it.
Where a file system has no locks, leftovers are removed when they are a day old.
"""

import errno
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from luxel.errors import LuxelError

_HIDDEN_NAME = re.compile(r"\.luxel-[0-9a-f]{16}\.(?:partial|old-(?P<final>.+))", re.DOTALL)
_ABANDONED_SECONDS = 24 * 3600.0
_RETRIES = 20
_FULL = {errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}

_swept: set[str] = set()


@contextmanager
def writing_file(path: Path, *, sync: bool = False) -> Iterator[BinaryIO]:
    """An open binary file that takes the place of `path` when the block ends without an error.

    path: its folder must be there; a file there is replaced and its permissions are kept, a link is replaced.
    sync: force the content to disk before the rename, for what must survive a power failure.
    Raises OSError when the disk does not take it; `path` is then as it was.
    """
    _sweep_once(path.parent)
    temporary, file, hold = _new_file(path.parent)
    try:
        with file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        # Closed first, because a network file system may report a full disk only then.
        _keep_permissions(path, temporary)
        temporary.replace(path)
        if sync:
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        _let_go(hold)


@contextmanager
def writing_folder(path: Path, *, sync: bool = False, replace: bool = True) -> Iterator[Path]:
    """A hidden folder that takes the place of `path` when the block ends without an error.

    path: its parent is made if needed. sync: force every file to disk before the rename.
    replace: what was at `path` goes once the new folder is there; killed in between, it is put back by the next
    `remove_leftovers`. With replace=False a folder that another process put there meanwhile stays, and this one goes.
    Raises OSError when the disk does not take it; `path` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent)
    temporary, hold = _new_folder(path.parent)
    try:
        yield temporary
        if sync:
            _sync_files(temporary)
        if replace:
            _exchange(temporary, path)
        else:
            _put_if_absent(temporary, path)
        if sync:
            _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _let_go(hold)


def write_file(
    path: Path,
    data: bytes | str,
    *,
    sync: bool = False,
    error: type[LuxelError] = LuxelError,
    remedy: str = "free some space or choose another folder",
) -> None:
    """Writes a file, atomically; returns nothing.

    data: text is written as UTF-8; what UTF-8 cannot hold, such as bytes of a file name that is not text, as escapes.
    sync: as in `writing_file`. error: what is raised when the disk does not take it. remedy: end of its message.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> write_file(path, "done")
    >>> path.read_text()
    'done'
    """
    content = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    try:
        with writing_file(path, sync=sync) as file:
            file.write(content)
    except OSError as reason:
        raise error(f"{path}: cannot be written: {reason.strerror or reason}; {remedy}") from reason


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a disk that takes nothing more is at the bottom of an error: other files will not fit either.

    >>> is_disk_full(OSError(errno.ENOSPC, "No space left on device")), is_disk_full(ValueError())
    (True, False)
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False


def remove_leftovers(folder: Path) -> None:
    """Removes what killed writers left in a folder, and puts back a folder whose replacement did not arrive.

    What a living process still writes stays. Subfolders are not searched. What cannot be removed stays, silently.
    """
    for path in leftovers(folder):
        with _abandoned(path) as abandoned, suppress(OSError):
            final = _final_name(path)
            if not abandoned:
                continue
            if final and not os.path.lexists(path.with_name(final)):
                path.rename(path.with_name(final))
            else:
                _remove(path)


def leftovers(folder: Path) -> list[Path]:
    """Files and folders that are being written in a folder, or that killed writers left there, sorted."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if _HIDDEN_NAME.fullmatch(entry.name))
    except OSError:
        return []


def hidden_name(replaced: str = "") -> str:
    """A new hidden name: of something being written, or of a folder `replaced` that is about to go."""
    return f".luxel-{secrets.token_hex(8)}.{f'old-{replaced}' if replaced else 'partial'}"


def _final_name(path: Path) -> str | None:
    match = _HIDDEN_NAME.fullmatch(path.name)
    return match["final"] if match else None


def _sweep_once(folder: Path) -> None:
    """`remove_leftovers`, at the first write of this process into a folder: a run need not think of it."""
    place = os.path.abspath(folder)  # noqa: PTH100 - does not follow links, which resolve() would
    if place not in _swept:
        _swept.add(place)
        remove_leftovers(folder)


def _new_file(folder: Path) -> tuple[Path, BinaryIO, int | None]:
    """A new hidden file, open, and the descriptor that holds its lock."""
    for _ in range(_RETRIES):
        temporary = folder / hidden_name()
        file = temporary.open("xb")
        hold = _copy(file.fileno())
        if hold is None or (_lock(hold) and _same(temporary, hold)):
            return temporary, file, hold
        file.close()
        os.close(hold)
    raise FileExistsError(errno.EEXIST, "no free hidden name", str(folder))


def _new_folder(folder: Path) -> tuple[Path, int | None]:
    """A new hidden folder and the descriptor that holds its lock."""
    for _ in range(_RETRIES):
        temporary = folder / hidden_name()
        temporary.mkdir()
        hold = _open_to_lock(temporary)
        if hold is None or (_lock(hold) and _same(temporary, hold)):
            return temporary, hold
        os.close(hold)
    raise FileExistsError(errno.EEXIST, "no free hidden name", str(folder))


def _exchange(new: Path, final: Path) -> None:
    """`new` under the name `final`; what was there goes."""
    if not os.path.lexists(final):
        new.rename(final)
        return
    old = final.with_name(hidden_name(final.name))
    hold = _open_to_lock(final)
    try:
        if hold is not None:
            _lock(hold)
        final.rename(old)
        try:
            new.rename(final)
        except OSError:
            old.rename(final)
            raise
        _remove(old)
    finally:
        _let_go(hold)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _put_if_absent(new: Path, final: Path) -> None:
    try:
        new.rename(final)
    except OSError:
        if not final.is_dir():  # else another process was first
            raise


def _keep_permissions(path: Path, temporary: Path) -> None:
    with suppress(OSError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            temporary.chmod(stat.S_IMODE(status.st_mode))


def _sync_files(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())


@contextmanager
def _abandoned(path: Path) -> Iterator[bool]:
    """Whether nobody works on a hidden file or folder; nobody begins to while the block runs."""
    hold = _open_to_lock(path)
    try:
        if hold is None:
            yield _is_old(path)
            return
        try:
            free = _lock(hold, required=True)
        except OSError:  # a file system without locks
            free = _is_old(path)
        yield free
    finally:
        _let_go(hold)


def _is_old(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    # Only a link that somebody planted has such a name, and it is removed, not followed.
    return stat.S_ISLNK(status.st_mode) or time.time() - status.st_mtime > _ABANDONED_SECONDS


def _same(path: Path, descriptor: int) -> bool:
    """Whether the path still names the open file: another process may have removed it before it was locked."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except OSError:
        return False


def _let_go(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


if sys.platform == "win32":  # an open file cannot be renamed there: no locks, leftovers go when they are old

    def _open_to_lock(path: Path) -> int | None:
        return None

    def _copy(descriptor: int) -> int | None:
        return None

    def _lock(descriptor: int, *, required: bool = False) -> bool:
        return True

    def _sync_folder(folder: Path) -> None:
        pass
else:
    import fcntl

    def _open_to_lock(path: Path) -> int | None:
        """A descriptor of a file or folder, None for anything else or what cannot be opened."""
        try:
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            if stat.S_ISREG(status.st_mode):
                return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            pass
        return None

    def _copy(descriptor: int) -> int | None:
        """Another descriptor of an open file: its lock outlives the closing of the file, until it has its name."""
        return os.dup(descriptor)

    def _lock(descriptor: int, *, required: bool = False) -> bool:
        """Takes the lock; False if another process has it. required: OSError where there are no locks, not True."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            if required:
                raise
        return True

    def _sync_folder(folder: Path) -> None:
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
