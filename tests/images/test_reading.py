"""Every format gives the same kind of picture, upright; the cost of reading; real pictures."""

import io
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from luxel.images import SUFFIXES, Picture, read, read_linear, write
from luxel.images.colour.spaces import upright
from stand_ins.picture_files import (
    DISPLAY_P3_ICC,
    chunk,
    fails,
    light,
    photo,
    png_with,
    save,
    write_dng,
    write_exr,
    write_hdr,
)

DATA = os.environ.get("LUXEL_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="LUXEL_DATA is not set: no real pictures at hand")


# --- what every picture is --------------------------------------------------------------------------------------------


def test_every_format_gives_the_same_kind_of_picture(zoo: list[Path]) -> None:
    for path in zoo:
        picture = read(path)
        assert isinstance(picture, Picture)
        assert picture.pixels.ndim == 3
        assert picture.pixels.shape[2] == 3, path
        assert picture.pixels.dtype in (np.uint8, np.uint16, np.float32)
        assert picture.pixels.flags.c_contiguous, path
        assert picture.path == path
        assert path.suffix in SUFFIXES
        if picture.pixels.dtype == np.float32:
            assert picture.pixels.min() >= 0
            assert picture.pixels.max() <= 1
        expected = {".png": "PNG", ".jpg": "JPEG", ".tif": "TIFF", ".dng": "RAW", ".heic": "HEIF"}
        assert picture.format == expected.get(path.suffix, path.suffix[1:].upper())


def test_pixels_equal_pillow_where_nothing_needs_to_be_done(zoo: list[Path]) -> None:
    names = {"baseline.jpg", "progressive.jpg", "grey.jpg", "rgb.png", "lossy.webp", "rgb.gif", "rgb.bmp", "rgb.avif"}
    for path in (p for p in zoo if p.name in names | {"plain.tif", "jpeg.tif"}):
        picture = read(path)
        assert picture.pixels.dtype == np.uint8
        assert picture.bits == 8
        assert picture.notes == ()
        np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(path).convert("RGB")), err_msg=path.name)


def test_content_decides_not_the_suffix(tmp_path: Path, zoo: list[Path]) -> None:
    for path in zoo:
        if path.suffix in (".dng", ".tif"):
            continue
        for suffix in (".png", ".jpg", ".tif", ".dng", ".txt", ""):
            disguised = tmp_path / f"x{suffix}"
            disguised.write_bytes(path.read_bytes())
            np.testing.assert_array_equal(read(disguised).pixels, read(path).pixels)
    raw = write_dng(tmp_path / "sensor.tif", photo(64, 96, dtype=np.float64))
    assert read(raw).format == "RAW"
    ordinary = save(tmp_path / "ordinary.nef", photo(), format="TIFF")
    fails(ordinary, "LibRaw", ".tif")


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5000), (5000, 1), (7, 3)])
def test_odd_sizes(tmp_path: Path, height: int, width: int) -> None:
    eight, sixteen = photo(height, width), photo(height, width, dtype=np.uint16)
    for name in ("a.png", "a.tif", "a.webp"):
        write(tmp_path / name, eight)
        np.testing.assert_array_equal(read(tmp_path / name).pixels, eight)
    for name in ("b.png", "b.tif"):
        write(tmp_path / name, sixteen)
        np.testing.assert_array_equal(read(tmp_path / name).pixels, sixteen)
    assert read(save(tmp_path / "c.jpg", eight)).pixels.shape == (height, width, 3)
    bright = light(height, width)
    exr = write_exr(tmp_path / "d.exr", {"RGB": bright})
    np.testing.assert_array_equal(read_linear(exr), bright)
    hdr = write_hdr(tmp_path / "e.hdr", bright)
    assert (np.abs(read_linear(hdr) - bright) <= bright.max(-1, keepdims=True) / 128).all()


