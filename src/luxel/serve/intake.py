"""What a request holds: bytes that were counted while they came, and the parts in them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial

from fastapi import HTTPException, Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from luxel.serve.admission import Claim
from luxel.serve.fetching import AllowedUrls, FetchError, fetch
from luxel.serve.options import ServiceOptions
from luxel.text import printable

MAX_NAME = 200
_SIDE_PARTS = ("regions", "criteria")


@dataclass(slots=True)
class Upload:
    """What was sent.

    images: (name, content) of each picture. regions, criteria: content of the files beside a picture, if there were.
    """

    images: list[tuple[str, bytes]] = field(default_factory=list)
    regions: bytes | None = None
    criteria: bytes | None = None


class Intake:
    """Reads requests."""

    def __init__(self, options: ServiceOptions, fetchers: Executor) -> None:
        """fetchers: threads that fetch URLs. Raises LuxelError for a wrong list of URLs."""
        self._options, self._fetchers = options, fetchers
        self._allowed = AllowedUrls(options.allowed_urls)

    async def one(self, request: Request) -> Upload:
        """A request about one picture. Raises HTTPException."""
        upload = await self._read(request, max_images=1)
        if len(upload.images) != 1:
            raise HTTPException(422, "the request holds no picture; send it as the body, or as the part 'image'")
        return upload

    async def many(self, request: Request) -> Upload:
        """A request about several pictures. Raises HTTPException."""
        upload = await self._read(request, max_images=self._options.batch)
        if not upload.images:
            raise HTTPException(422, "the request holds no picture; send each as a part 'image'")
        return upload

    async def _read(self, request: Request, *, max_images: int) -> Upload:
        claim: Claim = request.state.claim
        claim.check_room()  # a full queue says so before anything is read
        kind, _ = parse_options_header(request.headers.get("content-type", ""))
        try:
            async with asyncio.timeout(self._options.upload_timeout):
                body = await _body(request, claim)
                if kind == b"multipart/form-data":
                    upload = await self._multipart(request, body, max_images)
                elif kind == b"application/json":
                    upload = await self._urls(claim, body, max_images)
                else:
                    upload = Upload([("", body)] if body else [])
        except TimeoutError as error:
            seconds = self._options.upload_timeout
            raise HTTPException(408, f"the request took longer than {seconds:g} s to arrive") from error
        except ClientDisconnect as error:
            raise HTTPException(499, "the client disconnected") from error
        claim.add_pictures(len(upload.images))  # not before: a slow client must not keep a place from others
        return upload

    async def _multipart(self, request: Request, body: bytes, max_images: int) -> Upload:
        try:
            form = await _Parts(request.headers, _once(body), max_files=max_images + len(_SIDE_PARTS)).parse()
        except MultiPartException as error:
            raise HTTPException(422, f"multipart body: {error.message}") from error
        upload = Upload()
        for name, part in form.multi_items():
            data = await part.read() if isinstance(part, UploadFile) else part.encode()
            if name == "image":
                shown = printable(part.filename or "") if isinstance(part, UploadFile) else ""
                upload.images.append((shown[:MAX_NAME], data))
            elif name in _SIDE_PARTS and getattr(upload, name) is None:
                setattr(upload, name, data)
            else:
                known = ", ".join(("image", *_SIDE_PARTS))
                raise HTTPException(422, f"multipart body: part {name[:40]!r} is unknown or twice; known: {known}")
        if len(upload.images) > max_images:
            raise HTTPException(422, f"the request holds {len(upload.images)} pictures; send up to {max_images}")
        return upload

    async def _urls(self, claim: Claim, body: bytes, max_images: int) -> Upload:
        if not self._options.allowed_urls:
            raise HTTPException(403, "this service fetches no URLs; send the picture itself")
        try:
            given = json.loads(body)
            urls = [given["url"]] if max_images == 1 else given["urls"]
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            shape = '{"url": "..."}' if max_images == 1 else '{"urls": ["...", "..."]}'
            raise HTTPException(422, f"a JSON body must be {shape}") from error
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls) or len(urls) > max_images:
            raise HTTPException(422, f"the request must hold up to {max_images} URLs, as text")
        upload = Upload()
        for url in urls:
            get = partial(
                fetch,
                url,
                self._allowed,
                max_bytes=self._options.max_body,
                seconds=self._options.upload_timeout,
            )
            try:
                data = await asyncio.get_running_loop().run_in_executor(self._fetchers, get)
            except FetchError as error:
                raise HTTPException(error.status, str(error)) from error
            claim.add_bytes(len(data))
            upload.images.append((printable(url.partition("?")[0])[-MAX_NAME:], data))
        return upload


async def _body(request: Request, claim: Claim) -> bytes:
    chunks = []
    async for chunk in request.stream():
        claim.add_bytes(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    # In pieces, because each call of the parser keeps the event loop busy.
    for start in range(0, len(body), 1 << 20):
        yield body[start : start + (1 << 20)]
        await asyncio.sleep(0)


class _Parts(MultiPartParser):
    """Parts stay in memory, where the body is already, and is counted."""

    spool_max_size = 1 << 40
