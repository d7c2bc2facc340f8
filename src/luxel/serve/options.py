"""What a service allows and how it works, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from luxel.assessment.batch import Settings
from luxel.images import ReadOptions

MEGABYTE = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """Limits and settings of a service.

    settings: weights, threshold and looks of all answers; how files are read, with the limit on megapixels.
    workers: processes that assess, one picture at a time each.
    threads: of the network in each process; None for its share of the usable cores.
    timeout: seconds that one picture may take in its process, which is ended then.
    queue: pictures that wait or are in work, at most; a request with one more is answered 429.
    batch: pictures of one request, at most.
    max_body: bytes of one request.
    max_buffered: bytes of all requests together that are held in memory.
    upload_timeout: seconds within which a request must have arrived, or a URL must have been fetched.
    allowed_urls: beginnings of URLs that may be fetched; empty for none at all.
    criteria: criteria files by the name that requests use, beside the shipped ones.
    """

    settings: Settings = field(default_factory=lambda: Settings(reading=ReadOptions(max_megapixels=50.0)))
    workers: int = 1
    threads: int | None = None
    timeout: float = 10.0
    queue: int = 64
    batch: int = 32
    max_body: int = 64 * MEGABYTE
    max_buffered: int = 512 * MEGABYTE
    upload_timeout: float = 30.0
    allowed_urls: tuple[str, ...] = ()
    criteria: Mapping[str, Path] = field(default_factory=dict)
