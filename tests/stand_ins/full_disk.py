"""A disk that is full after so many bytes, as files opened by Python code see it."""

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_open = io.open


class Disk:
    """A disk with room for so many bytes. A write that does not fit is cut short, as a real one is, and rejected."""

    def __init__(self, room: float) -> None:
        self.room, self.written = room, 0

    @contextmanager
    def used(self) -> Iterator["Disk"]:
        """Every file opened for writing while the block runs lies on this disk."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(io, "open", self.open)
            patched.setattr("builtins.open", self.open)
            yield self

    def open(self, path: Any, mode: str = "r", buffering: int = -1, *more: Any, **named: Any) -> Any:
        if not isinstance(path, int) and set(mode) & set("wxa+"):
            raw = _LimitedFile(path, mode.replace("b", "").replace("t", ""))
            raw.disk = self
            binary = io.BufferedWriter(raw)
            return binary if "b" in mode else io.TextIOWrapper(binary, *more, **named)
        return _open(path, mode, buffering, *more, **named)


class _LimitedFile(io.FileIO):
    disk: Disk

    def write(self, data: Any) -> int:
        fits = int(max(0, min(len(data), self.disk.room - self.disk.written)))
        written = super().write(memoryview(data)[:fits])
        self.disk.written += written
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written
