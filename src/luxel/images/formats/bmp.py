"""The colour space that a BMP states in its header of version 4 or 5: an embedded profile is applied."""

import struct
from pathlib import Path

_FILE_HEADER = 14
_VERSION_4, _VERSION_5 = 108, 124
_CALIBRATED, _EMBEDDED, _LINKED = 0, b"DEBM", b"KNIL"  # the letters MBED and LINK as a little-endian number
_MAX_PROFILE = 16 << 20


def profile(path: Path) -> tuple[bytes | None, list[str]]:
    """The embedded ICC profile of a BMP, or None, and notes on what is stated and not honoured.

    Source: BITMAPV4HEADER and BITMAPV5HEADER, Windows GDI.
    """
    with path.open("rb") as file:
        head = file.read(_FILE_HEADER + _VERSION_5)
        size = int.from_bytes(head[14:18], "little")
        if size not in (_VERSION_4, _VERSION_5) or len(head) < _FILE_HEADER + size:
            return None, []
        space, endpoints = head[70:74], head[74:110]
        if int.from_bytes(space, "little") == _CALIBRATED and any(endpoints):
            return None, ["BMP colour endpoints ignored: treated as sRGB"]
        if size == _VERSION_5 and space == _LINKED:
            return None, ["ICC profile in another file ignored: treated as sRGB"]
        if size == _VERSION_4 or space != _EMBEDDED:
            return None, []
        offset, length = struct.unpack_from("<II", head, 126)
        file.seek(_FILE_HEADER + offset)
        data = file.read(min(length, _MAX_PROFILE))
    if length == 0 or len(data) < length:
        return None, ["ICC profile incomplete: treated as sRGB"]
    return data, []
