"""Bit depths, palettes, kinds of TIFF, several frames; HEIC, AVIF and code points."""

import io
import struct
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from luxel.images import read
from stand_ins.picture_files import chunk, fails, p3_to_srgb, photo, png_with, save

# --- depth ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 3)])
def test_16_bit_is_kept(tmp_path: Path, shape: tuple[int, ...]) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep))
    tifffile.imwrite(tmp_path / "a.tif", deep, compression="lzw", predictor=True)
    tifffile.imwrite(tmp_path / "big.tif", deep, byteorder=">", bigtiff=True, rowsperstrip=5)
    expected = deep if deep.ndim == 3 else np.repeat(deep[..., None], 3, 2)
    for name in ("a.png", "a.tif", "big.tif"):
        picture = read(tmp_path / name)
        assert (picture.bits, picture.pixels.dtype, picture.notes) == (16, np.uint16, ())
        np.testing.assert_array_equal(picture.pixels, expected)


def test_16_bit_grey_from_pillow(tmp_path: Path) -> None:
    """Pillow calls it I;16 and clips it to white on convert("RGB")."""
    ramp = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    for name in ("a.png", "a.tif"):
        Image.fromarray(ramp).save(tmp_path / name)
        np.testing.assert_array_equal(read(tmp_path / name).pixels[..., 1], ramp)


def test_interlaced_16_bit_png(tmp_path: Path) -> None:
    deep = photo(21, 13, dtype=np.uint16)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [row for y, x, dy, dx in passes for row in deep[y::dy, x::dx] if row.size]
    body = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows))
    head = struct.pack(">IIBBBBB", 13, 21, 16, 2, 0, 0, 1)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)
    np.testing.assert_array_equal(read(tmp_path / "a.png").pixels, deep)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_low_depth_and_palette(tmp_path: Path, mode: str) -> None:
    source = Image.fromarray(photo()).convert(mode)
    expected = np.asarray(source.convert("RGB"))
    for name in ("a.png", "a.tif"):
        source.save(tmp_path / name)
        np.testing.assert_array_equal(read(tmp_path / name).pixels, expected, err_msg=name)
    if mode == "1":
        source.save(tmp_path / "fax.tif", compression="group4")
        np.testing.assert_array_equal(read(tmp_path / "fax.tif").pixels, expected)
        assert read(tmp_path / "a.png").bits == 1
    if mode == "P":
        source.quantize(13).save(tmp_path / "four.png", bits=4)
        four = np.asarray(Image.open(tmp_path / "four.png").convert("RGB"))
        np.testing.assert_array_equal(read(tmp_path / "four.png").pixels, four)


def test_tiff_kinds(tmp_path: Path) -> None:
    path, deep = tmp_path / "a.tif", photo(dtype=np.uint16)
    tifffile.imwrite(path, np.moveaxis(deep, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read(path).pixels, deep)
    tifffile.imwrite(path, photo(channels=1)[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read(path).pixels[..., 0], 255 - photo(channels=1)[..., 0])
    twelve = deep[..., 0] >> 4
    tifffile.imwrite(path, twelve, bitspersample=12)
    np.testing.assert_array_equal(read(path).pixels[..., 0], np.rint(twelve / 4095 * 65535))
    assert read(path).bits == 12
    tifffile.imwrite(path, deep.astype(np.uint32) * 65537, photometric="rgb")
    np.testing.assert_array_equal(read(path).pixels, deep)
    assert read(path).notes == ("32 bit reduced to 16 bit",)
    tifffile.imwrite(path, np.dstack([photo(), photo(channels=1), photo(channels=1)]), photometric="rgb")
    np.testing.assert_array_equal(read(path).pixels, photo())
    assert read(path).notes == ("2 extra channels ignored",)
    Image.fromarray(photo()).convert("YCbCr").save(path, compression="tiff_lzw")
    np.testing.assert_array_equal(read(path).pixels, np.asarray(Image.open(path).convert("RGB")))
    Image.fromarray(photo(channels=4), "CMYK").save(path)
    paper = 1 - photo(channels=4) / 255
    assert np.abs(read(path).pixels - paper[..., :3] * paper[..., 3:] * 255).max() <= 0.51


def test_tiff_kinds_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, photo(dtype=np.uint16).astype(np.int16), photometric="rgb")
    fails(path, "int16")
    tifffile.imwrite(path, np.zeros((8, 8, 12), np.uint8), photometric="minisblack", planarconfig="contig")
    fails(path, "12 channels")
    tifffile.imwrite(path, np.zeros((8, 8), np.complex64))
    fails(path, "complex64")
    tifffile.imwrite(path, np.zeros((16, 16, 16), np.uint8), volumetric=True, tile=(16, 16, 16))
    fails(path, "not supported")


def test_tiff_directories_in_a_circle(tmp_path: Path) -> None:
    """A chain of pages that bites its tail: tifffile walks some of these for ever."""
    path = save(tmp_path / "a.tif", photo())
    data = bytearray(path.read_bytes())
    first = struct.unpack_from("<I", data, 4)[0]
    following = first + 2 + 12 * struct.unpack_from("<H", data, first)[0]
    struct.pack_into("<I", data, following, first)
    path.write_bytes(data)
    np.testing.assert_array_equal(read(path).pixels, photo())
    assert read(path).notes == ()


def test_first_frame_is_taken_and_noted(tmp_path: Path) -> None:
    first, second = Image.fromarray(photo()), Image.fromarray(255 - photo())
    for name, options in (("a.webp", {"lossless": True}), ("a.png", {}), ("a.gif", {}), ("a.tif", {}), ("a.avif", {})):
        first.save(tmp_path / name, save_all=True, append_images=[second, first], **options)
        picture = read(tmp_path / name)
        assert any(("frame" in n) or ("animation" in n) or ("page 1 of 3" in n) for n in picture.notes), name
        assert np.abs(picture.pixels.astype(int) - photo()).mean() < 12, name
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(photo(12, 16), subfiletype=1)  # a thumbnail before the picture
        file.write(photo())
    np.testing.assert_array_equal(read(tmp_path / "b.tif").pixels, photo())
    assert read(tmp_path / "b.tif").notes == ("page 2 of 2",)


def test_gain_map_jpeg_is_its_base_picture(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", photo())
    base = path.read_bytes()
    mark = b'http://ns.adobe.com/xap/1.0/\0<x xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'
    extended = base[:2] + b"\xff\xe1" + struct.pack(">H", len(mark) + 2) + mark + base[2:]
    save(tmp_path / "map.jpg", photo(12, 16)[..., 0])
    path.write_bytes(extended + (tmp_path / "map.jpg").read_bytes())
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(io.BytesIO(base))))
    assert picture.notes == ("gain map ignored: base picture",)
    path.write_bytes(path.read_bytes()[:-100])  # only the map is cut: the base picture is whole
    np.testing.assert_array_equal(read(path).pixels, picture.pixels)


