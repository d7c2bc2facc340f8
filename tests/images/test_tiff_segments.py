"""Strips and tiles of TIFF: limits hold for what is inside them, and every one must be there and whole."""

import struct
import tracemalloc
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from luxel.images import read
from stand_ins.picture_files import fails, photo, save

Array = np.ndarray


def entry(data: bytes | bytearray, tag: int) -> int:
    """Where the entry of a tag begins in the first directory of a little-endian TIFF."""
    first = struct.unpack_from("<I", data, 4)[0]
    places = [first + 2 + 12 * n for n in range(struct.unpack_from("<H", data, first)[0])]
    return next(at for at in places if struct.unpack_from("<H", data, at)[0] == tag)


def tiff_around(path: Path, inside: bytes, compression: int, shape: tuple[int, int] = (48, 64)) -> Path:
    """A page of `shape` whose one strip holds `inside`."""
    tifffile.imwrite(path, np.zeros((*shape, 3), np.uint8), photometric="rgb", metadata=None)
    data = bytearray(path.read_bytes())
    for tag, value in ((259, compression), (273, len(data)), (279, len(inside))):
        struct.pack_into("<HII", data, entry(data, tag) + 2, 4, 1, value)
    path.write_bytes(data + inside)
    return path


def one_with_size(kind: str, side: int) -> bytes:
    """A small coded picture whose header says side x side."""
    if kind == "jpeg":
        data = bytearray(imagecodecs.jpeg8_encode(photo(), level=90))
        struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, side, side)
    elif kind == "jpeg2000":
        data = bytearray(imagecodecs.jpeg2k_encode(photo(), codecformat="j2k"))
        struct.pack_into(">II", data, 8, side, side)
    elif kind == "png":
        data = bytearray(imagecodecs.png_encode(photo()))
        struct.pack_into(">II", data, 16, side, side)
    else:
        data = bytearray(imagecodecs.webp_encode(photo(), lossless=True))
        bits = struct.unpack_from("<I", data, 21)[0]
        struct.pack_into("<I", data, 21, bits & ~0xFFFFFFF | (side - 1) | (side - 1) << 14)
    return bytes(data)


CODECS = {"jpeg": 7, "jpeg2000": 34712, "png": 34933, "webp": 50001}


@pytest.mark.parametrize("kind", sorted(CODECS))
def test_size_inside_is_checked_before_decoding(tmp_path: Path, kind: str) -> None:
    side = 16000
    path = tiff_around(tmp_path / "a.tif", one_with_size(kind, side), CODECS[kind])
    tracemalloc.start()
    fails(path, f"{side} x {side}", "64 x 48")
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    fails(tiff_around(path, bytes(5000), CODECS[kind]), "without a header")


def test_codecs_inside_are_read(tmp_path: Path) -> None:
    inside = {
        7: imagecodecs.jpeg8_encode(photo(), level=90, colorspace="rgb", outcolorspace="rgb"),
        34712: imagecodecs.jpeg2k_encode(photo(), level=0),
        34933: imagecodecs.png_encode(photo()),
        50001: imagecodecs.webp_encode(photo(), lossless=True),
    }
    for compression, data in inside.items():
        seen = read(tiff_around(tmp_path / "a.tif", bytes(data), compression)).pixels
        assert np.abs(seen.astype(int) - photo()).mean() < (8 if compression == 7 else 0.01), compression


def test_codecs_without_a_size_check_are_rejected(tmp_path: Path) -> None:
    for compression, word in ((50002, "JPEG XL"), (22610, "JPEG XR"), (34887, "LERC")):
        fails(tiff_around(tmp_path / "a.tif", bytes(100), compression), word, "LZW")


def test_tiles_much_larger_than_the_picture_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, photo(), photometric="rgb", tile=(256, 512), metadata=None)
    np.testing.assert_array_equal(read(path).pixels, photo())  # a usual tile around a small picture
    data = bytearray(path.read_bytes())
    for tag in (322, 323):
        struct.pack_into("<HII", data, entry(data, tag) + 2, 4, 1, 30000)
    path.write_bytes(data)
    fails(path, "30000 x 30000", "64 x 48")
    for value in (0, 2**32 - 1):
        struct.pack_into("<HII", data, entry(data, 322) + 2, 4, 1, value)
        path.write_bytes(data)
        fails(path)


def test_bytes_are_limited_too(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((200, 300, 8), np.float64), photometric="minisblack", planarconfig="contig")
    fails(path, "64 bytes", "megabytes", "limit of 1.6", max_megapixels=0.1)
    assert read(path, max_megapixels=0.3).pixels.shape == (200, 300, 3)
    tifffile.imwrite(path, np.zeros((200, 300, 4), np.float32), photometric="rgb", extrasamples=["unassalpha"])
    assert read(path, max_megapixels=0.06).pixels.shape == (200, 300, 3)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits"])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 8}, {"tile": (16, 16)}])
