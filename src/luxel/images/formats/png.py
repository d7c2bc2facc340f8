"""PNG of every depth and colour type, 16 bit kept."""

import logging
import struct
import zlib
from pathlib import Path

import imagecodecs

from luxel.errors import ImageError
from luxel.images.colour import cicp
from luxel.images.colour.spaces import SRGB, Primaries, matrix_to_srgb
from luxel.images.formats import exif
from luxel.images.picture import Raster, check_size, decoding, read_bytes, truncated
from luxel.text import printable

# libpng's warnings about chunks that are not needed; without a handler Python prints them to the terminal.
logging.getLogger("imagecodecs").addHandler(logging.NullHandler())

_WANTED = {b"IHDR", b"iCCP", b"eXIf", b"cICP", b"gAMA", b"sRGB", b"acTL", b"cHRM"}
_MAX_PROFILE = 16 << 20  # bytes: a profile is decompressed, so a small chunk could ask for any memory
_SRGB_GAMMA = 45455
_LIKE_SRGB = 0.002  # of a chromaticity: writers round


def decode(path: Path, max_megapixels: float) -> Raster:
    """The default picture of a PNG or APNG file, 8 or 16 bit. Raises ImageError: truncated, damaged, too large."""
    data = read_bytes(path)
    chunks = _walk(path, data, max_megapixels)
    depth = chunks[b"IHDR"][8]
    with decoding(path, "PNG"):
        samples = imagecodecs.png_decode(data)
    facts = exif.parse(chunks.get(b"eXIf"))
    raster = Raster(samples, "PNG", depth, orientation=facts.orientation)
    planes = 1 if samples.ndim == 2 else samples.shape[2]
    raster.colour = "grey" if planes < 3 else "rgb"
    if planes in (2, 4):
        raster.alpha = "straight"
    if b"acTL" in chunks:
        raster.notes.append("animation: first picture")
    if facts.damaged:
        raster.notes.append("EXIF unreadable: ignored")
    if len(chunks.get(b"cICP", b"")) == 4:
        cicp.apply(raster, path, chunks[b"cICP"][0], chunks[b"cICP"][1])
    elif b"iCCP" in chunks:
        raster.icc = _profile(chunks[b"iCCP"])
        if raster.icc is None:
            raster.notes.append("ICC profile broken: treated as sRGB")
    elif b"sRGB" not in chunks:
        _gamma_and_primaries(raster, chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b""))
    return raster


def _gamma_and_primaries(raster: Raster, gamma: bytes, primaries: bytes) -> None:
    """Apply the primaries of a cHRM chunk; note a gamma other than sRGB's. Source: PNG, 11.3.2.1 and 11.3.2.2."""
    if len(gamma) == 4 and abs((value := int.from_bytes(gamma)) - _SRGB_GAMMA) > 0.05 * _SRGB_GAMMA:
        raster.notes.append(f"PNG gamma {value / 1e5:g} ignored: treated as sRGB")
    if len(primaries) != 32 or raster.colour != "rgb":
        return
    white_x, white_y, *rest = (n / 1e5 for n in struct.unpack(">8I", primaries))
    stated: Primaries = (*rest, white_x, white_y)
    if max(abs(a - b) for a, b in zip(stated, SRGB, strict=True)) <= _LIKE_SRGB:
        return
    try:
        matrix_to_srgb(stated)
    except ValueError as error:
        raster.notes.append(f"PNG {error}: treated as sRGB")
        return
    raster.primaries = stated


def _walk(path: Path, data: bytes, max_megapixels: float) -> dict[bytes, bytes]:
    """The wanted chunks by name, after checking that the header is sound and that every chunk to the end is there."""
    chunks: dict[bytes, bytes] = {}
    position = 8
    while True:
        if position + 12 > len(data):
            raise truncated(path, "PNG", "no end chunk")
        length, name = struct.unpack_from(">I4s", data, position)
        if position + 12 + length > len(data):
            raise truncated(path, "PNG", f"the file ends inside its {name.decode('latin-1')!r} chunk")
        if name in _WANTED and name not in chunks:
            chunks[name] = data[position + 8 : position + 8 + length]
        if position == 8:
            if name != b"IHDR" or length != 13:
                raise ImageError(f"{printable(path)}: damaged PNG: it does not begin with a header chunk")
            width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
            check_size(path, width, height, max_megapixels)
        if name == b"IEND":
            return chunks
        position += 12 + length


def _profile(chunk: bytes) -> bytes | None:
    """The profile of an iCCP chunk (name, zero, method, compressed bytes), or None if it cannot be decompressed."""
    try:
        return zlib.decompressobj().decompress(chunk[chunk.index(b"\0") + 2 :], _MAX_PROFILE)
    except (ValueError, zlib.error):
        return None
