"""The two EXIF facts that change what a person sees: orientation, and Adobe RGB without a profile."""

import struct
from dataclasses import dataclass

_ORIENTATION, _EXIF_IFD, _INTEROP_IFD, _INTEROP_INDEX = 0x0112, 0x8769, 0xA005, 0x0001


@dataclass(frozen=True, slots=True)
class Exif:
    """orientation: 1 to 8 (1 when absent or invalid). adobe_rgb: the DCF option file mark R03. damaged: unreadable."""

    orientation: int = 1
    adobe_rgb: bool = False
    damaged: bool = False


def parse(block: bytes | None) -> Exif:
    """The facts of an EXIF block, with or without its leading "Exif" mark; never raises: metadata is optional.

    Source: TIFF 6.0 (IFD layout), EXIF 2.32 (tags), DCF 2.0 (R03 = Adobe RGB).
    """
    if not block:
        return Exif()
    tiff = block[6:] if block.startswith(b"Exif\0\0") else block
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return Exif(damaged=True)
    first = _directory(tiff, order, struct.unpack_from(order + "I", tiff, 4)[0])
    orientation = _number(first, _ORIENTATION, order)
    exif = _directory(tiff, order, _number(first, _EXIF_IFD, order))
    interop = _directory(tiff, order, _number(exif, _INTEROP_IFD, order))
    return Exif(
        orientation if orientation in range(1, 9) else 1,
        adobe_rgb=interop.get(_INTEROP_INDEX, (0, b""))[1][:3] == b"R03",
        damaged=not first,
    )


def _directory(tiff: bytes, order: str, offset: int) -> dict[int, tuple[int, bytes]]:
    """Tag -> (type, the four value bytes) of the directory at `offset`; what lies outside the block is left out."""
    found: dict[int, tuple[int, bytes]] = {}
    if 0 < offset <= len(tiff) - 2:
        (count,) = struct.unpack_from(order + "H", tiff, offset)
        for start in range(offset + 2, min(offset + 2 + 12 * count, len(tiff) - 11), 12):
            tag, kind, _, value = struct.unpack_from(order + "HHI4s", tiff, start)
            found[tag] = (kind, value)
    return found


def _number(entries: dict[int, tuple[int, bytes]], tag: int, order: str) -> int:
    """A SHORT or LONG value, or 0 if the tag is not there."""
    kind, value = entries.get(tag, (4, b"\0\0\0\0"))
    return int(struct.unpack(order + ("H2x" if kind == 3 else "I"), value)[0])
