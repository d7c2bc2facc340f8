"""Image files: every format, every rule of docs/formats.md, and every way a file can be bad."""

import io
import os
import random
import stat
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import OpenEXR
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from luxel.errors import ImageError
from luxel.images import SUFFIXES, Picture, read, read_linear, write
from luxel.images.colour import ADOBE_RGB, BT2020, DISPLAY_P3, SRGB, matrix_to_srgb, upright
from luxel.images.rendering import auto_exposure
from luxel.photometry import luminance, to_linear, to_srgb

Array = np.ndarray
DATA = os.environ.get("LUXEL_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="LUXEL_DATA is not set: no real pictures at hand")


# --- small pictures and small files ---------------------------------------------------------------------------------


def photo(height: int = 48, width: int = 64, channels: int = 3, dtype: type = np.uint8) -> Array:
    """Smooth colours with a little noise: no two corners alike, so that every turn shows."""
    rng = np.random.default_rng(height * 1000 + width)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    planes = [x, y, (x + y) / 2, 1 - x * y][:channels]
    values = np.clip(np.stack(planes, -1) * 0.9 + rng.normal(0, 0.02, (height, width, channels)), 0, 1)
    if np.issubdtype(dtype, np.floating):
        return values.astype(dtype)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


def save(path: Path, pixels: Array, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_with(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with more chunks right after its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def icc_rgb(colorants: list[list[float]], curve: bytes, name: str = "Test", space: bytes = b"RGB ") -> bytes:
    """A matrix profile (or grey, without colorants), version 4.3. colorants: D50 XYZ of red, green, blue."""

    def s15(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    text = name.encode("utf-16-be")
    tags = {b"desc": b"mluc\0\0\0\0" + struct.pack(">IIHHII", 1, 12, 0x656E, 0x5553, len(text), 28) + text}
    tags[b"wtpt"] = b"XYZ \0\0\0\0" + s15(0.9642, 1.0, 0.8249)
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    for letter, xyz in zip(b"rgb", colorants, strict=False):
        tags[bytes([letter]) + b"XYZ"] = b"XYZ \0\0\0\0" + s15(*xyz)
        tags[bytes([letter]) + b"TRC"] = curve
    return icc_file(tags, b"mntr", space, b"XYZ ", 0x04300000)


def icc_table(space: bytes, lab: Callable[[Array], Array], channels: int) -> bytes:
    """A table profile (lut8 to Lab, two nodes a channel). lab: corners [n, channels] in 0, 1 -> [n, 3] L*, a*, b*."""
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * channels, indexing="ij"), -1).reshape(-1, channels)
    nodes = np.clip(np.rint(lab(corners) * [2.55, 1, 1] + [0, 128, 128]), 0, 255).astype(np.uint8)
    identity = b"".join(struct.pack(">i", v * 65536) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([channels, 3, 2, 0]) + identity + ramp * channels + nodes.tobytes() + ramp * 3
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"Test\0" + bytes(78), b"A2B0": lut}
    if space == b"CMYK":  # the way back, L* 0 -> full black ink: where the black point is looked for
        ink = np.zeros((2, 2, 2, 4), np.uint8)
        ink[0, ..., 3] = 255
        tags[b"B2A0"] = b"mft1\0\0\0\0\3\4\2\0" + identity + ramp * 3 + ink.tobytes() + ramp * 4
    return icc_file(tags, b"prtr", space, b"Lab ", 0x02400000)


def icc_file(tags: dict[bytes, bytes], kind: bytes, space: bytes, connection: bytes, version: int) -> bytes:
    offset, table, body = 132 + 12 * len(tags), b"", b""
    for name, tag in tags.items():
        tag += bytes(-len(tag) % 4)
        table += name + struct.pack(">II", offset + len(body), len(tag))
        body += tag
    white = b"".join(struct.pack(">i", round(v * 65536)) for v in (0.9642, 1.0, 0.8249))
    head = struct.pack(">I4sI4s4s4s12s4s", 0, b"", version, kind, space, connection, bytes(12), b"acsp")
    head = (head + bytes(68 - len(head)) + white).ljust(128, b"\0")
    data = head + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(data)) + data[4:]


# D50 colorants as their publishers print them (ICC registry; Apple's and HP's profiles).
P3_D50 = [[0.51512, 0.24120, -0.00105], [0.29198, 0.69225, 0.04189], [0.15710, 0.06657, 0.78407]]
SRGB_D50 = [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]]
P3_TO_SRGB = np.array([[1.22494, -0.22494, 0.0], [-0.04206, 1.04206, 0.0], [-0.01964, -0.07864, 1.09827]])
SRGB_CURVE = b"para\0\0\0\0\0\3\0\0" + b"".join(
    struct.pack(">i", round(v * 65536)) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
)
LINEAR_CURVE = b"curv\0\0\0\0\0\0\0\0"
DISPLAY_P3_ICC = icc_rgb(P3_D50, SRGB_CURVE, "Display P3")


def gamma_curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H2x", round(gamma * 256))


def p3_to_srgb(encoded: Array) -> Array:
    """What Display P3 values look like in sRGB, by the published matrix: float in, float out."""
    return to_srgb(to_linear(encoded) @ P3_TO_SRGB.T)