# --- HEIC and AVIF ----------------------------------------------------------------------------------------------------


def test_heic(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(Image.fromarray(photo())).save(path, quality=95)
    picture = read(path)
    assert (picture.format, picture.bits, picture.pixels.dtype) == ("HEIF", 8, np.uint8)
    assert np.abs(picture.pixels.astype(int) - photo()).mean() < 5
    deep = photo(dtype=np.uint16)
    deep[:8, :8] = 65535
    file = pillow_heif.from_bytes(mode="RGB;16", size=(64, 48), data=deep.tobytes())
    file.save(path, quality=95, chroma=444)
    picture = read(path)
    assert (picture.bits, picture.pixels.dtype) == (10, np.uint16)
    assert picture.pixels[:6, :6].min() > 65000  # full scale is full scale, not 1023 << 6
    assert np.abs(picture.pixels.astype(int) - deep).mean() < 800
    exif = Image.Exif()
    exif[0x0112] = 6
    pillow_heif.from_pillow(Image.fromarray(photo())).save(path, quality=95, exif=exif.tobytes())
    seen = read(path).pixels
    assert seen.shape in ((48, 64, 3), (64, 48, 3))
    reference = np.asarray(pillow_heif.open_heif(path))
    np.testing.assert_array_equal(seen, reference)


def test_heic_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    fails(path, "pip install pillow-heif")


def test_avif_10_bit_and_code_points(tmp_path: Path) -> None:
    ten = photo(dtype=np.uint16) >> 6
    ten[:8, :8] = 1023
    path = tmp_path / "a.avif"
    data = bytes(imagecodecs.avif_encode(ten, bitspersample=10, level=100))
    path.write_bytes(data)
    picture = read(path)
    assert (picture.bits, picture.pixels.dtype) == (10, np.uint16)
    np.testing.assert_allclose(picture.pixels, ten / 1023 * 65535, atol=130)
    assert picture.pixels[0, 0, 0] == 65535
    at = data.index(b"colrnclx") + 8
    path.write_bytes(data[:at] + struct.pack(">HH", 12, 13) + data[at + 4 :])
    picture = read(path)
    assert picture.notes == ("Display P3 -> sRGB",)
    assert np.abs(picture.pixels / 65535 - p3_to_srgb(ten / 1023)).max() < 0.01
    for transfer, word in ((16, "PQ"), (18, "HLG"), (8, "linear")):
        path.write_bytes(data[:at] + struct.pack(">HH", 9, transfer) + data[at + 4 :])
        fails(path, word, "not supported")


def test_png_code_points_and_gamma(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", photo())
    data = path.read_bytes()
    path.write_bytes(png_with(data, chunk(b"cICP", bytes([12, 13, 0, 1]))))
    assert np.abs(read(path).pixels - p3_to_srgb(photo() / 255) * 255).max() < 1.01
    path.write_bytes(png_with(data, chunk(b"cICP", bytes([9, 16, 0, 1]))))
    fails(path, "PQ")
    path.write_bytes(png_with(data, chunk(b"gAMA", struct.pack(">I", 100000))))
    assert read(path).notes == ("PNG gamma 1 ignored: treated as sRGB",)
    path.write_bytes(png_with(data, chunk(b"gAMA", struct.pack(">I", 45455))))
    assert read(path).notes == ()
