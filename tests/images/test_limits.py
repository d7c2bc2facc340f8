"""Limits: on what EXR, WebP and GIF hold inside, on bytes, and Pillow's own set aside."""

import struct
import threading
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from luxel.images import read, read_linear
from luxel.images.formats.exr import _attributes
from stand_ins.picture_files import fails, light, photo, save, write_exr

Array = np.ndarray

# --- EXR --------------------------------------------------------------------------------------------------------------


def tiled(path: Path, across: int, down: int) -> Path:
    """A tiled EXR of 130 x 100 whose header then says another size of tile."""
    write_exr(path, {"RGB": light(100, 130)}, type=OpenEXR.tiledimage, tiles=OpenEXR.TileDescription())
    data = bytearray(path.read_bytes())
    struct.pack_into("<II", data, data.index(b"tiles\0tiledesc\0") + 19, across, down)
    path.write_bytes(data)
    return path


def test_exr_tiles_that_lie(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_linear(tiled(tmp_path / "a.exr", 32, 32)), light(100, 130))
    for across, down in ((1 << 30, 1 << 30), (30000, 30000), (0, 32), (1 << 31, 1), (130, 100_000)):
        fails(tiled(tmp_path / "a.exr", across, down), f"{across} x {down}", "130 x 100")


def test_exr_bytes_are_limited(tmp_path: Path) -> None:
    plane = np.zeros((50, 60), np.float32)
    path = write_exr(tmp_path / "a.exr", {f"layer{n:02}.Y": plane for n in range(20)})
    fails(path, "80 bytes", "megabytes", max_megapixels=0.01)
    assert read_linear(path, max_megapixels=0.02).shape == (50, 60, 3)
    parts = [OpenEXR.Part({}, {"RGB": light(50, 60)}, f"part {n}") for n in range(5)]
    OpenEXR.File(parts).write(str(path))
    fails(path, "60 bytes", max_megapixels=0.01)


def test_exr_block_table_is_bounded(tmp_path: Path) -> None:
    """A table as long as the file: searched once, not once for each entry, and longer than the picture has rows."""
    whole = write_exr(tmp_path / "a.exr", {"RGB": light()}, compression=OpenEXR.NO_COMPRESSION).read_bytes()
    _, at = _attributes(whole, 8)
    for count in (1000, 200_000):
        table = struct.pack(f"<{count}Q", *range(at + 8 * count + 100, at + 9 * count + 100))
        (tmp_path / "long.exr").write_bytes(whole[:at] + table + bytes(1000))
        fails(tmp_path / "long.exr", "30 blocks")
    (tmp_path / "long.exr").write_bytes(whole[: at + 40])
    fails(tmp_path / "long.exr", "truncated EXR")


# --- Pillow -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.bmp", "a.gif", "a.webp", "a.avif", "a.tif"])
def test_the_limit_of_pillow_is_not_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    wide = photo(300, 1200)
    image = Image.fromarray(wide).convert("YCbCr") if name == "a.tif" else Image.fromarray(wide)
    image.save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read(tmp_path / name).pixels.shape == wide.shape
    assert Image.MAX_IMAGE_PIXELS == 100
    fails(tmp_path / name, "megapixels", max_megapixels=0.1)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_the_limit_of_pillow_comes_back_after_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    path = save(tmp_path / "a.gif", photo(200, 300))
    threads = [threading.Thread(target=lambda: [read(path) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_webp_size_is_checked_before_its_canvas(tmp_path: Path) -> None:
    for options in ({"lossless": True}, {"quality": 80}, {"quality": 80, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}):
        path = save(tmp_path / "a.webp", photo(), **options)
        fails(path, "64 x 48", "megapixels", max_megapixels=0.003)
        assert read(path, max_megapixels=0.004).pixels.shape == (48, 64, 3)
    path.write_bytes(b"RIFF\x20\0\0\0WEBPVP8 " + bytes(20))
    fails(path, "truncated WebP")


def test_gif_frame_larger_than_its_canvas(tmp_path: Path) -> None:
    data = bytearray(save(tmp_path / "a.gif", photo()).read_bytes())
    at = data.index(b",\0\0\0\0")
    struct.pack_into("<HH", data, at + 5, 60000, 60000)
    (tmp_path / "a.gif").write_bytes(data)
    fails(tmp_path / "a.gif", "60000 x 60000", "megapixels")
