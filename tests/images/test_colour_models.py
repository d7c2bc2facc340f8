"""Colour and alpha where the file's own model or frame decides: white of the model, aperture, canvas, unknown scale."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from luxel.images import read, read_linear
from luxel.images.colour.spaces import matrix_to_srgb
from luxel.images.formats.raw_levels import read_raw_levels
from luxel.photometry import to_linear, to_srgb
from stand_ins.picture_files import DISPLAY_P3_ICC, chunk, fails, p3_to_srgb, photo, png_with, save

Array = np.ndarray

# --- alpha over the white of the model --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_transparent_cmyk_is_paper(tmp_path: Path, dtype: type, kind: str) -> None:
    ink, top = photo(channels=4, dtype=dtype), int(np.iinfo(dtype).max)
    alpha = photo(channels=1, dtype=dtype)
    alpha[:4], alpha[4:8] = 0, top
    stored = ink if kind == "unassalpha" else np.rint(ink * (alpha / top)).astype(dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.dstack([stored, alpha]), photometric="separated", extrasamples=[kind])
    seen = read(path).pixels / top
    assert (seen[:4] == 1).all()
    paper = 1 - ink / top * (alpha / top)
    np.testing.assert_allclose(seen, paper[..., :3] * paper[..., 3:], atol=2.5 / top)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_transparent_lab_is_white(tmp_path: Path, kind: str) -> None:
    rgb = Image.fromarray(photo())
    lab = ImageCms.profileToProfile(rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), 1, "LAB")
    lab.save(tmp_path / "lab.tif")
    stored = tifffile.imread(tmp_path / "lab.tif")
    alpha = np.full((48, 64, 1), 255, np.uint8)
    alpha[:24] = 0
    if kind == "assocalpha":
        stored[:24] = 0
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.dstack([stored, alpha]), photometric="cielab", extrasamples=[kind])
    seen = read(path).pixels
    assert seen[:24].min() >= 254
    np.testing.assert_array_equal(seen[24:], read(tmp_path / "lab.tif").pixels[24:])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_transparent_white_is_zero(tmp_path: Path, dtype: type, kind: str) -> None:
    ink, alpha, top = photo(channels=1, dtype=dtype), photo(channels=2, dtype=dtype)[..., 1:], int(np.iinfo(dtype).max)
    stored = ink if kind == "unassalpha" else np.rint(ink * (alpha / top)).astype(dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.dstack([stored, alpha]), photometric="miniswhite", extrasamples=[kind])
    expected = 1 - ink / top * (alpha / top)
    assert np.abs(read(path).pixels / top - expected).max() <= 1.01 / top


def test_one_more_channel_without_a_description_is_alpha(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    rgba = photo(channels=4)
    tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unassalpha"], metadata=None)
    expected = read(path).pixels
    data = bytearray(path.read_bytes())
    first = struct.unpack_from("<I", data, 4)[0]
    for n in range(struct.unpack_from("<H", data, first)[0]):
        if struct.unpack_from("<H", data, first + 2 + 12 * n)[0] == 338:
            struct.pack_into("<H", data, first + 2 + 12 * n, 60000)  # a tag that nobody knows
    path.write_bytes(data)
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.notes == ("channel 4 without a description taken as alpha", "alpha composited on white")


# --- unknown scale ----------------------------------------------------------------------------------------------------


def test_32_bit_integers_of_small_range(tmp_path: Path) -> None:
    path, deep = tmp_path / "a.tif", photo(dtype=np.uint16)
    tifffile.imwrite(path, deep.astype(np.uint32), photometric="rgb")
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels, deep)
    assert picture.notes == (f"32 bit holding 16-bit values (up to {deep.max()}) read as 16 bit",)
    tifffile.imwrite(path, deep.astype(np.uint32) * 64, photometric="rgb")
    fails(path, "32-bit", "white is not known", "16 bit")
    tifffile.imwrite(path, deep.astype(np.uint32) << 14, photometric="rgb")  # two stops under full scale
    np.testing.assert_array_equal(read(path).pixels, deep >> 2)


def write_float_dng(path: Path, light: Array, white: int | None, **options: object) -> Path:
    """A linear DNG of floats. light: [H, W, 3] in the camera's colours, which are XYZ."""
    matrix = tuple(n for v in np.eye(3).ravel() for n in (int(v * 10000), 10000))
    tags = [
        (50706, "B", 4, (1, 4, 0, 0), True),
        (50708, "s", 0, "luxel test camera", True),
        (50721, "2i", 9, matrix, True),
        (50728, "2I", 3, (1, 1) * 3, True),
        (50778, "H", 1, 21, True),
    ]
    if white is not None:
        tags.append((50717, "I", 3, (white,) * 3, True))
    tifffile.imwrite(path, light, photometric=34892, planarconfig="contig", metadata=None, extratags=tags, **options)
    return path


