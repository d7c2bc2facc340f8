"""Files that are too large, no pictures, cut off or damaged: one clear error each."""

import os
import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from luxel.errors import ImageError
from luxel.images import read, read_linear
from stand_ins.picture_files import chunk, fails, light, photo, save, write_dng, write_exr

# --- limits -----------------------------------------------------------------------------------------------------------


def bombs(folder: Path) -> list[Path]:
    """Small files whose headers promise 30000 x 30000 pixels."""
    side = 30000
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    jpeg = bytearray(save(folder / "x.jpg", photo()).read_bytes())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", side, side)
    tiff = bytearray(save(folder / "x.tif", photo()).read_bytes())
    first = struct.unpack_from("<I", tiff, 4)[0]
    for n in range(struct.unpack_from("<H", tiff, first)[0]):
        entry = first + 2 + 12 * n
        if struct.unpack_from("<H", tiff, entry)[0] in (256, 257):
            struct.pack_into("<HHII", tiff, entry, struct.unpack_from("<H", tiff, entry)[0], 4, 1, side)
    exr = bytearray(write_exr(folder / "x.exr", {"RGB": light()}).read_bytes())
    at = exr.index(b"dataWindow\0box2i\0") + 21
    exr[at : at + 16] = struct.pack("<4i", 0, 0, side - 1, side - 1)
    bmp = bytearray(save(folder / "x.bmp", photo()).read_bytes())
    bmp[18:26] = struct.pack("<ii", side, side)
    gif = bytearray(save(folder / "x.gif", photo()).read_bytes())
    gif[6:10] = struct.pack("<HH", side, side)
    hdr = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n" + bytes(100)
    dng = write_dng(folder / "x.dng", photo(64, 96, dtype=np.float64)).read_bytes()
    files = {"png": png, "jpg": jpeg, "tif": tiff, "exr": exr, "bmp": bmp, "gif": gif, "hdr": hdr}
    for suffix, data in files.items():
        (folder / f"bomb.{suffix}").write_bytes(data)
    assert dng
    return [folder / f"bomb.{suffix}" for suffix in files]


def test_too_large_is_rejected_before_decoding(tmp_path: Path, zoo: list[Path]) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    for path in bombs(tmp_path):
        tracemalloc.start()
        fails(path, "30000 x 30000", "900 megapixels", "limit of 200")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20e6, path
    for path in zoo:
        fails(path, "megapixels", max_megapixels=1e-4)
    assert limit == Image.MAX_IMAGE_PIXELS
    fails(zoo[0], "above 0", max_megapixels=0)
    fails(zoo[0], "above 0", max_megapixels=float("nan"))


def test_the_limit_is_ours_and_not_pillows(tmp_path: Path) -> None:
    """Pillow rejects above 179 megapixels; a caller who asks for more gets more."""
    wide = np.zeros((1, 60000), np.uint8)
    before = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = 1000
        assert read(save(tmp_path / "a.bmp", wide)).pixels.shape == (1, 60000, 3)
    finally:
        Image.MAX_IMAGE_PIXELS = before


@pytest.mark.parametrize("suffix", ["png", "jpg", "hdr", "tif"])
def test_no_pixels(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"zero.{suffix}"
    if suffix == "png":
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))
    elif suffix == "jpg":
        data = bytearray(save(path, photo()).read_bytes())
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 2] = b"\0\0"
        path.write_bytes(data)
    elif suffix == "hdr":
        path.write_bytes(b"#?RADIANCE\n\n-Y 0 +X 7\n")
    else:
        path.write_bytes(b"II*\0\x08\0\0\0\0\0\0\0\0\0")  # a directory without entries
    fails(path)


# --- bad input --------------------------------------------------------------------------------------------------------


def test_what_is_not_a_file(tmp_path: Path) -> None:
    fails(tmp_path / "missing.jpg", "no such file")
    fails(tmp_path, "folder")
    (tmp_path / "empty.jpg").touch()
    fails(tmp_path / "empty.jpg", "empty")
    fails(tmp_path / "null\0byte.jpg", "cannot be opened")
    fails(tmp_path / ("long" * 100 + ".jpg"), "cannot be opened")
    fails(tmp_path / "two\nlines.jpg", "no such file")
    fails(str(tmp_path / "text.jpg"), "no such file")
    fails(tmp_path / "missing.exr", "no such file", reader=read_linear)
    (tmp_path / "link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    fails(tmp_path / "link.jpg", "no such file")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        fails(tmp_path / "pipe.jpg", "not a regular file")  # and does not wait for a writer


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "secret.jpg", photo())

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    fails(path, "Permission denied")


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS"),
        (b"%PDF-1.7\n", "PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\xff\x0a\x00", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"P6\n2 2\n255\n", "Netpbm"),
        (b"PK\x03\x04", "archive"),
        (b"\0\0\0\x20ftypisom", "video"),
        (b"hello, this is text", "not a picture"),
        (b"\0" * 64, "not a picture"),
        (b"\xff", "not a picture"),
    ],
)
def test_what_is_not_a_picture(tmp_path: Path, head: bytes, word: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(head)
    fails(path, word)


def test_jpeg_kinds_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    data = save(path, photo()).read_bytes()
    at = data.index(b"\xff\xc0")
    path.write_bytes(data[: at + 4] + b"\x0c" + data[at + 5 :])
    fails(path, "12-bit")
    path.write_bytes(data[: at + 1] + b"\xc3" + data[at + 2 :])
    fails(path, "lossless")
    path.write_bytes(b"\xff\xd8\xff\xd9" + bytes(10))
    fails(path, "before any picture")
    path.write_bytes(data[:-100] + bytes(100))  # a download that reserved its space and never filled it
    fails(path, "truncated")


# --- cut anywhere, damaged anywhere -----------------------------------------------------------------------------------


def test_every_truncation_is_an_error(tmp_path: Path, zoo: list[Path]) -> None:
    for path in zoo:
        data = path.read_bytes()
        cuts = {len(data) * percent // 100 for percent in range(1, 100, 3)} | {len(data) - n for n in (1, 2, 4, 8, 13)}
        for cut in sorted(c for c in cuts if c > 0):
            part = tmp_path / f"cut_{path.name}"
            part.write_bytes(data[:cut])
            try:
                picture = read(part)
            except ImageError as error:
                line = str(error)
            else:  # only bytes that hold no pixels may be missing
                assert cut >= len(data) - 13, f"{path.name} cut at {cut} of {len(data)} was accepted"
                np.testing.assert_array_equal(picture.pixels, read(path).pixels, err_msg=f"{path.name} at {cut}")
                continue
            assert part.name in line
            assert "\n" not in line


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), hits=st.integers(1, 12))
def test_damage_is_a_picture_or_one_clear_error(tmp_path: Path, zoo: list[Path], seed: int, hits: int) -> None:
    chance = random.Random(seed)
    path = chance.choice(zoo)
    data = bytearray(path.read_bytes())
    reach = len(data) if chance.random() < 0.5 else min(len(data), 600)  # headers deserve more hits
    for _ in range(hits):
        data[chance.randrange(reach)] = chance.randrange(256)
    damaged = tmp_path / f"damaged_{path.name}"
    damaged.write_bytes(data)
    for reader in (read, read_linear):
        line = ""
        try:
            reader(damaged, max_megapixels=4)
        except ImageError as error:
            line = str(error)
        assert "\n" not in line
