"""Boxes of ISO base media files (AVIF, HEIC, CR3), and what they say of the primary picture."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from luxel.images.formats.tags import TagBytes

_MAX_BOXES = 4096
_MAX_ITEMS = 4096


@dataclass(slots=True)
class Item:
    """The primary picture: its properties (name, content) in their order, those of every picture in the file, and where
    bitstreams lie, its own first."""

    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    all_properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)


def boxes(data: TagBytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of the content of each box between two places; the last one may be cut by the end.

    Source: ISO/IEC 14496-12, 4.2.
    """
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, name, head = int.from_bytes(data[start : start + 4]), bytes(data[start + 4 : start + 8]), 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16]), 16
        elif size == 0:
            size = end - start
        if size < head:
            return
        yield name, start + head, min(start + size, end)
        start += size


def primary_item(data: bytes) -> Item:
    """What the first meta box says of the primary item; empty where it is damaged.

    Source: ISO/IEC 14496-12, 8.11 (pitm, iloc, iprp); 23008-12, 9.3 (ipma).
    """
    try:
        return _primary_item(data)
    except (struct.error, IndexError):
        return Item()


def _primary_item(data: bytes) -> Item:
    found: dict[bytes, tuple[int, int]] = {}
    for name, start, end in boxes(data, 0, len(data)):
        if name == b"meta":
            for inner, at, stop in boxes(data, start + 4, end):
                found.setdefault(inner, (at, stop))
            break
    item = Item()
    if b"pitm" not in found:
        return item
    at = found[b"pitm"][0]
    primary = int.from_bytes(data[at + 4 : at + (6 if data[at] == 0 else 8)])
    properties: list[tuple[bytes, bytes]] = []
    for part, first, last in boxes(data, *found[b"iprp"]) if b"iprp" in found else ():
        if part == b"ipco":
            properties = [(name, data[a:b]) for name, a, b in boxes(data, first, last)]
            item.all_properties = properties
        elif part == b"ipma" and not item.properties:
            linked = _linked(data[first:last], primary)
            item.properties = [properties[n - 1] for n in linked if 1 <= n <= len(properties)]
    if b"iloc" in found:
        places = _places(data[slice(*found[b"iloc"])])
        item.places = [place for number, place in sorted(places, key=lambda p: p[0] != primary)]
    return item


def _linked(links: bytes, item: int) -> list[int]:
    """Indices of the properties of an item, from the content of an ipma box."""
    version, wide = links[0], bool(links[3] & 1)
    (count,) = struct.unpack_from(">I", links, 4)
    position = 8
    for _ in range(min(count, _MAX_ITEMS)):
        (number,) = struct.unpack_from(">H" if version < 1 else ">I", links, position)
        position += 2 if version < 1 else 4
        amount = links[position]
        found = struct.unpack_from(f">{amount}{'H' if wide else 'B'}", links, position + 1)
        position += 1 + amount * (2 if wide else 1)
        if number == item:
            return [n & (0x7FFF if wide else 0x7F) for n in found]
    return []


def _places(content: bytes) -> list[tuple[int, tuple[int, int]]]:
    """Item number, and offset and length of its first extent in the file, from the content of an iloc box."""
    version = content[0]
    offset_size, length_size = content[4] >> 4, content[4] & 15
    base_size, index_size = content[5] >> 4, content[5] & 15 if version > 0 else 0
    wide = 4 if version == 2 else 2
    position = 6

    def number(size: int) -> int:
        nonlocal position
        if position + size > len(content):
            raise IndexError("the box ends early")
        position += size
        return int.from_bytes(content[position - size : position])

    places = []
    for _ in range(min(number(wide), _MAX_ITEMS)):
        item = number(wide)
        in_file = version == 0 or number(2) & 15 == 0
        number(2)
        base = number(base_size)
        for extent in range(min(number(2), _MAX_ITEMS)):
            number(index_size)
            offset, length = base + number(offset_size), number(length_size)
            if in_file and extent == 0:
                places.append((item, (offset, length)))
    return places