def write_dng(path: Path, camera: Array, neutral: tuple[float, ...] = (1, 1, 1), orientation: int = 1) -> Path:
    """A minimal uncompressed Bayer DNG. camera: [H, W, 3] linear camera RGB in [0, 1]; its space is linear sRGB."""
    mosaic = camera[..., 1].copy()
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = camera[0::2, 0::2, 0], camera[1::2, 1::2, 2]
    xyz_to_camera = (
        3.2404542,
        -1.5371385,
        -0.4985314,
        -0.9692660,
        1.8760108,
        0.0415560,
        0.0556434,
        -0.2040259,
        1.0572252,
    )

    def rational(values: tuple[float, ...]) -> tuple[int, ...]:
        return tuple(n for v in values for n in (round(v * 10000), 10000))

    tags = [
        (271, "s", 0, "luxel", True),
        (272, "s", 0, "test camera", True),
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, (0, 1, 1, 2), True),
        (50706, "B", 4, (1, 4, 0, 0), True),
        (50708, "s", 0, "luxel test camera", True),
        (50714, "H", 1, 0, True),
        (50717, "H", 1, 16383, True),
        (50721, "2i", 9, rational(xyz_to_camera), True),
        (50728, "2I", 3, rational(neutral), True),
        (50778, "H", 1, 21, True),
    ]
    stored = np.rint(mosaic * 16383).astype(np.uint16)
    tifffile.imwrite(path, stored, photometric=32803, planarconfig=None, metadata=None, extratags=tags)
    return path


def write_exr(path: Path, channels: dict[str, Array], **header: object) -> Path:
    options = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage} | header
    OpenEXR.File(options, channels).write(str(path))
    return path


