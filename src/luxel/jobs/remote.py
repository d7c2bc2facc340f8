"""Files that are not local: URLs through fsspec, which knows s3://, gs://, az://, https://, memory:// and more.

fsspec comes with the extra `remote`; what a protocol needs besides (s3fs, gcsfs, aiohttp) is named by its own message.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import IO, Any

from luxel.errors import ImageError, LuxelError, MissingExtraError

MAX_BYTES = 2 * 2**30
"""Bytes above which a file is not fetched."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")  # "::" chains protocols: simplecache::s3://bucket/a.jpg


def is_url(text: str) -> bool:
    """Whether a text is a URL, not a local path.

    >>> is_url("s3://bucket/a.jpg"), is_url("a.jpg"), is_url("C:/a.jpg")
    (True, False, False)
    """
    return _URL.match(text) is not None


def is_pattern(url: str) -> bool:
    """Whether a URL is a glob. Only `*` makes it one: `?` begins a query, and brackets stand for themselves."""
    return "*" in url


def expand(url: str) -> Iterator[str]:
    """The URLs that a URL stands for: itself, or, with `*` or `**` in it, those that it matches, sorted.

    Raises LuxelError where the place cannot be listed.
    """
    if not is_pattern(url):
        yield url
        return
    try:
        system, path = _fsspec().core.url_to_fs(url)
        matches = sorted(system.glob(path))
        yield from (system.unstrip_protocol(match) for match in matches)
    except LuxelError:
        raise
    except Exception as error:  # every protocol has errors of its own
        raise LuxelError(f"{url}: cannot be listed: {_reason(error)}; check the address and the access") from error


def open_url(url: str) -> IO[bytes]:
    """A remote file, opened for reading. Raises LuxelError where it cannot be."""
    try:
        file: IO[bytes] = _fsspec().open(url, "rb").open()
    except LuxelError:
        raise
    except Exception as error:
        raise LuxelError(f"{url}: cannot be opened: {_reason(error)}; check the address and the access") from error
    return file


def fetch(url: str) -> bytes:
    """The content of a remote file. Raises ImageError where it cannot be read, or has more than `MAX_BYTES`."""
    try:
        with _fsspec().open(url, "rb") as file:
            data: bytes = file.read(MAX_BYTES + 1)
    except LuxelError:
        raise
    except Exception as error:
        raise ImageError(f"{url}: cannot be read: {_reason(error)}") from error
    if len(data) > MAX_BYTES:
        raise ImageError(f"{url}: has more than {MAX_BYTES // 2**30} GB")
    return data


def _fsspec() -> Any:
    if find_spec("fsspec") is None:
        raise MissingExtraError("reading URLs", "remote")
    import fsspec

    return fsspec


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
