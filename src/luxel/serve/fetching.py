"""Pictures by URL, from places that the operator listed and from no other. No redirect is followed."""

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from luxel.errors import LuxelError

_CHUNK = 65536
_DISGUISED = re.compile(r"%(2e|2f|5c|00)", re.IGNORECASE)


class FetchError(LuxelError):
    """A URL that gives no picture. status: the HTTP status of the answer about it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class AllowedUrls:
    """Beginnings of URLs that may be fetched."""

    def __init__(self, beginnings: Sequence[str]) -> None:
        """beginnings: http or https, with a host; a path counts by whole folders. Raises LuxelError for any other."""
        self._allowed = [self._read(text) for text in beginnings]

    @staticmethod
    def _read(text: str) -> tuple[str, str, int | None, str]:
        parts = _split(text)
        if parts is None or parts.query:
            raise LuxelError(f"allowed URL {text!r}: give http:// or https://, a host and a folder, and nothing else")
        return _place(parts, parts.path if parts.path.endswith("/") else f"{parts.path}/")

    def allows(self, url: str) -> bool:
        """Whether a URL begins with one of the list: same scheme, host and port, and inside the folder.

        >>> allowed = AllowedUrls(["https://photos.example/shop"])
        >>> allowed.allows("https://photos.example/shop/1.jpg"), allowed.allows("https://photos.example/shop/../1.jpg")
        (True, False)
        """
        parts = _split(url)
        if parts is None:
            return False
        *place, path = _place(parts, parts.path)
        return any(place == allowed and path.startswith(folder) for *allowed, folder in self._allowed)


def fetch(url: str, allowed: AllowedUrls, *, max_bytes: int, seconds: float) -> bytes:
    """What a URL holds. Blocks for up to about `seconds`.

    max_bytes: of the answer.
    Raises FetchError: not on the list (403), no answer or another than 200 (502), too slow (504), too large (413).
    """
    if not allowed.allows(url):
        raise FetchError("this URL is not in the list of those that may be fetched (--allow-url)", 403)
    end = time.monotonic() + seconds
    data = bytearray()
    try:
        with _opener.open(url, timeout=seconds) as answer:
            while chunk := answer.read1(_CHUNK):
                data += chunk
                if len(data) > max_bytes:
                    raise FetchError(f"what the URL holds is larger than {max_bytes} bytes", 413)
                if time.monotonic() > end:
                    raise TimeoutError
    except urllib.error.HTTPError as error:
        error.close()
        raise FetchError(f"the server of the URL answered {error.code}", 502) from error
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError):
            raise FetchError(f"the URL took longer than {seconds:g} s", 504) from error
        raise FetchError(f"the server of the URL does not answer ({type(reason).__name__})", 502) from error
    return bytes(data)


def _split(url: str) -> SplitResult | None:
    """The parts of a URL that can be compared; None for anything that readers understand differently."""
    if not url.isascii() or not url.isprintable() or re.search(r"[\s\\#]", url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    path = parts.path
    plain = not _DISGUISED.search(path) and not {".", ".."} & set(path.split("/"))
    known = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and port != 0
    return parts if known and plain else None


def _place(parts: SplitResult, path: str) -> tuple[str, str, int | None, str]:
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme], path


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None  # the answer stays an error: where it leads may not be on the list


_opener = urllib.request.build_opener(_NoRedirect)