def write_luminance_chroma(path: Path, y: Array, red: Array, blue: Array) -> Path:
    """An uncompressed EXR of half-size chroma, byte by byte: the library writes only channels of one size."""

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return f"{name}\0{kind}\0".encode() + struct.pack("<I", len(value)) + value

    height, width = y.shape
    box = struct.pack("<4i", 0, 0, width - 1, height - 1)
    head = b"\x76\x2f\x31\x01" + struct.pack("<I", 2)
    names = (b"BY\0", b"RY\0", b"Y\0")
    channels = [n + struct.pack("<4i", 1, 0, s, s) for n, s in zip(names, (2, 2, 1), strict=True)]
    head += attribute("channels", "chlist", b"".join(channels) + b"\0") + attribute("compression", "compression", b"\0")
    head += attribute("dataWindow", "box2i", box) + attribute("displayWindow", "box2i", box)
    head += attribute("lineOrder", "lineOrder", b"\0") + attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
    head += attribute("screenWindowCenter", "v2f", bytes(8))
    head += attribute("screenWindowWidth", "float", struct.pack("<f", 1)) + b"\0"
    lines = [(b"" if n % 2 else blue[n // 2].tobytes() + red[n // 2].tobytes()) + y[n].tobytes() for n in range(height)]
    offset, table = len(head) + 8 * height, b""
    for line in lines:
        table += struct.pack("<Q", offset)
        offset += 8 + len(line)
    blocks = b"".join(struct.pack("<iI", n, len(line)) + line for n, line in enumerate(lines))
    path.write_bytes(head + table + blocks)
    return path


def rgbe(light: Array) -> bytes:
    """Flat RGBE bytes, by the formula of the format."""
    top = light.max(-1)
    exponent = np.where(top > 0, np.floor(np.log2(np.maximum(top, 1e-38))) + 1, -128)
    mantissa = np.floor(light / 2.0 ** exponent[..., None] * 256)
    return np.concatenate([mantissa, (exponent + 128)[..., None]], -1).astype(np.uint8).tobytes()


def write_hdr(path: Path, light: Array, size: str | None = None, head: str = "FORMAT=32-bit_rle_rgbe\n") -> Path:
    size = size or f"-Y {light.shape[0]} +X {light.shape[1]}"
    path.write_bytes(f"#?RADIANCE\n{head}\n{size}\n".encode() + rgbe(light))
    return path


def light(height: int = 30, width: int = 40) -> Array:
    """Scene light over sixteen stops."""
    rng = np.random.default_rng(7)
    return (2.0 ** rng.uniform(-8, 8, (height, width, 1)) * rng.uniform(0.2, 1, (height, width, 3))).astype(np.float32)


def every_format(folder: Path) -> list[Path]:
    """One small file of each kind the reader knows."""
    picture, deep, bright = photo(), photo(dtype=np.uint16), light()
    files = [
        save(folder / "baseline.jpg", picture, quality=90),
        save(folder / "progressive.jpg", picture, quality=90, progressive=True),
        save(folder / "grey.jpg", picture[..., 0]),
        save(folder / "rgb.png", picture),
        save(folder / "lossy.webp", picture),
        save(folder / "lossless.webp", picture, lossless=True),
        save(folder / "rgb.gif", picture),
        save(folder / "rgb.bmp", picture),
        save(folder / "rgb.avif", picture),
        save(folder / "plain.tif", picture),
        save(folder / "jpeg.tif", picture, compression="jpeg"),
        write_exr(folder / "half.exr", {"RGB": bright.astype(np.float16)}),
        write_exr(folder / "piz.exr", {"RGB": bright}, compression=OpenEXR.PIZ_COMPRESSION),
        write_hdr(folder / "flat.hdr", bright),
        write_dng(folder / "bayer.dng", photo(64, 96, dtype=np.float64)),
    ]
    (folder / "deep.png").write_bytes(imagecodecs.png_encode(deep))
    (folder / "rle.hdr").write_bytes(imagecodecs.rgbe_encode(photo(dtype=np.float32), header=True))
    tifffile.imwrite(folder / "lzw16.tif", deep, compression="lzw", predictor=True)
    tifffile.imwrite(folder / "float.tif", bright, photometric="rgb")
    tifffile.imwrite(folder / "tiled.tif", photo(64, 64, dtype=np.uint16), tile=(16, 16), compression="zlib")
    files += [folder / n for n in ("deep.png", "rle.hdr", "lzw16.tif", "float.tif", "tiled.tif")]
    try:
        import pillow_heif
    except ImportError:
        return files
    pillow_heif.from_pillow(Image.fromarray(picture)).save(folder / "rgb.heic", quality=90)
    return [*files, folder / "rgb.heic"]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return every_format(tmp_path_factory.mktemp("zoo"))


def fails(path: Path | str, *words: str, reader: Callable[..., object] = read, **options: float) -> str:
    """The one line a bad file gives: it names the file and holds the words."""
    with pytest.raises(ImageError) as caught:
        reader(path, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 600
    for word in (Path(path).name[:20].split("\n")[0].split("\0")[0], *words):
        assert word.lower() in line.lower(), line
    return line


# --- what every picture is ------------------------------------------------------------------------------------------


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


def test_pixels_equal_pillow_where_nothing_is_to_be_done(zoo: list[Path]) -> None:
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


# --- turned upright -------------------------------------------------------------------------------------------------


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


# --- colour ---------------------------------------------------------------------------------------------------------


def test_primaries_matrices_match_published_ones() -> None:
    np.testing.assert_allclose(matrix_to_srgb(SRGB), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix_to_srgb(DISPLAY_P3), P3_TO_SRGB, atol=1e-5)
    bt2087 = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    np.testing.assert_allclose(matrix_to_srgb(BT2020), bt2087, atol=1e-4)
    for primaries in (DISPLAY_P3, BT2020, ADOBE_RGB, (*SRGB[:6], 0.3457, 0.3585)):
        np.testing.assert_allclose(matrix_to_srgb(primaries) @ np.ones(3), np.ones(3), atol=1e-9)  # white stays white
    with pytest.raises(ValueError, match="chromaticities"):
        matrix_to_srgb((0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_display_p3_profile_8_bit(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {"quality": 95, "subsampling": 0} if suffix == "jpg" else {}
    path = save(tmp_path / f"a.{suffix}", photo(), icc_profile=DISPLAY_P3_ICC, **options)
    stored = Image.open(path).convert("RGB")
    picture = read(path)
    assert picture.pixels.dtype == np.uint8
    assert picture.notes == ("ICC Display P3 -> sRGB",)
    expected = p3_to_srgb(np.asarray(stored) / 255) * 255
    assert np.abs(picture.pixels - expected).max() < 1.01  # one code value of rounding
    other = ImageCms.profileToProfile(
        stored, ImageCms.ImageCmsProfile(io.BytesIO(DISPLAY_P3_ICC)), ImageCms.createProfile("sRGB"), 1
    )
    assert np.abs(picture.pixels.astype(int) - np.asarray(other)).max() <= 1
    assert np.abs(picture.pixels.astype(int) - np.asarray(stored)).max() > 20  # it was not left as it was


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_display_p3_profile_keeps_16_bit(tmp_path: Path, suffix: str) -> None:
    stored = photo(dtype=np.uint16)
    path = tmp_path / f"a.{suffix}"
    if suffix == "png":
        profile = chunk(b"iCCP", b"Display P3\0\0" + zlib.compress(DISPLAY_P3_ICC))
        path.write_bytes(png_with(imagecodecs.png_encode(stored), profile))
    else:
        tifffile.imwrite(path, stored, iccprofile=DISPLAY_P3_ICC)
    picture = read(path)
    assert picture.pixels.dtype == np.uint16
    assert picture.bits == 16
    error = np.abs(picture.pixels / 65535 - p3_to_srgb(stored / 65535)).max()
    assert error < 1 / 2000  # an eighth of an 8-bit step; Pillow's 8-bit cut would err by four of them


def test_table_profile_16_bit(tmp_path: Path) -> None:
    """A profile without matrix goes through LittleCMS itself. Grey axis from L* 0 to 100: L* is linear in the value."""
    profile = icc_table(b"RGB ", lambda rgb: np.stack([rgb.mean(-1) * 100, rgb[:, 0] * 0, rgb[:, 0] * 0], -1), 3)
    grey = np.repeat(np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8, 1), 3, 2)
    tifffile.imwrite(tmp_path / "a.tif", grey, iccprofile=profile, photometric="rgb")
    picture = read(tmp_path / "a.tif")
    star = grey / 65535 * 100
    light_of_star = np.where(star > 8, ((star + 16) / 116) ** 3, star / 903.3)
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.pixels / 65535 - to_srgb(light_of_star)).max() < 0.004  # an lut8 table has 8 bits


def test_profile_whose_name_is_no_text(tmp_path: Path) -> None:
    profile = icc_table(b"RGB ", lambda rgb: np.stack([rgb.mean(-1) * 100, rgb[:, 0] * 0, rgb[:, 0] * 0], -1), 3)
    path = save(tmp_path / "a.png", photo(), icc_profile=profile.replace(b"Test\0", b"Te\x99t\0"))
    assert read(path).notes == ("ICC without a name -> sRGB",)


def test_srgb_profiles_change_nothing(tmp_path: Path) -> None:
    pillow = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for n, profile in enumerate((pillow, imagecodecs.cms_profile("srgb"), icc_rgb(SRGB_D50, SRGB_CURVE))):
        picture = read(save(tmp_path / f"{n}.png", photo(), icc_profile=profile))
        assert picture.notes == ()
        np.testing.assert_array_equal(picture.pixels, photo())


@pytest.mark.parametrize(
    "profile", [b"nonsense", DISPLAY_P3_ICC[:300], bytes(200), DISPLAY_P3_ICC[:16] + b"CMYK" + DISPLAY_P3_ICC[20:]]
)
def test_broken_profile_is_noted_and_taken_as_srgb(tmp_path: Path, profile: bytes) -> None:
    for suffix in ("png", "tif"):
        picture = read(save(tmp_path / f"a.{suffix}", photo(), icc_profile=profile))
        np.testing.assert_array_equal(picture.pixels, photo())
        assert len(picture.notes) == 1
        assert "treated as sRGB" in picture.notes[0]


def test_broken_png_and_jpeg_profile_containers(tmp_path: Path) -> None:
    data = save(tmp_path / "a.png", photo()).read_bytes()
    (tmp_path / "a.png").write_bytes(png_with(data, chunk(b"iCCP", b"P3\0\0not zlib")))
    assert read(tmp_path / "a.png").notes == ("ICC profile broken: treated as sRGB",)
    jpeg = save(tmp_path / "a.jpg", photo())
    part = b"ICC_PROFILE\0" + bytes([1, 2]) + DISPLAY_P3_ICC  # part 1 of 2; part 2 is missing
    data = jpeg.read_bytes()
    jpeg.write_bytes(data[:2] + b"\xff\xe2" + struct.pack(">H", len(part) + 2) + part + data[2:])
    assert read(jpeg).notes == ("ICC profile incomplete: treated as sRGB",)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_profile(tmp_path: Path, dtype: type) -> None:
    profile = icc_rgb([], gamma_curve(1.8), "Gamma 1.8", b"GRAY")
    top = np.iinfo(dtype).max
    stored = np.linspace(0, top, 256).astype(dtype).reshape(16, 16)
    tifffile.imwrite(tmp_path / "a.tif", stored, iccprofile=profile)
    picture = read(tmp_path / "a.tif")
    assert picture.notes == ("ICC Gamma 1.8 -> sRGB",)
    expected = to_srgb((stored / top) ** (round(1.8 * 256) / 256))
    assert np.abs(picture.pixels[..., 1] / top - expected).max() < (0.6 / 255 if dtype is np.uint8 else 1e-3)
    assert (picture.pixels[..., 0] == picture.pixels[..., 2]).all()


def test_adobe_rgb_marked_only_in_exif(tmp_path: Path) -> None:
    """Cameras set to Adobe RGB write no profile, only interoperability R03 (DCF 2.0)."""

    def directory(*entries: tuple[int, int, int, bytes]) -> bytes:
        body = b"".join(struct.pack("<HHI", tag, kind, n) + value for tag, kind, n, value in entries)
        return struct.pack("<H", len(entries)) + body + bytes(4)

    def pointer(at: int) -> bytes:
        return struct.pack("<I", at)

    exif = b"Exif\0\0II*\0\x08\0\0\0" + directory((0x8769, 4, 1, pointer(26)))
    exif += directory((0xA005, 4, 1, pointer(44))) + directory((1, 2, 4, b"R03\0"))
    path = save(tmp_path / "a.jpg", photo(), quality=95, subsampling=0, exif=exif)
    stored = np.asarray(Image.open(path)) / 255
    linear = (stored ** (563 / 256)) @ matrix_to_srgb(ADOBE_RGB).T
    picture = read(path)
    assert picture.notes == ("Adobe RGB -> sRGB",)
    assert np.abs(picture.pixels - to_srgb(linear) * 255).max() < 1.01


def test_cmyk_jpeg(tmp_path: Path) -> None:
    ink = photo(channels=4)
    path = tmp_path / "adobe.jpg"
    Image.fromarray(ink, "CMYK").save(path, quality=95)
    stored = np.asarray(Image.open(path)).astype(float) / 255
    expected = (1 - stored[..., :3]) * (1 - stored[..., 3:]) * 255
    assert np.abs(read(path).pixels - expected).max() <= 0.51
    assert read(path).notes == ("Adobe CMYK inverted", "CMYK without profile -> sRGB by formula")
    data = path.read_bytes()
    at = data.index(b"Adobe") - 4
    (tmp_path / "plain.jpg").write_bytes(data[:at] + data[at + 16 :])  # without the Adobe mark 255 is full ink
    expected = stored[..., :3] * stored[..., 3:] * 255
    assert np.abs(read(tmp_path / "plain.jpg").pixels - expected).max() <= 0.51


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_cmyk_with_profile(tmp_path: Path, dtype: type) -> None:
    """Paper becomes white; full black ink, L* 10 by this profile, becomes black: black point compensation."""

    def lab(ink: Array) -> Array:
        star = 100 - 90 * np.clip(ink[:, 3] + ink[:, :3].sum(-1) / 3, 0, 1)
        return np.stack([star, 40 * (ink[:, 1] - ink[:, 0]) * (1 - ink[:, 3]), 0 * star], -1)

    top = np.iinfo(dtype).max
    ink = np.zeros((2, 3, 4), dtype)
    ink[0, 1, 3] = ink[1, 0, 1] = top
    ink[0, 2, 3] = top // 2
    tifffile.imwrite(tmp_path / "a.tif", ink, photometric="separated", iccprofile=icc_table(b"CMYK", lab, 4))
    seen = read(tmp_path / "a.tif").pixels / top
    assert seen.dtype == np.float64
    np.testing.assert_allclose(seen[0, 0], 1, atol=0.01)
    np.testing.assert_allclose(seen[0, 1], 0, atol=0.02)
    assert 0.2 < seen[0, 2, 0] < 0.6
    assert seen[1, 0, 0] > seen[1, 0, 1] + 0.1  # magenta ink leaves red
    assert read(tmp_path / "a.tif").notes == ("ICC Test -> sRGB",)
    if dtype is np.uint8:
        Image.fromarray(np.tile(ink, (8, 8, 1)), "CMYK").save(
            tmp_path / "a.jpg", quality=100, subsampling=0, icc_profile=icc_table(b"CMYK", lab, 4)
        )
        assert any("ICC Test" in n for n in read(tmp_path / "a.jpg").notes)


def test_lab_tiff_agrees_with_littlecms(tmp_path: Path) -> None:
    rgb = Image.fromarray(photo())
    lab = ImageCms.profileToProfile(rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), 1, "LAB")
    lab.save(tmp_path / "a.tif")
    picture = read(tmp_path / "a.tif")
    assert picture.notes == ("CIELab -> sRGB",)
    # Rounding to 8-bit Lab moves a colour by up to half a unit: compare on the whole, then with the way back.
    assert np.abs(picture.pixels.astype(int) - np.asarray(rgb)).mean() < 1.5
    exact = ImageCms.Flags.NOOPTIMIZE  # LittleCMS's shortcut is up to 30 code values off here
    srgb = ImageCms.createProfile("sRGB")
    back = ImageCms.profileToProfile(lab, ImageCms.createProfile("LAB"), srgb, 1, "RGB", flags=exact)
    assert np.abs(picture.pixels.astype(int) - np.asarray(back)).max() <= 1
    star = np.zeros((4, 4, 3), np.uint16)
    star[..., 0] = 32768  # L* 50 is 18.4 % of the light
    tifffile.imwrite(tmp_path / "b.tif", star, photometric="cielab")
    np.testing.assert_allclose(read(tmp_path / "b.tif").pixels / 65535, to_srgb(0.18418), atol=2e-4)


# --- transparency ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_over_white(tmp_path: Path, dtype: type, suffix: str, channels: int) -> None:
    stored, top = photo(channels=channels, dtype=dtype), int(np.iinfo(dtype).max)
    path = tmp_path / f"a.{suffix}"
    if suffix == "png":
        path.write_bytes(imagecodecs.png_encode(stored))
    else:
        tifffile.imwrite(
            path, stored, photometric="rgb" if channels == 4 else "minisblack", extrasamples=["unassalpha"]
        )
    colour, alpha = stored[..., :-1].astype(np.float64), stored[..., -1:] / top
    expected = np.broadcast_to(colour * alpha + top * (1 - alpha), (*stored.shape[:2], 3))
    picture = read(path)
    assert picture.pixels.dtype == dtype
    assert np.abs(picture.pixels - expected).max() <= 0.5 + 1e-6
    assert picture.notes == ("alpha composited on white",)
    if suffix == "tif":
        tifffile.imwrite(
            path, stored, photometric="rgb" if channels == 4 else "minisblack", extrasamples=["assocalpha"]
        )
        expected = np.broadcast_to(np.minimum(colour + top * (1 - alpha), top), (*stored.shape[:2], 3))
        assert np.abs(read(path).pixels - expected).max() < 1e-6 * top


def test_opaque_alpha_is_dropped_without_a_trace(tmp_path: Path) -> None:
    rgba = np.dstack([photo(), np.full((48, 64), 255, np.uint8)])
    for name in ("a.png", "a.webp", "a.tif"):
        picture = read(save(tmp_path / name, rgba, lossless=True) if name == "a.webp" else save(tmp_path / name, rgba))
        np.testing.assert_array_equal(picture.pixels, photo())
        assert picture.notes == ()


def test_transparent_palette_and_colour_key(tmp_path: Path) -> None:
    indexed = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 3, "P")
    indexed.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 255])
    for name in ("a.png", "a.gif"):
        indexed.save(tmp_path / name, transparency=1)
        picture = read(tmp_path / name)
        np.testing.assert_array_equal(picture.pixels[0, :3], [[10, 20, 30], [255, 255, 255], [0, 0, 255]])
        assert "alpha composited on white" in picture.notes
    deep = photo(dtype=np.uint16)
    key = chunk(b"tRNS", struct.pack(">HHH", *deep[0, 0]))
    (tmp_path / "key.png").write_bytes(png_with(imagecodecs.png_encode(deep), key))
    seen = read(tmp_path / "key.png").pixels
    assert (seen[0, 0] == 65535).all()
    np.testing.assert_array_equal(seen[1:], deep[1:])


# --- depth ----------------------------------------------------------------------------------------------------------


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


def test_tiff_kinds_refused(tmp_path: Path) -> None:
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


# --- HEIC and AVIF --------------------------------------------------------------------------------------------------


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
    fails(path, "luxel[heif]")


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


# --- light ----------------------------------------------------------------------------------------------------------

LOSSLESS_EXR = ["NO", "RLE", "ZIPS", "ZIP", "PIZ"]
LOSSY_EXR = ["PXR24", "B44", "B44A", "DWAA", "DWAB"]


@pytest.mark.parametrize("compression", LOSSLESS_EXR + LOSSY_EXR)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_exr_compressions(tmp_path: Path, compression: str, dtype: type) -> None:
    smooth = (photo(70, 90, dtype=np.float64) * 8).astype(dtype)
    kind = getattr(OpenEXR, f"{compression}_COMPRESSION")
    path = write_exr(tmp_path / "a.exr", {"RGB": smooth}, compression=kind)
    got = read_linear(path)
    if compression in LOSSLESS_EXR:
        np.testing.assert_array_equal(got, smooth.astype(np.float32))
    else:
        assert np.abs(got - smooth).mean() < 0.03
    assert read(path).bits == (16 if dtype is np.float16 else 32)
    assert read(path).notes[-1].startswith("scene light exposed by ")


def test_exr_luminance_chroma(tmp_path: Path) -> None:
    rgb = photo(64, 64, dtype=np.float32) + 0.1
    rgb = (rgb + np.roll(rgb, 1, 0) + np.roll(rgb, 1, 1) + np.roll(rgb, (1, 1), (0, 1))) / 4
    y = luminance(rgb).astype(np.float16)
    chroma = [((rgb[..., c] - y) / y)[::2, ::2].astype(np.float16) for c in (0, 2)]
    path = write_luminance_chroma(tmp_path / "a.exr", y, *chroma)
    got = read_linear(path)
    np.testing.assert_allclose(luminance(got), y, rtol=2e-3)  # luminance is exact whatever happens to chroma
    assert np.abs(got - rgb).mean() < 0.02
    path = write_exr(tmp_path / "b.exr", {"Y": y})
    np.testing.assert_array_equal(read_linear(path), np.repeat(y[..., None].astype(np.float32), 3, 2))


def test_exr_bad_values_are_mended_and_noted(tmp_path: Path) -> None:
    bright = light()
    bright[0, 0], bright[0, 1], bright[0, 2], bright[0, 3] = np.nan, np.inf, -np.inf, -5
    path = write_exr(tmp_path / "a.exr", {"RGB": bright})
    got = read_linear(path)
    assert np.isfinite(got).all()
    assert (got >= 0).all()
    assert got[0, 1, 0] == bright[1:].max()
    np.testing.assert_array_equal(got[0, [0, 2, 3]], 0)
    np.testing.assert_array_equal(got[1:], bright[1:])
    notes = read(path).notes
    assert "3 NaN" in notes[0]
    assert "6 infinite" in notes[0]
    assert "3 negative" in notes[1]
    everything = write_exr(tmp_path / "b.exr", {"RGB": np.full((4, 4, 3), np.nan, np.float32)})
    assert (read(everything).pixels == 0).all()


def test_damaged_exr_prints_nothing_among_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_exr(tmp_path / "a.exr", {"RGB": light(64, 64).astype(np.float16)})
    data = bytearray(path.read_bytes())
    for n in range(len(data) - 2000, len(data) - 1900):
        data[n] ^= 0x5A
    path.write_bytes(data)
    fails(path, "decoder")
    assert capsys.readouterr().out == ""


def test_exr_chromaticities_windows_layers_and_alpha(tmp_path: Path) -> None:
    bright = light(50, 70)
    ap0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
    path = write_exr(tmp_path / "a.exr", {"RGB": np.full((4, 4, 3), 0.5, np.float32)}, chromaticities=ap0)
    np.testing.assert_allclose(read_linear(path), 0.5, atol=1e-4)  # grey stays grey
    p3 = write_exr(tmp_path / "p.exr", {"RGB": bright}, chromaticities=DISPLAY_P3)
    np.testing.assert_allclose(read_linear(p3), np.maximum(bright @ P3_TO_SRGB.T, 0), rtol=1e-3, atol=1e-3)

    def window(left: int, top: int, right: int, bottom: int) -> tuple[Array, Array]:
        return np.array([left, top], np.int32), np.array([right, bottom], np.int32)

    cut = write_exr(
        tmp_path / "b.exr", {"RGB": bright}, dataWindow=window(-10, -5, 59, 44), displayWindow=window(0, 0, 39, 99)
    )
    np.testing.assert_array_equal(read_linear(cut), bright[5:, 10:50])
    assert "pixels outside the display window cut" in read(cut).notes
    layer = {f"beauty.{c}": np.ascontiguousarray(bright[..., n]) for n, c in enumerate("RGB")}
    path = write_exr(tmp_path / "c.exr", layer | {"Z": bright[..., 0].copy()})
    np.testing.assert_array_equal(read_linear(path), bright)
    assert "layer beauty" in read(path).notes
    rgba = np.dstack([bright, np.full((50, 70), 0.5, np.float32)])
    path = write_exr(tmp_path / "d.exr", {"RGBA": rgba})
    np.testing.assert_array_equal(read_linear(path), bright)
    assert "alpha ignored: the light as stored" in read(path).notes
    fails(write_exr(tmp_path / "e.exr", {"Z": bright[..., 0].copy()}), "without colour", "Z")
    parts = [OpenEXR.Part({}, {"RGB": a}, n) for n, a in (("left", bright), ("right", bright * 2))]
    OpenEXR.File(parts).write(str(tmp_path / "f.exr"))
    np.testing.assert_array_equal(read_linear(tmp_path / "f.exr"), bright)
    data = bytearray(path.read_bytes())
    data[5] |= 0x08
    path.write_bytes(data)
    fails(path, "deep")


def test_hdr_values_exposure_and_colours(tmp_path: Path) -> None:
    bright = light()
    step = bright.max(-1, keepdims=True) / 128  # a mantissa has 8 bits
    got = read_linear(write_hdr(tmp_path / "a.hdr", bright))
    assert (np.abs(got - bright) <= step).all()
    smooth = photo(dtype=np.float32)
    (tmp_path / "rle.hdr").write_bytes(imagecodecs.rgbe_encode(smooth, header=True))
    assert (np.abs(read_linear(tmp_path / "rle.hdr") - smooth) <= smooth.max(-1, keepdims=True) / 128).all()
    head = "# a comment\nFORMAT=32-bit_rle_rgbe\nEXPOSURE=4\nSOFTWARE=test\nEXPOSURE= 0.5\n"
    path = write_hdr(tmp_path / "b.hdr", bright, head=head)
    np.testing.assert_allclose(read_linear(path), got / 2, rtol=1e-6)
    assert read(path).notes[0] == "EXPOSURE 2 divided out"
    assert read(path).bits == 8
    white = write_hdr(tmp_path / "c.hdr", np.full((9, 9, 3), 0.5, np.float32), head="FORMAT=32-bit_rle_xyze\n")
    np.testing.assert_allclose(read_linear(white), 0.5, atol=1e-3)  # equal energy is Radiance's white
    p3 = "PRIMARIES= " + " ".join(map(str, DISPLAY_P3)) + "\n"
    path = write_hdr(tmp_path / "d.hdr", bright, head=p3)
    np.testing.assert_allclose(read_linear(path), np.maximum(got @ P3_TO_SRGB.T, 0), rtol=1e-3, atol=1e-3)
    fails(write_hdr(tmp_path / "e.hdr", bright, head="FORMAT=64-bit\n"), "64-bit")
    fails(write_hdr(tmp_path / "f.hdr", bright, size="-Y 30 +Y 40"), "size line")


def test_hdr_scan_orders(tmp_path: Path) -> None:
    seen = np.zeros((9, 12, 3), np.float32)
    seen[0, 0], seen[0, -1], seen[-1, 0], seen[-1, -1] = 1, 2, 4, 8
    for y in "-+":
        for x in "-+":
            rows = seen[:: 1 if y == "-" else -1, :: 1 if x == "+" else -1]
            path = write_hdr(tmp_path / "a.hdr", rows, f"{y}Y 9 {x}X 12")
            np.testing.assert_array_equal(read_linear(path), seen)
            path = write_hdr(tmp_path / "b.hdr", rows.swapaxes(0, 1), f"{x}X 12 {y}Y 9")
            np.testing.assert_array_equal(read_linear(path), seen)


def test_rendering_of_scene_light(tmp_path: Path) -> None:
    bright = light()
    path = write_exr(tmp_path / "a.exr", {"RGB": bright})
    picture = read(path)
    stops = auto_exposure(bright)
    np.testing.assert_allclose(picture.pixels, to_srgb(bright * 2.0**stops), atol=1e-6)
    logs = np.log2(luminance(bright) * 2.0**stops)
    assert abs(logs.mean() - np.log2(0.18)) < 1e-3  # the law: log-average luminance is 18 % grey
    for gain in (1e-3, 1e3):  # the scale of the file does not matter
        scaled = write_exr(tmp_path / "b.exr", {"RGB": (bright * gain).astype(np.float32)})
        np.testing.assert_allclose(read(scaled).pixels, picture.pixels, atol=1e-4)
    framed = bright.copy()
    framed[:10] = 0  # a black border does not brighten the rest
    assert abs(auto_exposure(framed) - auto_exposure(bright[10:])) < 1e-5
    black = write_exr(tmp_path / "c.exr", {"RGB": np.zeros((5, 5, 3), np.float32)})
    assert (read(black).pixels == 0).all()


def test_float_tiff_is_light_unless_its_profile_says_otherwise(tmp_path: Path) -> None:
    path, bright = tmp_path / "a.tif", light()
    for dtype in (np.float16, np.float32, np.float64):
        tifffile.imwrite(path, bright.astype(dtype), photometric="rgb")
        np.testing.assert_array_equal(read_linear(path), bright.astype(dtype).astype(np.float32))
    tifffile.imwrite(path, bright[..., 0])
    np.testing.assert_array_equal(read_linear(path)[..., 2], bright[..., 0])
    linear_p3 = icc_rgb(P3_D50, LINEAR_CURVE, "Linear P3")
    tifffile.imwrite(path, bright, photometric="rgb", iccprofile=linear_p3)
    np.testing.assert_allclose(read_linear(path), np.maximum(bright @ P3_TO_SRGB.T, 0), rtol=2e-3, atol=2e-3)
    assert "ICC Linear P3 -> sRGB primaries" in read(path).notes
    encoded = photo(dtype=np.float32)
    tifffile.imwrite(path, encoded, photometric="rgb", iccprofile=DISPLAY_P3_ICC)
    np.testing.assert_allclose(read(path).pixels, p3_to_srgb(encoded), atol=5e-4)
    fails(path, "display", reader=read_linear)
    encoded[0, 0] = np.nan
    tifffile.imwrite(path, encoded, photometric="rgb", iccprofile=DISPLAY_P3_ICC)
    assert (read(path).pixels[0, 0] == 0).all()
    assert "3 NaN" in read(path).notes[0]
    tifffile.imwrite(path, bright, photometric="rgb", iccprofile=b"broken")
    np.testing.assert_array_equal(read_linear(path), bright)
    assert "ICC profile ignored" in read(path).notes[0]
    rgba = np.dstack([bright, bright[..., :1]])
    tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_linear(path), bright)


