"""JPEG that is cut and closed again is rejected; every whole JPEG is read, whatever its encoder did."""

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from luxel.errors import ImageError
from luxel.images import read
from stand_ins.picture_files import fails, photo, save

Array = np.ndarray


def scans(data: bytes) -> list[int]:
    """Where each scan header begins."""
    places, at = [], data.find(b"\xff\xda")
    while at >= 0:
        places.append(at)
        at = data.find(b"\xff\xda", at + 2)
    return places


KINDS: dict[str, dict[str, object]] = {
    "baseline": {"quality": 90},
    "optimised": {"quality": 75, "optimize": True},
    "full chroma": {"quality": 95, "subsampling": 0},
    "4:2:2": {"quality": 80, "subsampling": 1},
    "restarts": {"quality": 90, "restart_marker_blocks": 1},
    "restart rows": {"quality": 60, "restart_marker_rows": 1},
    "progressive": {"quality": 90, "progressive": True},
    "progressive coarse": {"quality": 30, "progressive": True, "subsampling": 0},
    "progressive restarts": {"quality": 90, "progressive": True, "restart_marker_rows": 1},
}
PICTURES: dict[str, Array] = {
    "photo": photo(),
    "grey": photo()[..., 0],
    "all 128": np.full((48, 64, 3), 128, np.uint8),
    "grey 128": np.full((33, 41), 128, np.uint8),
    "white": np.full((50, 50, 3), 255, np.uint8),
    "one pixel": np.full((1, 1, 3), 128, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (61, 77, 3), dtype=np.uint8),
    "grey below": np.concatenate([photo(), np.full((48, 64, 3), 128, np.uint8)]),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("name", sorted(PICTURES))
def test_whole_jpeg_is_read(tmp_path: Path, kind: str, name: str) -> None:
    path = save(tmp_path / "a.jpg", PICTURES[name], **KINDS[kind])
    expected = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(read(path).pixels, expected)
    data = path.read_bytes()
    for tail in (b"\0", b"\xff\xff\xff", bytes(5000), data):  # what lies behind the end mark is none of the picture
        path.write_bytes(data + tail)
        np.testing.assert_array_equal(read(path).pixels, expected)
    path.write_bytes(data[:-2] + b"\xff\xff\xff\xd9")  # padding before the end mark
    np.testing.assert_array_equal(read(path).pixels, expected)


@pytest.mark.parametrize("progressive", [False, True])
def test_whole_cmyk_jpeg_is_read(tmp_path: Path, progressive: bool) -> None:
    for n, ink in enumerate((photo(channels=4), np.full((24, 40, 4), 128, np.uint8))):
        path = tmp_path / f"{n}.jpg"
        Image.fromarray(ink, "CMYK").save(path, quality=95, progressive=progressive)
        assert read(path).pixels.shape == (*ink.shape[:2], 3)
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg8_encode(photo(), level=50, subsampling="411"))
    assert read(tmp_path / "a.jpg").pixels.shape == (48, 64, 3)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("name", ["photo", "grey", "noise"])
def test_cut_and_closed_is_rejected(tmp_path: Path, kind: str, name: str) -> None:
    data = save(tmp_path / "whole.jpg", PICTURES[name], **KINDS[kind]).read_bytes()
    begin = scans(data)[0] + 14
    path = tmp_path / "cut.jpg"
    for percent in range(0, 99, 3):
        cut = begin + (len(data) - 2 - begin) * percent // 100
        path.write_bytes(data[:cut].rstrip(b"\xff") + b"\xff\xd9")
        fails(path, "JPEG")


def test_cut_between_scans_is_rejected(tmp_path: Path) -> None:
    data = save(tmp_path / "a.jpg", photo(), progressive=True).read_bytes()
    for place in scans(data)[1:]:
        (tmp_path / "a.jpg").write_bytes(data[:place] + b"\xff\xd9")
        fails(tmp_path / "a.jpg", "truncated", "scans")


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(("height", "width"), [(480, 64), (48, 640), (56, 64), (100, 100), (4800, 6400)])
def test_header_larger_than_the_data_is_rejected(tmp_path: Path, progressive: bool, height: int, width: int) -> None:
    data = bytearray(save(tmp_path / "a.jpg", photo(), progressive=progressive).read_bytes())
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    struct.pack_into(">HH", data, at, height, width)
    (tmp_path / "a.jpg").write_bytes(data)
    fails(tmp_path / "a.jpg", "truncated JPEG")


