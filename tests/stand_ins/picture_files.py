"""Small pictures and small files of every format, and the check that reading one fails in words."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import OpenEXR
import pytest
import tifffile
from PIL import Image

from luxel.errors import ImageError
from luxel.images import read
from luxel.photometry import to_linear, to_srgb

Array = np.ndarray


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


def write_dng(
    path: Path,
    camera: Array,
    neutral: tuple[float, ...] = (1, 1, 1),
    orientation: int = 1,
    more: tuple[tuple[object, ...], ...] = (),
    preview: Array | None = None,
) -> Path:
    """A minimal uncompressed Bayer DNG.

    camera: [H, W, 3] linear camera RGB in [0, 1]; its space is linear sRGB.
    more: tags (code, type, count, value, True).
    preview: uint8 [H, W, 3], stored as JPEG beside the sensor data.
    """
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
    with tifffile.TiffWriter(path) as file:
        file.write(stored, photometric=32803, planarconfig=None, metadata=None, extratags=sorted([*tags, *more]))
        if preview is not None:
            encoded = np.asarray(Image.fromarray(preview).convert("YCbCr"))
            file.write(encoded, photometric="ycbcr", compression="jpeg", subfiletype=1, metadata=None)
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


def more_formats(folder: Path) -> list[Path]:
    """Small files of rarer kinds: what they have beside pixels is where readers go wrong."""
    picture = photo()
    exif = Image.Exif()
    exif[0x0112], exif[0x8769] = 6, {0x829A: 0.01, 0x829D: 2.8}
    ink = Image.fromarray(np.dstack([picture, picture[..., :1]]), "CMYK")
    ink.save(folder / "cmyk.jpg", quality=80)
    ink.save(folder / "cmyk.tif", compression="tiff_lzw")
    Image.fromarray(picture).convert("P").save(folder / "palette.png")
    Image.fromarray(picture).save(
        folder / "animated.gif", save_all=True, append_images=[Image.fromarray(255 - picture)]
    )
    tifffile.imwrite(folder / "planes.tif", photo(dtype=np.uint16).transpose(2, 0, 1), planarconfig="separate")
    tifffile.imwrite(folder / "big.tif", picture, bigtiff=True, compression="zlib", rowsperstrip=5)
    tifffile.imwrite(folder / "webp.tif", picture, compression="webp")
    tifffile.imwrite(folder / "jpeg2000.tif", picture, compression="jpeg2000")
    chroma = np.full((15, 20), 0.1, np.float16)
    files = [
        save(folder / "exif.jpg", picture, exif=exif.tobytes(), icc_profile=DISPLAY_P3_ICC),
        save(folder / "restarts.jpg", picture, restart_marker_rows=1),
        save(folder / "profile.png", picture, icc_profile=DISPLAY_P3_ICC),
        save(folder / "alpha.webp", photo(channels=4)),
        save(folder / "packbits.tif", picture, compression="packbits"),
        write_luminance_chroma(folder / "chroma.exr", light()[..., 1].astype(np.float16), chroma, chroma),
        write_exr(
            folder / "tiled.exr",
            {"Y": light()[..., 0]},
            type=OpenEXR.tiledimage,
            tiles=OpenEXR.TileDescription(),
        ),
        write_dng(folder / "preview.dng", photo(64, 96, dtype=np.float64), orientation=6, preview=photo(32, 48)),
    ]
    names = ("cmyk.jpg", "cmyk.tif", "palette.png", "animated.gif", "planes.tif", "big.tif", "webp.tif", "jpeg2000.tif")
    return files + [folder / name for name in names]


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