def test_read_linear_refuses_display_pictures(zoo: list[Path]) -> None:
    for path in zoo:
        if path.suffix in (".exr", ".hdr", ".dng") or path.name == "float.tif":
            assert read_linear(path).dtype == np.float32
        else:
            fails(path, "display picture", reader=read_linear)


# --- camera RAW -----------------------------------------------------------------------------------------------------


def test_raw_rendering(tmp_path: Path) -> None:
    """Sensor values with a known light: white balance undone, no brightening, sRGB curve; dark stays dark."""
    y, x = np.mgrid[0:1:128j, 0:1:160j]
    scene = np.stack([x, y, np.full_like(x, 0.3)], -1)
    neutral = (0.5, 1.0, 0.7)
    path = write_dng(tmp_path / "a.dng", scene * neutral, neutral)
    linear = read_linear(path)
    inner = (slice(8, -8), slice(8, -8))  # demosaicing guesses at the border
    np.testing.assert_allclose(linear[inner], scene[inner], atol=1e-3)
    picture = read(path)
    assert (picture.format, picture.bits, picture.pixels.dtype) == ("RAW", 16, np.uint16)
    np.testing.assert_allclose(picture.pixels / 65535, to_srgb(linear), atol=1e-4)
    assert picture.notes[0].startswith("RAW rendering: white balance camera")
    dark = write_dng(tmp_path / "b.dng", scene * neutral / 8, neutral)
    np.testing.assert_allclose(read_linear(dark)[inner], scene[inner] / 8, atol=1e-3)  # three stops under stays so
    clipped = write_dng(tmp_path / "c.dng", np.clip(scene * 4 * neutral, 0, 1), neutral)
    assert read_linear(clipped).max() == 1


