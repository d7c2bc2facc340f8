"""The clean aperture of an AVIF picture: the part of the coded pixels that is the picture; its decoder hands on all."""

import struct
from collections.abc import Iterator

_MAX_BOXES = 4096


def clean_aperture(data: bytes, width: int, height: int) -> tuple[slice, slice] | None:
    """Rows and columns of the clean aperture of the primary picture; None if there is none.

    data: the file.
    width, height: of the decoded picture, before any turn.
    Source: ISO/IEC 14496-12, 12.1.4 (clap); 23008-12, 9.3 (ipma). Raises ValueError if it lies outside the picture.
    """
    try:
        stated = _property(data)
    except (struct.error, IndexError):
        return None
    if stated is None:
        return None
    wide_n, wide_d, high_n, high_d, right_n, right_d, down_n, down_d = struct.unpack(">IIIIiIiI", stated)
    if 0 in (wide_d, high_d, right_d, down_d):
        raise ValueError("its fractions divide by zero")
    wide, high = round(wide_n / wide_d), round(high_n / high_d)
    left = round((width - wide) / 2 + right_n / right_d)
    top = round((height - high) / 2 + down_n / down_d)
    if wide < 1 or high < 1 or left < 0 or top < 0 or left + wide > width or top + high > height:
        raise ValueError(f"{wide} x {high} at {left}, {top} lies outside {width} x {height}")
    return slice(top, top + high), slice(left, left + wide)


def _property(data: bytes) -> bytes | None:
    """The 32 bytes of the clap property that belongs to the primary item."""
    primary, properties, links = None, [], None
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind != b"meta":
            continue
        for inner, at, stop in _boxes(data, start + 4, end):
            if inner == b"pitm":
                primary = int.from_bytes(data[at + 4 : at + (6 if data[at] == 0 else 8)])
            elif inner == b"iprp":
                for part, first, last in _boxes(data, at, stop):
                    if part == b"ipco":
                        properties = [(name, data[a:b]) for name, a, b in _boxes(data, first, last)]
                    elif part == b"ipma" and links is None:
                        links = data[first:last]
        break
    if primary is None or links is None:
        return None
    for index in _linked(links, primary):
        if 1 <= index <= len(properties) and properties[index - 1][0] == b"clap":
            return properties[index - 1][1][:32]
    return None


def _linked(links: bytes, item: int) -> list[int]:
    """Indices of the properties of an item, from the content of an ipma box."""
    version, wide = links[0], bool(links[3] & 1)
    (count,) = struct.unpack_from(">I", links, 4)
    position = 8
    for _ in range(count):
        (number,) = struct.unpack_from(">H" if version < 1 else ">I", links, position)
        position += 2 if version < 1 else 4
        amount = links[position]
        found = struct.unpack_from(f">{amount}{'H' if wide else 'B'}", links, position + 1)
        position += 1 + amount * (2 if wide else 1)
        if number == item:
            return [n & (0x7FFF if wide else 0x7F) for n in found]
    return []


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of the content of each box between two places; stops at a box that does not fit."""
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            return
        yield kind, start + head, start + size
        start += size