def test_too_few_strips_or_tiles(tmp_path: Path, compression: str | None, layout: dict[str, object]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, photo(), photometric="rgb", compression=compression, metadata=None, **layout)
    np.testing.assert_array_equal(read(path).pixels, photo())
    whole = path.read_bytes()
    tags = (324, 325) if "tile" in layout else (273, 279)
    for cut in (tags, tags[:1], tags[1:]):
        data = bytearray(whole)
        for tag in cut:
            at = entry(data, tag)
            struct.pack_into("<I", data, at + 4, struct.unpack_from("<I", data, at + 4)[0] // 2)
        path.write_bytes(data)
        fails(path, "truncated TIFF", "lists")


def test_one_strip_for_half_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for compression in (None, "lzw", "zlib", "packbits"):
        tifffile.imwrite(path, photo(), photometric="rgb", compression=compression, metadata=None)
        data = bytearray(path.read_bytes())
        struct.pack_into("<HII", data, entry(data, 257) + 2, 4, 1, 96)
        path.write_bytes(data)
        fails(path, "TIFF")
        struct.pack_into("<HII", data, entry(data, 278) + 2, 4, 1, 96)
        path.write_bytes(data)
        fails(path, "TIFF")


def test_uncompressed_strips_that_are_too_short(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, photo(), photometric="rgb", rowsperstrip=48, metadata=None)
    data = bytearray(path.read_bytes()) + bytes(20000)
    struct.pack_into("<HII", data, entry(data, 279) + 2, 4, 1, 5000)
    path.write_bytes(data)
    fails(path, "truncated TIFF", "5000 of 9216")


@pytest.mark.parametrize("options", [{}, {"quality": 30}])
def test_jpeg_inside_cut_and_closed(tmp_path: Path, options: dict[str, int]) -> None:
    """Cut anywhere in its data and closed, in the only strip and in a tile."""
    path = save(tmp_path / "a.tif", photo(), compression="jpeg", **options)
    whole = path.read_bytes()
    tifffile.imwrite(tmp_path / "b.tif", photo(100, 90), photometric="rgb", compression="jpeg", tile=(32, 32))
    assert read(tmp_path / "b.tif").pixels.shape == (100, 90, 3)
    tiled = (tmp_path / "b.tif").read_bytes()
    for data, tag in ((whole, 279), (tiled, 325)):
        with tifffile.TiffFile(tmp_path / ("a.tif" if tag == 279 else "b.tif")) as file:
            page = file.pages[0]
            offset, length = page.dataoffsets[-1], page.databytecounts[-1]
        begin = data.index(b"\xff\xda", offset) + 14
        for percent in range(0, 99, 7):
            cut = begin + (offset + length - 2 - begin) * percent // 100
            damaged = bytearray(data)
            damaged[cut : offset + length] = b"\xff\xd9" + bytes(offset + length - cut - 2)
            if damaged[cut - 1] == 0xFF:
                damaged[cut - 1] = 0
            (tmp_path / "cut.tif").write_bytes(damaged)
            fails(tmp_path / "cut.tif", "JPEG")


def test_whole_jpegs_inside(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pictures = [photo(100, 90), np.full((100, 90, 3), 128, np.uint8), photo(100, 90)[..., 0]]
    for picture in pictures:
        for layout in ({}, {"tile": (32, 32)}, {"rowsperstrip": 16}):
            photometric = "rgb" if picture.ndim == 3 else "minisblack"
            tifffile.imwrite(path, picture, photometric=photometric, compression="jpeg", **layout)
            seen = read(path).pixels.astype(int)
            assert np.abs(seen - (picture if picture.ndim == 3 else picture[..., None])).mean() < 8


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
@pytest.mark.parametrize("photometric", ["rgb", "minisblack"])
def test_a_large_jpeg_inside_that_lost_its_last_block(
    tmp_path: Path, subsampling: tuple[int, int], photometric: str
) -> None:
    """Above a megapixel, with a bright end: what the decoder invents there is one block, and not grey."""
    pixels = np.kron(photo(75, 100), np.ones((12, 16, 1), np.uint8))
    pixels[-64:, -64:] = np.random.default_rng(1).integers(180, 256, (64, 64, 3))
    options = {} if photometric == "minisblack" else {"subsampling": subsampling}
    kept = pixels if photometric == "rgb" else pixels[..., 0]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, kept, photometric=photometric, compression="jpeg", rowsperstrip=900, **options)
    assert read(path).pixels.shape == (900, 1600, 3)
    whole = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        end = file.pages[0].dataoffsets[0] + file.pages[0].databytecounts[0]
    for lost in (1, 2, 3, 8, 30):
        damaged = bytearray(whole)
        damaged[end - 2 - lost : end] = b"\xff\xd9" + bytes(lost)
        if damaged[end - 3 - lost] == 0xFF:
            damaged[end - 3 - lost] = 0
        path.write_bytes(damaged)
        fails(path, "JPEG")