def test_half_float_dng_is_never_black(tmp_path: Path) -> None:
    light = np.full((96, 128, 3), 0.25)
    half, single = light.astype(np.float16), light.astype(np.float32)
    for readable in (
        (half, 1, {}),
        (single, 1, {}),
        (single, None, {}),
        (half, 1, {"compression": "zlib", "predictor": 3}),
    ):
        stored, white, options = readable
        path = write_float_dng(tmp_path / "a.dng", stored, white, **options)
        assert 0.1 < read_linear(path).mean() < 0.5
    for stored, white, options, word in (
        (half, None, {}, "white level"),
        (half, 1, {"compression": "zlib"}, "predictor"),
        (single, 1, {"compression": "zlib"}, "predictor"),
    ):
        path = write_float_dng(tmp_path / "a.dng", stored, white, **options)
        for reader in (read, read_linear, read_raw_levels):
            fails(path, word, "convert", reader=reader)


# --- frames and apertures ---------------------------------------------------------------------------------------------


def test_gif_frame_smaller_than_its_canvas(tmp_path: Path) -> None:
    data = bytearray(save(tmp_path / "whole.gif", photo()).read_bytes())
    whole = read(tmp_path / "whole.gif").pixels
    struct.pack_into("<HH", data, 6, 100, 80)
    struct.pack_into("<HH", data, data.index(b",\0\0\0\0") + 1, 20, 10)
    (tmp_path / "a.gif").write_bytes(data)
    picture = read(tmp_path / "a.gif")
    expected = np.full((80, 100, 3), 255, np.uint8)
    expected[10:58, 20:84] = whole
    np.testing.assert_array_equal(picture.pixels, expected)
    assert "first frame covers 64 x 48 of 100 x 80" in picture.notes


def avif_with_aperture(data: bytes, *values: int) -> bytes:
    """An AVIF whose primary item gets a clean aperture: the box last in ipco, and an entry in the first association."""

    def grow(data: bytearray, name: bytes, by: int) -> None:
        at = data.index(name) - 4
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + by)

    clap = struct.pack(">I4s8i", 40, b"clap", *values)
    new = bytearray(data)
    ipma = new.index(b"ipma")
    amount_at = ipma + 4 + 4 + 4 + 2
    amount = new[amount_at]
    ipco = new.index(b"ipco")
    end = ipco - 4 + struct.unpack_from(">I", new, ipco - 4)[0]
    count, place = 0, ipco + 4
    while place < end:
        count, place = count + 1, place + struct.unpack_from(">I", new, place)[0]
    iloc = new.index(b"iloc")
    offset = data.index(b"mdat") + 4
    at = data.index(struct.pack(">I", offset), iloc)
    struct.pack_into(">I", new, at, offset + 41)
    new[amount_at] = amount + 1
    new[amount_at + 1 + amount : amount_at + 1 + amount] = bytes([0x80 | (count + 1)])
    new[end:end] = clap
    for name, by in ((b"ipma", 1), (b"ipco", 40), (b"iprp", 41), (b"meta", 41)):
        grow(new, name, by)
    return bytes(new)


def test_avif_clean_aperture(tmp_path: Path) -> None:
    path = save(tmp_path / "a.avif", photo(100, 120), quality=100, subsampling="4:4:4")
    whole, data = path.read_bytes(), read(path).pixels
    path.write_bytes(avif_with_aperture(whole, 60, 1, 40, 1, 0, 1, 0, 1))
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels, data[30:70, 30:90])
    assert picture.notes == ("pixels outside the clean aperture cut",)
    path.write_bytes(avif_with_aperture(whole, 60, 1, 40, 1, 20, 2, -30, 1))
    np.testing.assert_array_equal(read(path).pixels, data[0:40, 40:100])
    path.write_bytes(avif_with_aperture(whole, 120, 1, 100, 1, 0, 1, 0, 1))
    assert read(path).notes == ()
    for values in ((60, 0, 40, 1, 0, 1, 0, 1), (600, 1, 40, 1, 0, 1, 0, 1), (60, 1, 40, 1, 50, 1, 0, 1)):
        path.write_bytes(avif_with_aperture(whole, *values))
        fails(path, "AVIF")