# --- turned upright ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path: Path, orientation: int) -> None:
    seen = photo()
    turns = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}  # the turn that undoes each
    stored = np.ascontiguousarray(upright(seen, turns[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    files = [save(tmp_path / f"a.{s}", stored, exif=exif, **o) for s, o in (("png", {}), ("webp", {"lossless": True}))]
    tifffile.imwrite(tmp_path / "a.tif", stored, extratags=[(274, "H", 1, orientation, True)])
    deep = png_with(imagecodecs.png_encode(stored.astype(np.uint16) * 257), chunk(b"eXIf", exif.tobytes()[6:]))
    (tmp_path / "deep.png").write_bytes(deep)
    for path in [*files, tmp_path / "a.tif"]:
        np.testing.assert_array_equal(read(path).pixels, seen, err_msg=path.name)
        assert any("upright" in n for n in read(path).notes) == (orientation != 1)
    np.testing.assert_array_equal(read(tmp_path / "deep.png").pixels, seen.astype(np.uint16) * 257)
    jpeg = save(tmp_path / "a.jpg", stored, exif=exif)
    np.testing.assert_array_equal(read(jpeg).pixels, np.asarray(ImageOps.exif_transpose(Image.open(jpeg))))
    avif = save(tmp_path / "a.avif", stored, exif=exif)
    np.testing.assert_array_equal(read(avif).pixels, np.asarray(ImageOps.exif_transpose(Image.open(avif))))


@pytest.mark.parametrize(
    "block",
    [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0garbage!"],
)
def test_damaged_exif_is_ignored(tmp_path: Path, block: bytes) -> None:
    path = save(tmp_path / "a.jpg", photo())
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:])
    np.testing.assert_array_equal(read(path).pixels, np.asarray(Image.open(io.BytesIO(data))))
    assert read(path).notes == (("EXIF unreadable: ignored",) if block else ())


# --- cost -------------------------------------------------------------------------------------------------------------


def test_memory_of_a_large_jpeg(tmp_path: Path) -> None:
    """8-bit stays 8-bit, and the pixels are held once, whatever is done to them."""
    big = np.tile(photo(480, 640), (4, 4, 1))
    for options in ({}, {"icc_profile": DISPLAY_P3_ICC}):
        path = save(tmp_path / "a.jpg", big, quality=90, **options)
        read(path)
        tracemalloc.start()
        picture = read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert picture.pixels.dtype == np.uint8
        assert peak < 2.2 * big.nbytes + path.stat().st_size, peak / big.nbytes


def test_import_is_light() -> None:
    code = "import luxel.images, sys; print([m for m in ('torch', 'scipy', 'cv2', 'rawpy') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# --- real pictures ----------------------------------------------------------------------------------------------------


@needs_data
def test_real_photos_equal_pillow() -> None:
    files = sorted(Path(DATA or "").glob("photos/*.jpg"))[::40] + sorted(Path(DATA or "").glob("wrong_exposure/*.jpg"))
    assert len(files) > 20
    for path in files:
        expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        np.testing.assert_array_equal(read(path).pixels, expected, err_msg=path.name)


@needs_data
def test_real_light() -> None:
    files = sorted(Path(DATA or "").glob("exr/*.exr")) + sorted(Path(DATA or "").glob("hdri/*.hdr"))[::9]
    assert len(files) > 8
    for path in files:
        linear = read_linear(path)
        assert np.isfinite(linear).all()
        assert linear.min() >= 0
        assert 0.3 < read(path).pixels.mean() < 0.7, path.name


@needs_data
def test_real_gain_map() -> None:
    (path,) = Path(DATA or "").glob("ultrahdr/*.jpg")
    picture = read(path)
    image = Image.open(path)
    other = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"])), ImageCms.createProfile("sRGB"), 1
    )
    assert "gain map ignored: base picture" in picture.notes
    assert np.abs(picture.pixels.astype(np.int16) - np.asarray(other)).max() <= 1
