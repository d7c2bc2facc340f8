"""What a file says of itself, without its pixels: size, EXIF and XMP, for every format that `read` knows.

EXIF stands in the segments of JPEG, chunks of PNG and WebP, items of HEIC and AVIF, directories of TIFF and of most
camera RAW, boxes of CR3, and in the JPEG inside RAF. Only these places are read, so a large file costs no more than a
small one.
"""

import mmap
import re
import struct
import warnings
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from luxel.errors import ImageError
from luxel.images.formats import tags
from luxel.images.formats.isobmff import boxes
from luxel.images.formats.tiff_directories import survey
from luxel.images.formats.webp_size import HEAD, webp_size
from luxel.images.picture import decoding, reading
from luxel.images.sniff import RAW_SUFFIXES, sniff
from luxel.text import printable

_WIDTH, _HEIGHT, _ORIENTATION, _SAMPLE_FORMAT, _XMP, _EXIF_DIRECTORY = 256, 257, 274, 339, 700, 34665
_FLOAT = 3
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_HDR_SIZE = re.compile(rb"\n\n[-+]([XY]) +(\d+) +[-+][XY] +(\d+)\s*\n")
_EXR_WINDOW = b"dataWindow\0box2i\0\x10\0\0\0"
_HEAD_BYTES = 1 << 16
_MAX_TEXT = 16 * 2**20  # bytes of a compressed PNG text when unpacked
_CR3_TAGS, _CR3_XMP = "85c0b687820f11e08111f4ce462b6a48", "be7acfcb97a942e89c71999491e3afac"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFacts:
    """What LibRaw knows of a camera RAW file, None where it knows nothing.

    exposure_s: shutter time in seconds. f_number, iso. lens: its name. taken: the camera's clock.
    """

    exposure_s: float | None
    f_number: float | None
    iso: float | None
    lens: str
    taken: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file says of itself.

    format: as `Picture.format`. light: whether the file stores light (EXR, HDR, RAW, float TIFF). width, height:
    pixels, upright; 0 where the header does not say. orientation: EXIF's, 1 to 8, as the reader applies it.
    first, exif: values of the first directory and of the EXIF directory, tag -> value. xmp: the XMP packet, None
    without one. raw: what LibRaw says, for camera RAW.
    """

    format: str
    light: bool
    width: int = 0
    height: int = 0
    orientation: int = 1
    first: dict[int, Any] = field(default_factory=dict)
    exif: dict[int, Any] = field(default_factory=dict)
    xmp: bytes | None = None
    raw: RawFacts | None = None


@dataclass(slots=True)
class _Places:
    """Where things were found: size in pixels as stored, EXIF blocks without their mark, and the XMP packet."""

    width: int = 0
    height: int = 0
    blocks: list[bytes] = field(default_factory=list)
    xmp: bytes | None = None


def read_header(path: Path) -> Header:
    """The header of a picture file; no pixel is decoded.

    path: a file of any format that `read` knows, found by content.
    Raises ImageError as `sniff` does, and where the header is damaged. Damaged EXIF is left out and no error.
    """
    with reading(path):
        return _read(path)


def _read(path: Path) -> Header:
    kind = sniff(path)
    if kind == "TIFF" and (path.suffix.lower() in RAW_SUFFIXES or survey(path).camera_raw):
        kind = "RAW"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        match kind:
            case "RAW":
                return _raw(path, data)
            case "TIFF":
                return _tiff(path, data)
            case "HDR" | "EXR":
                width, height = (_hdr_size if kind == "HDR" else _exr_size)(bytes(data[:_HEAD_BYTES]))
                return Header(format=kind, light=True, width=width, height=height)
            case "HEIF" | "AVIF":
                places = _heif(path) if kind == "HEIF" else _avif(path)
            case _:
                places = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "GIF": _gif, "BMP": _bmp}[kind](data)
        first, exif = _exif(places.blocks)
        # libheif has turned the picture of a HEIC file, and EXIF inside it is informative only.
        orientation = 1 if kind == "HEIF" else _orientation(first)
        width, height = _upright(places.width, places.height, orientation)
        return Header(
            format=kind, light=False, width=width, height=height, orientation=orientation, first=first, exif=exif,
            xmp=places.xmp,
        )  # fmt: skip


def _exif(blocks: list[bytes]) -> tuple[dict[int, Any], dict[int, Any]]:
    """The first directory and the EXIF directory of blocks: one block with both, or one for each, as CR3 has them."""
    first: dict[int, Any] = {}
    exif: dict[int, Any] = {}
    for block in blocks:
        found, inner = _directories(block)
        if first:
            exif |= found
        else:
            first, exif = found, inner
    return first, exif


def _directories(block: tags.TagBytes) -> tuple[dict[int, Any], dict[int, Any]]:
    """The first directory of a block and the EXIF directory that it names; writers without one use the first."""
    offset = tags.first_offset(block)
    if offset is None:
        return {}, {}
    first = tags.directory(block, offset).values
    inner = first.get(_EXIF_DIRECTORY)
    exif = tags.directory(block, inner).values if isinstance(inner, int) else {}
    return first, exif or first


def _orientation(first: dict[int, Any]) -> int:
    value = first.get(_ORIENTATION)
    return value if isinstance(value, int) and value in range(1, 9) else 1


def _upright(width: int, height: int, orientation: int) -> tuple[int, int]:
    return (height, width) if orientation in _TURNED else (width, height)


def _tiff(path: Path, data: mmap.mmap) -> Header:
    """TIFF: the size is that of the page which is read, EXIF that of the first page."""
    first, exif = _directories(data)
    offset = tags.first_offset(data) or 0
    for _ in range(survey(path).picture):
        offset = tags.directory(data, offset).following
    page = tags.directory(data, offset).values
    width, height = (page.get(tag, 0) for tag in (_WIDTH, _HEIGHT))
    if not isinstance(width, int) or not isinstance(height, int):
        raise ImageError(f"{printable(path)}: its width and height are not numbers: the file is damaged")
    formats = page.get(_SAMPLE_FORMAT)
    light = (formats[0] if isinstance(formats, tuple) else formats) == _FLOAT
    orientation = _orientation(page)
    width, height = _upright(width, height, orientation)
    return Header(
        format="TIFF", light=light, width=width, height=height, orientation=orientation, first=first, exif=exif,
        xmp=_packet(first),
    )  # fmt: skip


def _raw(path: Path, data: mmap.mmap) -> Header:
    """Camera RAW: size and exposure as LibRaw has them, the rest from its directories, boxes or embedded JPEG."""
    import rawpy

    with decoding(path, "camera RAW"), rawpy.RawPy() as raw:
        raw.open_file(str(path))
        sizes, other, lens = raw.sizes, raw.other, raw.lens
    stamp = other.timestamp
    facts = RawFacts(
        exposure_s=other.shutter_speed, f_number=other.aperture, iso=other.iso_speed, lens=lens.model or "",
        taken=stamp if stamp and stamp.timestamp() > 0 else None,
    )  # fmt: skip
    first, exif, packet = raw_tags(data)
    quarter = {3: 3, 5: 8, 6: 6}.get(sizes.flip, 1)  # LibRaw's codes for turns, as EXIF orientations
    width, height = _upright(sizes.width, sizes.height, quarter)
    return Header(
        format="RAW", light=True, width=width, height=height, orientation=quarter, first=first, exif=exif, xmp=packet,
        raw=facts,
    )  # fmt: skip


def raw_tags(data: tags.TagBytes) -> tuple[dict[int, Any], dict[int, Any], bytes | None]:
    """First directory, EXIF directory and XMP packet of the bytes of a camera RAW file; empty where it has none.

    data: the whole file.
    """
    if bytes(data[4:8]) == b"ftyp":
        places = _cr3(data)
    elif bytes(data[:15]) == b"FUJIFILMCCD-RAW":
        start, length = struct.unpack_from(">II", data, 84)
        places = _jpeg(bytes(data[start : start + length]))
    else:
        first, exif = _directories(data)
        return first, exif, _packet(first)
    return (*_exif(places.blocks), places.xmp)


def _packet(first: dict[int, Any]) -> bytes | None:
    value = first.get(_XMP)
    return value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else None


def _jpeg(data: tags.TagBytes) -> _Places:
    """Segments up to the first scan. Source: ITU-T T.81, annex B; EXIF 2.32, 4.7; XMP part 3, 1.1.3."""
    places, at = _Places(), 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # filler
            at += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        if marker in (0xD9, 0xDA):
            break
        body, at = at + 4, at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xE1 and data[body : body + 6] == b"Exif\0\0" and not places.blocks:
            places.blocks.append(bytes(data[body + 6 : at]))
        elif marker == 0xE1 and data[body : body + len(_JPEG_XMP)] == _JPEG_XMP and places.xmp is None:
            places.xmp = bytes(data[body + len(_JPEG_XMP) : at])
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and not places.width:
            places.height, places.width = struct.unpack_from(">HH", data, body + 1)
    return places


def _png(data: tags.TagBytes) -> _Places:
    """Chunks. Source: PNG third edition, 11.3.4.5 eXIf; "Raw profile type exif" is ImageMagick's older way."""
    places, at = _Places(), 8
    while at + 12 <= len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8])
        body, at = at + 8, at + 12 + length
        if name == b"IHDR":
            places.width, places.height = struct.unpack_from(">II", data, body)
        elif name == b"eXIf":
            places.blocks = [_without_mark(bytes(data[body : body + length]))]
        elif name in (b"iTXt", b"zTXt", b"tEXt") and length <= _MAX_TEXT:
            keyword, text = _png_text(name, bytes(data[body : body + length]))
            if keyword == b"XML:com.adobe.xmp":
                places.xmp = text
            elif keyword in (b"Raw profile type exif", b"Raw profile type APP1") and not places.blocks:
                # A line with the profile's name, one with its length, then hexadecimal digits.
                digits = b"".join(text.split()[2:])
                places.blocks = [_without_mark(bytes.fromhex(digits.decode("ascii", "replace")))]
        elif name == b"IEND":
            break
    return places