def test_raw_is_turned_upright(tmp_path: Path) -> None:
    scene = photo(64, 96, dtype=np.float64)
    plain = read(write_dng(tmp_path / "a.dng", scene)).pixels
    turned = read(write_dng(tmp_path / "b.dng", scene, orientation=6)).pixels
    np.testing.assert_array_equal(turned, np.rot90(plain, -1))


# --- limits ---------------------------------------------------------------------------------------------------------


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


def test_too_large_is_refused_before_decoding(tmp_path: Path, zoo: list[Path]) -> None:
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
    """Pillow refuses above 179 megapixels; a caller who asks for more gets more."""
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


# --- bad input ------------------------------------------------------------------------------------------------------


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


def test_jpeg_kinds_refused(tmp_path: Path) -> None:
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


# --- cut anywhere, damaged anywhere ---------------------------------------------------------------------------------


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


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64)])
def test_write_round_trip_is_exact(tmp_path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)
    expected = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
    names = ["a.png", "a.tif", "a.TIFF"] + (["a.webp"] if dtype is np.uint8 else [])
    for name in names:
        write(tmp_path / name, pixels)
        picture = read(tmp_path / name)
        np.testing.assert_array_equal(picture.pixels, expected)
        assert picture.notes == ()
        np.testing.assert_array_equal(another_reader(tmp_path / name), expected, err_msg=name)
    write(str(tmp_path / "strided.png"), pixels[::-1, ::2])
    np.testing.assert_array_equal(read(tmp_path / "strided.png").pixels, expected[::-1, ::2])


