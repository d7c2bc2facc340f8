"""One JPEG picture as bytes: its markers, its size before decoding, and whether all of it is there.

libjpeg never fails for missing picture data. It fills the rest with grey and warns. Here it is judged without the
warning: every component must have been sent at full precision; and `check_complete` decodes the picture again with
other bytes before the end mark: a decoder that had all it needed never looks at them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from luxel.errors import ImageError
from luxel.images.picture import check_size, truncated
from luxel.photometry import Array
from luxel.text import printable

_FRAMES = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC9: "arithmetic", 0xCA: "arithmetic progressive"}
_UNSUPPORTED_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}  # lossless, hierarchical, JPEG-LS
_PROGRESSIVE, _ARITHMETIC = {0xC2, 0xCA}, {0xC9, 0xCA}
_SCAN, _END = 0xDA, 0xD9
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # in scan data: not a stuffed zero, a restart or padding
_MAX_SCANS = 300  # each is a pass over the whole picture; encoders write a dozen
_MISSING = 255
_NOISE = np.random.default_rng(0).integers(0, 255, 1024, np.uint8).tobytes()  # holds no 0xFF, so no marker


@dataclass(slots=True)
class Stream:
    """What the markers say.

    frame: the marker of the frame header, a key of `_FRAMES`. scans: how many. last_scan, end: where its data begins
    and where the end mark stands.
    missing: for each component, for its 64 frequencies, how many of the lowest bits were not sent; 255 is all.
    segments: the application segments (marker, content) before the first scan.
    """

    width: int = 0
    height: int = 0
    bits: int = 0
    components: int = 0
    frame: int = 0
    scans: int = 0
    last_scan: int = 0
    end: int = 0
    missing: dict[int, Array] = field(default_factory=dict)
    segments: list[tuple[int, bytes]] = field(default_factory=list)


def walk(path: Path, data: bytes, max_megapixels: float, components: tuple[int, ...] = (1, 3, 4)) -> Stream:
    """Every marker from start to end of the first picture in `data`, which begins with its start mark.

    path: the file, for messages.
    max_megapixels: the largest picture, 10^6 pixels.
    components: how many there may be.
    Raises ImageError: no end, no picture, too large, a kind that is not supported, parts of the picture never sent.
    """
    found = Stream()
    position = 2
    while True:
        match = _NEXT_MARKER.search(data, position)
        if match is None:
            raise truncated(path, "JPEG", "no end-of-image marker")
        marker, position = data[match.end() - 1], match.end()
        if marker == _END:
            if not found.scans:
                raise ImageError(f"{printable(path)}: damaged JPEG: it ends before any picture data")
            found.end = match.start()
            _check_precision(path, found)
            return found
        if marker in (0x01, 0xD8):  # markers without a segment
            continue
        length = int.from_bytes(data[position : position + 2])
        segment = data[position + 2 : position + length]
        if length < 2 or len(segment) < length - 2:
            raise truncated(path, "JPEG", "the file ends inside its header")
        position += length
        if marker in _UNSUPPORTED_FRAMES:
            raise ImageError(f"{printable(path)}: lossless or hierarchical JPEG is not supported; export it as PNG")
        if marker in _FRAMES:
            _frame(path, found, marker, segment, max_megapixels, components)
        elif marker == _SCAN:
            _scan(path, found, segment)
            found.last_scan = position
        elif not found.scans:
            found.segments.append((marker, segment))


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """A frame header of any kind. decoded_by_libjpeg: 8 bit, no lossless or hierarchical kind."""

    width: int
    height: int
    decoded_by_libjpeg: bool


def header(data: bytes) -> FrameHeader | None:
    """The first frame header in `data`, which begins with its start mark; None if there is none."""
    position = 2
    while (match := _NEXT_MARKER.search(data, position)) is not None:
        marker, position = data[match.end() - 1], match.end()
        if marker in _FRAMES or marker in _UNSUPPORTED_FRAMES:
            facts = data[position + 2 : position + 7]
            if len(facts) < 5:
                return None
            libjpeg = marker in _FRAMES and facts[0] == 8
            return FrameHeader(int.from_bytes(facts[3:]), int.from_bytes(facts[1:3]), libjpeg)
        if marker in (_SCAN, _END):
            return None
        if marker not in (0x01, 0xD8):
            position += max(2, int.from_bytes(data[position : position + 2]))
    return None


def check_complete(path: Path, data: bytes, stream: Stream, samples: Array, decode: Callable[[bytes], Array]) -> None:
    """Raise ImageError if the decoder had to invent the end of the picture.

    path: the file, for messages.
    data: the bytes that `stream` was read from.
    samples: [H, W] or [H, W, n], what `decode` made of them, with no conversion of colour but the decoder's own.
    decode: bytes to samples; called again.
    """
    if stream.frame in _ARITHMETIC:  # such a decoder may need zeros after the last byte
        return
    end = stream.end
    while data[end - 1] == 0xFF:  # padding before the end mark
        end -= 1
    if not np.array_equal(samples, decode(data[:end] + _filler(data[stream.last_scan : end]) + b"\xff\xd9")):
        raise truncated(path, "JPEG", "its data ends before its last row, and it was closed there")


def _filler(scan: bytes) -> bytes:
    """Bytes that any decoder in need of more turns into picture; they carry on with the restart marks of `scan`.

    A decoder that waits for a restart mark skips everything else, and fills with grey up to a mark that is ahead.
    """
    last = max(range(8), key=lambda n: scan.rfind(bytes([0xFF, 0xD0 + n])))
    first = last + 1 if bytes([0xFF, 0xD0 + last]) in scan else 0
    return _NOISE + b"".join(bytes([0xFF, 0xD0 + (first + n) % 8]) + _NOISE for n in range(16))


def _frame(
    path: Path, found: Stream, marker: int, segment: bytes, max_megapixels: float, components: tuple[int, ...]
) -> None:
    if found.frame:
        raise ImageError(f"{printable(path)}: damaged JPEG: it has two frame headers; export it again")
    if len(segment) < 6 or len(segment) < 6 + 3 * segment[5]:
        raise ImageError(f"{printable(path)}: damaged JPEG: the frame header is too short")
    found.frame, found.bits, found.components = marker, segment[0], segment[5]
    found.height, found.width = int.from_bytes(segment[1:3]), int.from_bytes(segment[3:5])
    check_size(path, found.width, found.height, max_megapixels)
    if found.bits != 8 or found.components not in components:
        raise ImageError(
            f"{printable(path)}: {found.bits}-bit JPEG with {found.components} channels is not supported; "
            "export it as 8-bit JPEG or PNG"
        )
    found.missing = {segment[6 + 3 * n]: np.full(64, _MISSING) for n in range(found.components)}


def _scan(path: Path, found: Stream, segment: bytes) -> None:
    """Note which bits of which components a scan sends. Source: ITU-T T.81, B.2.3 and G.1.1."""
    if not found.frame:
        raise ImageError(f"{printable(path)}: damaged JPEG: picture data without a frame header")
    found.scans += 1
    if found.scans > _MAX_SCANS:
        raise ImageError(f"{printable(path)}: JPEG of more than {_MAX_SCANS} scans; export it as baseline JPEG")
    parts = segment[0] if segment else 0
    if not 1 <= parts <= 4 or len(segment) < 4 + 2 * parts:
        raise ImageError(f"{printable(path)}: damaged JPEG: a scan header is too short")
    first, last, bit = segment[1 + 2 * parts], segment[2 + 2 * parts], segment[3 + 2 * parts] & 15
    if found.frame not in _PROGRESSIVE:
        first, last, bit = 0, 63, 0
    for component in segment[1 : 1 + 2 * parts : 2]:
        if component in found.missing:
            found.missing[component][first : last + 1] = bit


def _check_precision(path: Path, found: Stream) -> None:
    """Raise ImageError if a scan is missing: a file cut between or inside scans and closed."""
    if any(levels.any() for levels in found.missing.values()):
        raise truncated(path, "JPEG", f"it ends after {found.scans} scans, before the last bits were sent")
