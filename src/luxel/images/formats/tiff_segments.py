"""The strips and tiles of a TIFF page: whether all are there, and what is inside them, before anything is decoded.

A page of 64 x 48 may hold a JPEG of 30000 x 30000, and its decoder asks only the JPEG. And a page may list too few
strips, or strips cut and closed: tifffile fills those with black, the JPEG decoder with grey.
"""

import math
import mmap
from functools import partial
from pathlib import Path

import numpy as np
import tifffile

from luxel.errors import ImageError
from luxel.images.formats import jpeg, jpeg_stream
from luxel.images.formats.webp_size import webp_size
from luxel.images.picture import check_bytes, check_size, decoding, truncated
from luxel.photometry import Array
from luxel.text import printable

_JPEG = {6, 7, 33007, 34892}
_JPEG_2000 = {33003, 33004, 33005, 34712}
_PNG, _WEBP = 34933, 50001
# Codecs that take the size of their output from their own data, in headers that are not read here.
_UNSUPPORTED = {22610: "JPEG XR", 34934: "JPEG XR", 34887: "LERC", 48124: "Jetraw", 50002: "JPEG XL", 52546: "JPEG XL"}
_OLD_JPEG = 6  # its strips may be listed in several ways
_SLACK = 1 << 16  # pixels: a picture inside a small strip or tile may be padded to whole blocks
_MAX_PADDING = 1 << 24  # pixels: tiles of any usual size around a small picture


def check(path: Path, page: tifffile.TiffPage, max_megapixels: float) -> None:
    """Raise ImageError if a page is too large in pixels or bytes, padded or inside, or if parts of it are missing.

    path: the file.
    page: its tags are of the right types.
    max_megapixels: as in `read`.
    """
    name = printable(path)
    width, height = page.imagewidth, page.imagelength
    check_size(path, width, height, max_megapixels)
    itemsize = page.dtype.itemsize if page.dtype is not None else 1
    check_bytes(path, width, height, page.samplesperpixel * itemsize, max_megapixels)
    if page.compression in _UNSUPPORTED:
        raise ImageError(
            f"{name}: TIFF compressed as {_UNSUPPORTED[page.compression]} is not supported; save it with LZW or zip"
        )
    segment = (page.tilewidth, page.tilelength) if page.is_tiled else (width, min(page.rowsperstrip, height))
    if not all(isinstance(n, int) and n > 0 for n in segment):
        raise ImageError(f"{name}: damaged TIFF: strips or tiles of {segment[0]} x {segment[1]}; export it again")
    padded = math.ceil(width / segment[0]) * segment[0] * math.ceil(height / segment[1]) * segment[1]
    if padded > max(4 * width * height, _MAX_PADDING):
        raise ImageError(
            f"{name}: damaged TIFF: tiles of {segment[0]} x {segment[1]} in a picture of {width} x {height}; "
            "save it with smaller tiles"
        )
    _check_listed(path, page)
    if page.compression in _JPEG | _JPEG_2000 | {_PNG, _WEBP}:
        _check_inside(path, page, segment)


def check_jpegs(path: Path, page: tifffile.TiffPage, max_megapixels: float) -> None:
    """Raise ImageError if the JPEG in a strip or tile ends early. For pages that tifffile decodes."""
    if page.compression not in _JPEG:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for index, (offset, length) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=False)):
            segment = data[offset : offset + length]
            header = jpeg_stream.header(segment)
            if header is None or not header.decoded_by_libjpeg:
                continue
            if b"\xff\xd9" not in segment:  # a few writers leave the end mark out
                segment += b"\xff\xd9"
            stream = jpeg_stream.walk(path, segment, max_megapixels, components=(1, 2, 3, 4))
            decode = partial(_decode, page, index)
            with decoding(path, "TIFF"):
                if stream.components in (1, 3, 4):  # at an eighth of the size: only its warnings are of interest
                    whole = _with_tables(segment, page.jpegtables)
                    inside = jpeg_stream.walk(path, whole, max_megapixels)
                    if jpeg.decode_checked(path, whole, inside, 8, []) is not None:
                        continue
                jpeg_stream.check_complete(path, segment, stream, decode(segment), decode)


def _with_tables(segment: bytes, tables: bytes | None) -> bytes:
    """A JPEG strip or tile with the tables that the page keeps for all of them. Source: TIFF Technical Note 2."""
    return segment if not tables else tables[:2] + tables[2:].removesuffix(b"\xff\xd9") + segment[2:]


def _decode(page: tifffile.TiffPage, index: int, segment: bytes) -> Array:
    """The samples [H, W, n] of one JPEG strip or tile, decoded as tifffile decodes it."""
    samples, _, _ = page.decode(segment, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
    block: Array = np.asarray(samples)[0]
    return block


def _check_listed(path: Path, page: tifffile.TiffPage) -> None:
    """Every strip or tile must be listed and lie in the file; without compression the bytes must be enough."""
    needed = math.prod(page.chunked)
    listed = min(len(page.dataoffsets), len(page.databytecounts))
    if page.compression != _OLD_JPEG and listed < needed:
        raise truncated(path, "TIFF", f"it lists {listed} of {needed} strips or tiles")
    size = page.parent.filehandle.size
    for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        if length < 1 or offset + length > size:
            raise truncated(path, "TIFF", f"pixel data runs to byte {offset + length} of {size}")
    if page.compression == 1 and isinstance(page.bitspersample, int):
        samples: float = page.samplesperpixel
        if page.is_subsampled and page.subsampling:  # a block of across x down pixels has one pair of colour samples
            samples = 1 + 2 / math.prod(page.subsampling)
        bytes_needed = page.imagelength * math.floor(page.imagewidth * samples * page.bitspersample / 8)
        if sum(page.databytecounts) < bytes_needed:
            raise truncated(
                path, "TIFF", f"its strips or tiles hold {sum(page.databytecounts)} of {bytes_needed} bytes"
            )


def _check_inside(path: Path, page: tifffile.TiffPage, segment: tuple[int, int]) -> None:
    """The pictures inside strips or tiles must be about as large as these."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False):
            inside = _size_inside(page.compression, data[offset : offset + length])
            if inside is None:
                if page.compression == _OLD_JPEG:  # its header lies elsewhere, and libtiff compares the sizes
                    continue
                raise ImageError(f"{printable(path)}: damaged TIFF: a strip or tile without a header; export it again")
            if inside[0] * inside[1] > 2 * segment[0] * segment[1] + _SLACK:
                raise ImageError(
                    f"{printable(path)}: damaged TIFF: a picture of {inside[0]} x {inside[1]} inside a strip or tile "
                    f"of {segment[0]} x {segment[1]}; export it again"
                )


def _size_inside(compression: int, data: bytes) -> tuple[int, int] | None:
    """Width and height that the header inside a strip or tile states, or None without one.

    Sources: ITU-T T.81 B.2.2, T.800 A.5.1 (JPEG 2000), PNG 11.2.2, RFC 9649 (WebP).
    """
    if compression in _JPEG:
        header = jpeg_stream.header(data)
        return None if header is None else (header.width, header.height)
    if compression in _JPEG_2000:
        at = data.find(b"\xff\x4f\xff\x51")
        ends = [int.from_bytes(data[n : n + 4]) for n in range(at + 8, at + 24, 4)]
        return None if at < 0 or len(data) < at + 24 else (ends[0] - ends[2], ends[1] - ends[3])
    if compression == _PNG:
        return (int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) if data[12:16] == b"IHDR" else None
    return webp_size(data)
