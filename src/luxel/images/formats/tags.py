"""Values of the tags in a TIFF directory: what EXIF blocks, TIFF files and most camera RAW are made of.

Source: TIFF 6.0, section 2; BigTIFF; EXIF 2.32, section 4.6.2; EXIF 3.0 for text in UTF-8.
"""

import mmap
import struct
from dataclasses import dataclass
from typing import Any

_LETTERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_TEXT, _BYTES, _RATIONAL, _SIGNED_RATIONAL, _UTF8 = 2, 7, 5, 10, 129
_MAX_ENTRIES = 1000
_MAX_BYTES = 16 * 2**20  # of one value: XMP may be long
_MAX_NUMBERS = 64  # of one value: what is longer is a table of the picture, which nobody asks for here

# What RAW makers write in place of 42: Olympus RO and RS, Panasonic U.
_MARKS = {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"IIRO", b"IIRS", b"MMOR", b"IIU\0"}

TagBytes = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class Tags:
    """One directory. values: tag -> number, text, bytes, or a tuple of numbers; damaged ones are left out. following:
    offset of the next directory, 0 for none."""

    values: dict[int, Any]
    following: int = 0


def first_offset(block: TagBytes) -> int | None:
    """Offset of the first directory of a block that begins like TIFF, None for one that does not."""
    if bytes(block[:4]) not in _MARKS or len(block) < 16:
        return None
    return _integer(block, 8, 8) if _is_big(block) else _integer(block, 4, 4)


def directory(block: TagBytes, offset: int) -> Tags:
    """The directory at an offset of a block that begins like TIFF; empty where it lies outside; never raises.

    block: the whole file, or an EXIF block without its leading "Exif" mark.
    offset: bytes from the beginning of the block.
    """
    count_bytes, pointer, entry = (8, 8, 20) if _is_big(block) else (2, 4, 12)
    start = offset + count_bytes
    if not 0 < offset <= len(block) - count_bytes:
        return Tags({})
    count = _integer(block, offset, count_bytes)
    if count > _MAX_ENTRIES:
        return Tags({})
    values: dict[int, Any] = {}
    for at in range(start, min(start + count * entry, len(block) - entry + 1), entry):
        tag, kind = _integer(block, at, 2), _integer(block, at + 2, 2)
        value = _value(block, kind, _integer(block, at + 4, pointer), at + 4 + pointer, pointer)
        if value is not None:
            values[tag] = value
    end = start + count * entry
    return Tags(values, _integer(block, end, pointer) if end + pointer <= len(block) else 0)


def _value(block: TagBytes, kind: int, count: int, place: int, pointer: int) -> Any:
    """The value of one entry, None where it is damaged or of no known type."""
    rational = kind in (_RATIONAL, _SIGNED_RATIONAL)
    letter = "i" if kind == _SIGNED_RATIONAL else "I" if rational else _LETTERS.get(kind, "B")
    if kind not in (*_LETTERS, _TEXT, _BYTES, _RATIONAL, _SIGNED_RATIONAL, _UTF8) or count < 1:
        return None
    size = count * struct.calcsize(letter) * (2 if rational else 1)
    if size > pointer:
        place = _integer(block, place, pointer)
    if size > _MAX_BYTES or place + size > len(block):
        return None
    raw = bytes(block[place : place + size])
    if kind in (_TEXT, _UTF8):
        return _text(raw)
    if kind == _BYTES or (kind == 1 and count > _MAX_NUMBERS):
        return raw
    if count > _MAX_NUMBERS:
        return None
    numbers = struct.unpack(_order(block) + f"{count * (2 if rational else 1)}{letter}", raw)
    if rational:
        numbers = tuple(a / b if b else float("nan") for a, b in zip(numbers[::2], numbers[1::2], strict=True))
    return numbers[0] if count == 1 else numbers


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\0", " ").strip()


def _order(block: TagBytes) -> str:
    return "<" if bytes(block[:2]) == b"II" else ">"


def _is_big(block: TagBytes) -> bool:
    return 43 in (block[2], block[3])


def _integer(block: TagBytes, at: int, size: int) -> int:
    return int.from_bytes(block[at : at + size], "little" if bytes(block[:2]) == b"II" else "big")