# --- stated colours ---------------------------------------------------------------------------------------------------


def bmp_v5(pixels: Array, space: bytes, profile: bytes = b"", endpoints: bytes = bytes(36)) -> bytes:
    height, width = pixels.shape[:2]
    rows = b"".join(row[:, ::-1].tobytes() + bytes(-3 * width % 4) for row in pixels[::-1])
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(rows), 2835, 2835, 0, 0) + bytes(16)
    head += space + endpoints + bytes(12) + struct.pack("<IIII", 4, 124 + len(rows), len(profile), 0)
    start = 14 + len(head)
    return b"BM" + struct.pack("<IHHI", start + len(rows) + len(profile), 0, 0, start) + head + rows + profile


def test_bmp_profile(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(bmp_v5(photo(), b"DEBM", DISPLAY_P3_ICC))
    picture = read(path)
    assert picture.notes == ("ICC Display P3 -> sRGB",)
    assert np.abs(picture.pixels - p3_to_srgb(photo() / 255) * 255).max() < 1.01
    for data, note in (
        (bmp_v5(photo(), b"BGRs"), None),
        (bmp_v5(photo(), bytes(4)), None),
        (bmp_v5(photo(), b"KNIL", b"C:\\p3.icc\0"), "another file"),
        (bmp_v5(photo(), bytes(4), endpoints=b"\1" * 36), "endpoints"),
        (bmp_v5(photo(), b"DEBM", DISPLAY_P3_ICC)[:-9], "incomplete"),
    ):
        path.write_bytes(data)
        picture = read(path)
        np.testing.assert_array_equal(picture.pixels, photo())
        assert len(picture.notes) == (0 if note is None else 1)
        assert note is None or note in picture.notes[0]


def test_png_chromaticities(tmp_path: Path) -> None:
    def stated(*values: float) -> bytes:
        return chunk(b"cHRM", struct.pack(">8I", *(round(v * 1e5) for v in values)))

    path = save(tmp_path / "a.png", photo())
    data = path.read_bytes()
    path.write_bytes(png_with(data, stated(0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)))
    assert np.abs(read(path).pixels - p3_to_srgb(photo() / 255) * 255).max() < 1.01
    wide = (0.7, 0.3, 0.2, 0.75, 0.15, 0.05, 0.3457, 0.3585)
    path.write_bytes(png_with(data, stated(*wide[6:], *wide[:6])))
    picture = read(path)
    assert picture.notes == ("primaries of the file -> sRGB",)
    expected = to_srgb(to_linear(photo() / 255) @ matrix_to_srgb(wide).T) * 255
    assert np.abs(picture.pixels - expected).max() < 1.01
    path.write_bytes(png_with(data, stated(0.3127, 0.3290, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)))
    assert read(path).notes == ()
    path.write_bytes(png_with(data, chunk(b"sRGB", b"\0"), stated(*wide[6:], *wide[:6])))
    assert read(path).notes == ()
    path.write_bytes(png_with(data, stated(*[0.3] * 8)))
    np.testing.assert_array_equal(read(path).pixels, photo())
    assert "chromaticities" in read(path).notes[0]


def test_hdr_runs_of_the_first_versions(tmp_path: Path) -> None:
    """Runs of 39, of 300 (two counts), and of the end; the same pixels flat."""
    first, second = bytes([100, 90, 80, 129]), bytes([10, 200, 30, 127])
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 20 +X 40\n"
    runs = first + b"\1\1\1" + bytes([39]) + second + b"\1\1\1" + bytes([44]) + b"\1\1\1" + bytes([1]) + first * 2
    flat = first * 40 + second * 301 + first * 2
    rest = 800 - len(flat) // 4
    (tmp_path / "flat.hdr").write_bytes(head + flat + first * rest)
    path = tmp_path / "a.hdr"
    path.write_bytes(head + runs + b"\1\1\1" + bytes([rest % 256]) + b"\1\1\1" + bytes([rest // 256]))
    np.testing.assert_array_equal(read_linear(path), read_linear(tmp_path / "flat.hdr"))
    path.write_bytes(head + runs)
    fails(path, "truncated HDR", "343 of 800")
    path.write_bytes(head + b"\1\1\1\5" + runs)
    fails(path, "begins with a run")
    path.write_bytes(head + first + b"\1\1\1\xff" * 200)  # a run of 2^32 pixels asks for no memory
    fails(path, "beyond the last pixel")
