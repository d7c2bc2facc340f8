"""Records from untrusted sources: JSON, TOML and text files, and the names of other files inside them.

What a file says of itself is checked once, where it is read. Everything here raises one `LuxelError` of the kind that
the caller names, in one line, whatever the bytes are: not UTF-8, not JSON, 5,000 levels deep, NaN, a pipe, a device.
"""

import errno
import json
import math
import os
import re
import stat
import tomllib
import types
import typing
import unicodedata
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn, TypeVar

from luxel.errors import DatasetError, LuxelError

MAX_BYTES = 256 * 2**20
"""Bytes above which a record is not read."""

MAX_NAME = 1000
"""Characters of a recorded name; no part of it may have more than 255 bytes, which no file system takes."""

_Record = TypeVar("_Record")
_Kind = type[LuxelError]


def name_problem(name: object) -> str:
    """Why a recorded name cannot be that of a file inside the record's folder, "" if it can.

    name: as written in the record, "/" between folders. Decided by the name alone, the same on every system: absolute,
    with "..", a drive, a backslash, or control characters it is rejected. `inside` looks at symbolic links too.

    >>> name_problem("scenes/a/P0.png")
    ''
    >>> name_problem("../a.png")
    'leaves its folder'
    """
    if not isinstance(name, str):
        return f"is {_described(name)}, not a name"
    if not name.strip():
        return "is empty"
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        return "holds control characters"
    if len(name) > MAX_NAME or any(len(part.encode()) > 255 for part in name.split("/")):
        return "is too long for a file name"
    if "\\" in name:
        return "holds a backslash; records have / between folders"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "is not relative to its folder"
    parts = name.split("/")
    if ".." in parts:
        return "leaves its folder"
    if all(part in ("", ".") for part in parts):
        return "names no file"
    return ""


def inside(folder: Path, name: object, *, kind: _Kind = DatasetError, where: str = "") -> Path:
    """The path of a file that a record names, which lies in its folder and below.

    folder: of the record; it may itself be a symbolic link.
    name: as written, see `name_problem`.
    kind: of the error.
    where: place of the name for the error, default the folder.

    Raises `kind` for a name that leaves the folder, also through a symbolic link inside it.
    """
    problem = name_problem(name)
    if not problem:
        path = folder / str(name)
        root = os.path.realpath(folder)
        if os.path.commonpath([root, os.path.realpath(path)]) == root:
            return path
        problem = "leaves its folder through a symbolic link; put the file itself there"
    raise kind(f"{where or folder}: the name {_quoted(name)} {problem}")


def single_name(name: object, *, kind: _Kind = DatasetError, where: str) -> str:
    """A recorded name of one part, such as a scene's, that is not hidden. Raises `kind` for any other."""
    problem = name_problem(name)
    if not problem and ("/" in str(name) or str(name).startswith(".")):
        problem = "is not the name of a file or folder" if "/" in str(name) else "begins with a dot"
    if problem:
        raise kind(f"{where}: the name {_quoted(name)} {problem}")
    return str(name)


def open_regular(path: Path) -> BinaryIO:
    """A regular file, opened for reading. Raises OSError, also for a folder, pipe, socket or device; never waits."""
    # Without O_NONBLOCK, opening a pipe waits for somebody to write into it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file. Raises OSError as `open_regular` does, and for more than `max_bytes`."""
    with open_regular(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"is larger than {max_bytes / 2**20:g} MB", str(path))
    return data


def read_text(path: Path, *, kind: _Kind = DatasetError) -> str:
    """A text file in UTF-8, with or without a byte order mark. Raises `kind`."""
    try:
        return read_regular(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise kind(f"{path}: cannot be read: {_reason(error)}") from error


def read_json(path: Path, *, kind: _Kind = DatasetError) -> dict[str, Any]:
    """A JSON object with finite numbers and text that can be written again. Raises `kind` for anything else."""
    text = read_text(path, kind=kind)
    try:
        record = json.loads(text, parse_constant=_not_finite, parse_float=_finite)
        if re.search(r"\\u[dD][89a-fA-F]", text):
            json.dumps(record, ensure_ascii=False).encode()  # half a surrogate pair is not text
    except (ValueError, RecursionError) as error:
        raise kind(f"{path}: not valid JSON: {_reason(error)}") from error
    if not isinstance(record, dict):
        raise kind(f"{path}: holds {_described(record)}, not a JSON object")
    return record


def read_toml(path: Path, *, kind: _Kind = DatasetError) -> dict[str, Any]:
    """A TOML table. Raises `kind` for a file that is not one."""
    text = read_text(path, kind=kind)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise kind(f"{path}: not valid TOML: {_reason(error)}") from error


def from_record(cls: type[_Record], values: object, *, kind: _Kind = DatasetError, where: str) -> _Record:
    """An instance of a dataclass from plain values, each checked against the field's type.

    cls: its fields are str, int, float, bool, a tuple or Literal of them, or optional.
    values: from JSON or Parquet: a mapping from field to value; lists stand for tuples.
    where: place of the values for the error.

    Raises `kind` naming the first key that is unknown, missing or of another type, and numbers that are not finite.
    """
    if not isinstance(values, Mapping):
        raise kind(f"{where}: is {_described(values)}, not an object")
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := [key for key in values if key not in known]:
        raise kind(f"{where}: unknown key {_quoted(unknown[0])}; was it written by a newer luxel?")
    hints = typing.get_type_hints(cls)
    given = {}
    for name, field in known.items():
        if name in values:
            try:
                given[name] = _typed(values[name], hints[name])
            except ValueError as error:
                raise kind(f"{where}: {name} is {_described(values[name])}, must be {error}") from None
        elif field.default is MISSING and field.default_factory is MISSING:
            raise kind(f"{where}: has no {name}")
    return cls(**given)


def _typed(value: object, hint: Any) -> Any:
    """The value as the type says. Raises ValueError with what the type is."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        (inner,) = (a for a in arguments if a is not type(None))
        return _typed(value, inner)
    if origin is Literal:
        if isinstance(value, str) and value in arguments:
            return value
        raise ValueError(f"one of {', '.join(map(repr, arguments))}")
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError("a list")
        repeated = len(arguments) == 2 and arguments[1] is Ellipsis
        if not repeated and len(value) != len(arguments):
            raise ValueError(f"a list of {len(arguments)}")
        return tuple(_typed(item, arguments[0 if repeated else i]) for i, item in enumerate(value))
    if hint is bool and isinstance(value, bool):
        return value
    if hint is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
        return float(value)
    if hint is str and isinstance(value, str):
        return value
    wanted = ((int, "a whole number"), (float, "a finite number"), (str, "text"), (bool, "true or false"))
    raise ValueError(next(name for known, name in wanted if known is hint))


def _described(value: object) -> str:
    """A value for an error: short, and printable on one line."""
    if value is None:
        return "missing (null)"
    if isinstance(value, str | bool | int | float):
        return _quoted(value)
    names: dict[type, str] = {dict: "an object", list: "a list"}
    return str(names.get(type(value), f"a {type(value).__name__}"))


def _quoted(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a number of more than 30 digits"  # Python does not print the longest of them
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _not_finite(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number that JSON allows")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is too large for a number")
    return value


def _reason(error: Exception) -> str:
    """An exception in one line."""
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 (byte {error.start})"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return " ".join(str(error).split())[:200]
