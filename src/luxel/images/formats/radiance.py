"""Radiance HDR: RGBE and XYZE, all eight scan orders, exposure taken back out."""

import re
from pathlib import Path

import imagecodecs
import numpy as np

from luxel.errors import ImageError
from luxel.images.colour.spaces import SRGB, Primaries, rgb_to_xyz
from luxel.images.picture import Raster, check_size, decoding, read_bytes, truncated
from luxel.text import printable

_MAX_HEADER = 1 << 16
_RESOLUTION = re.compile(rb"([-+])([XY]) +(\d+) +([-+])([XY]) +(\d+)\s*$")


def decode(path: Path, max_megapixels: float) -> Raster:
    """The picture as scene light: float32 [H, W, 3], in watts per steradian and square metre if the file is calibrated.

    The product of the header's EXPOSURE lines is divided out, as the format asks. Raises ImageError: truncated,
    damaged, too large, unknown pixel format. Source: Ward, "Real Pixels", Graphics Gems II; Radiance file formats.
    """
    data = read_bytes(path)
    header, resolution, start = _header(path, data)
    match = _RESOLUTION.match(resolution)
    if match is None or match[2] == match[5]:
        raise ImageError(f"{printable(path)}: damaged HDR: no size line such as '-Y 512 +X 1024' after the header")
    rows, columns = int(match[3]), int(match[6])  # as stored: a row is one scanline
    check_size(path, columns, rows, max_megapixels)
    kind = header.get(b"FORMAT", [b"32-bit_rle_rgbe"])[-1]
    if kind not in (b"32-bit_rle_rgbe", b"32-bit_rle_xyze"):
        raise ImageError(f"{printable(path)}: HDR pixels of format {kind.decode('latin-1')!r} are not supported")
    canonical = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (rows, columns)
    pixels = _without_old_runs(path, data[start:], rows, columns)
    with decoding(path, "HDR"):
        light = imagecodecs.rgbe_decode(canonical + pixels)
        exposure = float(np.prod([float(v) for v in header.get(b"EXPOSURE", [])]))
        stated = tuple(float(v) for v in b" ".join(header.get(b"PRIMARIES", [])[-1:]).split())
    raster = Raster(light, "HDR", 8, light="scene", orientation=_orientation(match))
    if exposure > 0 and exposure != 1:
        light /= np.float32(exposure)
        raster.notes.append(f"EXPOSURE {exposure:g} divided out")
    if kind.endswith(b"xyze"):
        # Radiance's white is equal energy; scaled so that Y stays Y.
        raster.samples = light @ np.linalg.inv(rgb_to_xyz((*SRGB[:6], 1 / 3, 1 / 3))).T.astype(np.float32)
        raster.notes.append("XYZ -> sRGB primaries")
    elif len(stated) == 8:
        raster.primaries = _as_primaries(stated)
    return raster


def _without_old_runs(path: Path, pixels: bytes, rows: int, columns: int) -> bytes:
    """The pixels, with runs of the first Radiance versions written out; as they are without such runs.

    A pixel of mantissas 1, 1, 1 repeats the one before it as often as its exponent says; of several in a row each
    counts 256 times as much as the one before it. Source: Radiance, color.c, oldreadcolrs.
    """
    new_runs = 8 <= columns <= 32767 and pixels[:2] == b"\2\2" and int.from_bytes(pixels[2:4]) == columns
    quads = np.frombuffer(pixels[: len(pixels) // 4 * 4], np.uint8).reshape(-1, 4)
    runs = (quads[:, :3] == 1).all(axis=1)
    if new_runs or not runs.any():
        return pixels
    if runs[0]:
        raise ImageError(f"{printable(path)}: damaged HDR: it begins with a run of no pixel; export it again")
    index = np.arange(len(quads))
    colour = np.maximum.accumulate(np.where(runs, 0, index))  # the pixel that each place repeats
    power = np.minimum(index - colour - 1, 3)  # of 256; four in a row are more than any picture holds
    counts = np.where(runs, quads[:, 3].astype(np.int64) << (8 * np.maximum(power, 0)), 1)
    ends = np.cumsum(counts)
    last = int(np.searchsorted(ends, rows * columns))
    if last == len(ends):
        raise truncated(path, "HDR", f"its runs hold {ends[-1]} of {rows * columns} pixels")
    if ends[last] != rows * columns:
        raise ImageError(f"{printable(path)}: damaged HDR: a run goes beyond the last pixel; copy or export it again")
    ends, colour = ends[: last + 1], colour[: last + 1]
    return np.repeat(quads[colour], np.diff(ends, prepend=0), axis=0).tobytes()


def _header(path: Path, data: bytes) -> tuple[dict[bytes, list[bytes]], bytes, int]:
    """Variables of the header, the line with the size, and where the pixels begin."""
    end = data.find(b"\n\n", 0, _MAX_HEADER)
    line_end = data.find(b"\n", end + 2, end + 100)
    if end < 0 or line_end < 0:
        raise ImageError(f"{printable(path)}: truncated HDR: the file ends inside its header")
    variables: dict[bytes, list[bytes]] = {}
    for line in data[:end].split(b"\n")[1:]:
        name, equals, value = line.partition(b"=")
        if equals and not line.startswith(b"#"):
            variables.setdefault(name.strip(), []).append(value.strip())
    return variables, data[end + 2 : line_end], line_end + 1


def _as_primaries(values: tuple[float, ...]) -> Primaries:
    return (values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7])


def _orientation(match: re.Match[bytes]) -> int:
    """The scan order as an EXIF orientation: which way the stored rows must be turned."""
    vertical, horizontal = (match[1], match[4]) if match[2] == b"Y" else (match[4], match[1])
    flips = (vertical == b"+", horizontal == b"-")
    upright = {(False, False): 1, (False, True): 2, (True, True): 3, (True, False): 4}
    across = {(False, False): 5, (False, True): 6, (True, True): 7, (True, False): 8}
    return (upright if match[2] == b"Y" else across)[flips]
