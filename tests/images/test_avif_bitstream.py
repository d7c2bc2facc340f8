"""AVIF whose colour stands in its AV1 bitstream only."""

from pathlib import Path

import pytest

from luxel.images import read
from luxel.images.formats.av1 import colour_codes
from luxel.images.formats.isobmff import primary_item
from stand_ins.picture_files import fails, photo, save


def in_bitstream(path: Path, primaries: int, transfer: int) -> Path:
    """The AVIF file with other code points in its sequence header, and no box that states any."""
    data = path.read_bytes().replace(b"colrnclx", b"freenclx")
    start, length = primary_item(data).places[0]
    stream = int.from_bytes(data[start : start + length])
    # The encoder writes 1, 13, 6 (BT.709, sRGB, BT.601): found bit by bit, without reading the fields before.
    pattern = 1 << 16 | 13 << 8 | 6
    at = next(n for n in range(8 * length - 24, 0, -1) if stream >> n & 0xFFFFFF == pattern)
    stream += (primaries - 1 << 16) + (transfer - 13 << 8) << at
    path.write_bytes(data[:start] + stream.to_bytes(length) + data[start + length :])
    return path


@pytest.mark.parametrize(("transfer", "word"), [(16, "PQ"), (18, "HLG"), (8, "linear")])
def test_hdr_is_rejected(tmp_path: Path, transfer: int, word: str) -> None:
    fails(in_bitstream(save(tmp_path / "a.avif", photo()), 9, transfer), word)


def test_primaries_are_applied(tmp_path: Path) -> None:
    assert read(in_bitstream(save(tmp_path / "a.avif", photo()), 12, 13)).notes == ("Display P3 -> sRGB",)
    assert read(in_bitstream(save(tmp_path / "b.avif", photo()), 1, 13)).notes == ()


def test_a_box_overrides_the_bitstream(tmp_path: Path) -> None:
    path = in_bitstream(save(tmp_path / "a.avif", photo()), 12, 16)
    path.write_bytes(path.read_bytes().replace(b"freenclx", b"colrnclx"))
    assert read(path).notes == ()


def test_any_bytes_are_a_stream_without_colour_or_with(tmp_path: Path) -> None:
    data = save(tmp_path / "a.avif", photo()).read_bytes()
    start, length = primary_item(data).places[0]
    stream = data[start : start + length]
    assert colour_codes(stream) == (1, 13)
    for end in range(40):
        colour_codes(stream[:end])
    for at in range(8 * 20):
        changed = int.from_bytes(stream[:40]) ^ 1 << (8 * 40 - 1 - at)
        colour_codes(changed.to_bytes(40))
        primary_item(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