def _png_text(name: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Keyword and text of a text chunk; compressed text is unpacked up to a limit."""
    keyword, _, rest = body.partition(b"\0")
    compressed = name == b"zTXt"
    if compressed:
        rest = rest[1:]
    elif name == b"iTXt":
        compressed, rest = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    if compressed:
        try:
            rest = zlib.decompressobj().decompress(rest, _MAX_TEXT)
        except zlib.error:
            rest = b""
    return keyword, rest


def _webp(data: tags.TagBytes) -> _Places:
    """Chunks of RIFF. Source: RFC 9649, 2.7.1.5."""
    size = webp_size(bytes(data[:HEAD]))
    places, at = _Places(*(size or (0, 0))), 12
    while at + 8 <= len(data):
        name, length = bytes(data[at : at + 4]), int.from_bytes(data[at + 4 : at + 8], "little")
        body, at = at + 8, at + 8 + length + length % 2
        if name == b"EXIF":
            places.blocks = [_without_mark(bytes(data[body : body + length]))]
        elif name == b"XMP ":
            places.xmp = bytes(data[body : body + length])
    return places


def _gif(data: tags.TagBytes) -> _Places:
    return _Places(*struct.unpack_from("<HH", data, 6))


def _bmp(data: tags.TagBytes) -> _Places:
    """Size of the information header; a negative height is a picture from the top."""
    old = int.from_bytes(data[14:18], "little") == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    return _Places(width, abs(height)) if width > 0 else _Places()


def _heif(path: Path) -> _Places:
    try:
        import pillow_heif
    except ImportError as error:
        raise ImageError(f"{printable(path)}: HEIC needs an optional package: pip install pillow-heif") from error
    with decoding(path, "HEIC"):
        file = pillow_heif.open_heif(path, convert_hdr_to_8bit=False)
        return _with_info(file.size, file.info)


def _avif(path: Path) -> _Places:
    from PIL import AvifImagePlugin

    with warnings.catch_warnings(), decoding(path, "AVIF"):
        warnings.simplefilter("ignore")  # Pillow looks into the EXIF and warns of damage there
        file = AvifImagePlugin.AvifImageFile(path)
    with file:
        return _with_info(file.size, file.info)


def _with_info(size: tuple[int, int], info: dict[Any, Any]) -> _Places:
    block, packet = info.get("exif"), info.get("xmp")
    blocks = [_without_mark(bytes(block))] if block else []
    return _Places(*size, blocks, bytes(packet) if packet else None)


def _without_mark(block: bytes) -> bytes:
    return block[6:] if block.startswith(b"Exif\0\0") else block


def _cr3(data: tags.TagBytes) -> _Places:
    """The boxes of a Canon CR3 that hold its directories (CMT1, CMT2) and its XMP packet."""
    places = _Places()
    for name, start, end in boxes(data, 0, len(data)):
        if name == b"uuid" and bytes(data[start : start + 16]).hex() == _CR3_XMP:
            places.xmp = bytes(data[start + 16 : end])
        for inner, inner_start, inner_end in boxes(data, start, end) if name == b"moov" else ():
            if inner == b"uuid" and bytes(data[inner_start : inner_start + 16]).hex() == _CR3_TAGS:
                directories = {n: bytes(data[a:b]) for n, a, b in boxes(data, inner_start + 16, inner_end)}
                places.blocks = [directories[n] for n in (b"CMT1", b"CMT2") if n in directories]
    return places


def _hdr_size(head: bytes) -> tuple[int, int]:
    match = _HDR_SIZE.search(head)
    if match is None:
        return 0, 0
    first, second = int(match[2]), int(match[3])
    return (second, first) if match[1] == b"Y" else (first, second)


def _exr_size(head: bytes) -> tuple[int, int]:
    at = head.find(_EXR_WINDOW)
    if at < 0:
        return 0, 0
    left, top, right, bottom = struct.unpack_from("<4i", head, at + len(_EXR_WINDOW))
    width, height = right - left + 1, bottom - top + 1
    return (width, height) if min(width, height) > 0 else (0, 0)