def another_reader(path: Path) -> Array:
    """The pixels by OpenCV, as [H, W, 3] RGB."""
    cv2 = pytest.importorskip("cv2", reason="the extra dataset is not installed: nothing to compare with")
    return cv2.imread(str(path), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)[..., ::-1]


def test_write_float(tmp_path: Path) -> None:
    encoded, residual = photo(dtype=np.float32), photo(channels=1, dtype=np.float32)[..., 0] * 2 - 1
    write(tmp_path / "a.tif", encoded)
    np.testing.assert_allclose(read(tmp_path / "a.tif").pixels, encoded, atol=1e-6)  # tagged sRGB: read as a picture
    write(tmp_path / "r.tif", residual)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "r.tif"), residual)  # data: any value, exactly
    write(tmp_path / "a.png", encoded.astype(np.float64))
    np.testing.assert_array_equal(read(tmp_path / "a.png").pixels, np.rint(encoded.astype(np.float64) * 65535))
    for name in ("a.jpg", "a.webp"):
        write(tmp_path / name, encoded)
        assert np.abs(read(tmp_path / name).pixels / 255 - encoded).mean() < 0.02
        write(tmp_path / name, (encoded * 65535).astype(np.uint16))
        assert np.abs(read(tmp_path / name).pixels / 255 - encoded).mean() < 0.02
    for bad in (residual, np.full((4, 4), np.nan), encoded + 1):
        with pytest.raises(ImageError, match=r"values run from .* use \.tif"):
            write(tmp_path / "bad.png", bad)
    assert not (tmp_path / "bad.png").exists()


def test_write_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    for name, pixels, words in (
        ("a.gif", photo(), "cannot write .gif"),
        ("a", photo(), "without suffix"),
        ("a.png", photo(channels=4), "shape"),
        ("a.png", np.zeros((0, 5), np.uint8), "shape"),
        ("a.png", np.zeros((5, 5), np.int32), "int32"),
        ("a.png", np.zeros((5, 5), bool), "bool"),
        ("a.webp", np.zeros((1, 17000), np.uint8), "WebP can hold"),
        ("no/folder/a.png", photo(), "cannot be written"),
    ):
        with pytest.raises(ImageError, match=words):
            write(tmp_path / name, pixels)
    assert list(tmp_path.iterdir()) == []


def test_write_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    write(path, photo())
    before = path.read_bytes()

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ImageError, match="No space left on device"):
        write(path, 255 - photo())
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask  # as any program would make it


# --- cost -----------------------------------------------------------------------------------------------------------


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


# --- real pictures --------------------------------------------------------------------------------------------------


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
