"""The size of a WebP picture from its first bytes, for files and for strips inside TIFF."""

HEAD = 30
"""Bytes that hold the size."""


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of the canvas, or None without a sound header. Source: RFC 9649, 2.5, 2.6 and 2.7; RFC 6386."""
    kind = data[12:16]
    if data[:4] != b"RIFF" or len(data) < 25:
        return None
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if len(data) < HEAD:
        return None
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None