def test_a_pass_for_every_scan_is_limited(tmp_path: Path) -> None:
    data = save(tmp_path / "a.jpg", photo(), progressive=True).read_bytes()
    last = data[scans(data)[-1] : -2]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + last * 1000 + data[-2:])
    fails(tmp_path / "a.jpg", "scans", "baseline")


def test_two_frame_headers_are_rejected(tmp_path: Path) -> None:
    data = save(tmp_path / "a.jpg", photo()).read_bytes()
    at = data.index(b"\xff\xc0")
    frame = data[at : at + 19]
    (tmp_path / "a.jpg").write_bytes(data[:at] + frame + data[at:])
    fails(tmp_path / "a.jpg", "two frame headers")


def test_last_byte_of_a_large_scan_is_missed(tmp_path: Path) -> None:
    """Above a megapixel too, at every place near the end, whatever the colour of the last block."""
    bright = np.tile(photo(), (20, 20, 1))
    bright[-16:, -16:] = 250
    data = save(tmp_path / "a.jpg", bright, quality=95).read_bytes()
    assert read(tmp_path / "a.jpg").pixels.shape == (960, 1280, 3)
    for lost in (1, 2, 5, 20, 300):
        (tmp_path / "a.jpg").write_bytes(data[: -2 - lost].rstrip(b"\xff") + b"\xff\xd9")
        fails(tmp_path / "a.jpg", "truncated JPEG")
        with pytest.raises(ImageError, match="truncated JPEG"):
            read(tmp_path / "a.jpg", working_size=64)


def test_data_without_a_meaning_are_rejected(tmp_path: Path) -> None:
    """Changed bytes that the decoder notices: data left over in the end, restart marks out of order."""
    data = bytearray(save(tmp_path / "a.jpg", photo(200, 300), quality=90).read_bytes())
    middle = (scans(data)[0] + len(data)) // 2
    data[middle : middle + 40] = b"\xff\0" * 20
    (tmp_path / "a.jpg").write_bytes(data)
    fails(tmp_path / "a.jpg", "damaged JPEG", "left over")
    data = bytearray(save(tmp_path / "b.jpg", photo(200, 300), restart_marker_rows=1).read_bytes())
    data[data.index(b"\xff\xd3") + 1] = 0xD6
    (tmp_path / "b.jpg").write_bytes(data)
    fails(tmp_path / "b.jpg", "damaged JPEG", "instead of RST3")


def test_padding_is_noted(tmp_path: Path) -> None:
    data = save(tmp_path / "a.jpg", photo()).read_bytes()
    expected = read(tmp_path / "a.jpg").pixels
    (tmp_path / "a.jpg").write_bytes(data[:-2] + bytes(100) + data[-2:])
    picture = read(tmp_path / "a.jpg")
    np.testing.assert_array_equal(picture.pixels, expected)
    assert any("padding" in note for note in picture.notes)


def test_whole_jpeg_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second decoder, whose completeness takes a decoding more to check, is only for what the first cannot read."""

    def never(data: bytes) -> Array:
        raise AssertionError("decoded again")

    monkeypatch.setattr(imagecodecs, "jpeg8_decode", never)
    for kind in KINDS.values():
        read(save(tmp_path / "a.jpg", photo(), **kind))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_stretch_that_is_missing_is_never_only_noted(tmp_path: Path, progressive: bool) -> None:
    """Bytes lost before a scan: tables are then wrong, or a scan of several lost its way."""
    path = tmp_path / "a.jpg"
    Image.fromarray(photo()).save(path, quality=90, progressive=progressive)
    data = path.read_bytes()
    rejected = 0
    for at in scans(data):
        for lost in (1, 3, 20):
            path.write_bytes(data[: at - 5 - lost] + data[at - 5 :])
            try:
                notes = read(path).notes
            except ImageError:
                rejected += 1
            else:
                assert not any("extraneous" in note for note in notes)
    assert rejected >= len(scans(data))
