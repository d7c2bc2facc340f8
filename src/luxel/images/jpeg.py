"""JPEG, and the base picture of gain-map JPEG (Ultra HDR, ISO 21496-1).

The markers are walked by us, so that size, orientation and profile are known before decoding and so that a picture
which ends early is refused: the decoders themselves fill what is missing with grey.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import imagecodecs
import numpy as np

from luxel.errors import ImageError
from luxel.images import exif
from luxel.images.colour import ADOBE_RGB
from luxel.images.picture import Raster, check_size, decoding, printable, read_bytes, truncated

_FRAMES = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC9: "arithmetic", 0xCA: "arithmetic progressive"}
_UNSUPPORTED_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}  # lossless, hierarchical, JPEG-LS
_SCAN, _END = 0xDA, 0xD9
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # in scan data: not a stuffed zero, a restart or padding


@dataclass(slots=True)
class _Markers:
    width: int = 0
    height: int = 0
    components: int = 0
    exif: bytes | None = None
    icc: dict[int, bytes] = field(default_factory=dict)
    icc_parts: int = 0
    adobe: bool = False
    gain_map: bool = False
    more_pictures: bool = False


def decode(path: Path, max_megapixels: float) -> Raster:
    """The first picture of a JPEG file, 8 bit. Raises ImageError: truncated, 12 bit, lossless, too large."""
    data = read_bytes(path)
    found = _walk(path, data, max_megapixels)
    with decoding(path, "JPEG"):
        samples = imagecodecs.jpeg8_decode(data)
    planes = 1 if samples.ndim == 2 else samples.shape[2]
    if samples.shape[:2] != (found.height, found.width) or planes != found.components:
        raise ImageError(f"{printable(path)}: damaged JPEG: the scan does not match the header")
    facts = exif.parse(found.exif)
    raster = Raster(samples, "JPEG", 8, orientation=facts.orientation)
    if planes == 1:
        raster.colour = "grey"
    elif planes == 4:
        raster.colour = "cmyk"
        if found.adobe:  # Adobe stores 255 for no ink
            np.subtract(255, samples, out=samples)
            raster.notes.append("Adobe CMYK inverted")
    if found.gain_map:
        raster.notes.append("gain map ignored: base picture")
    elif found.more_pictures:
        raster.notes.append("first picture of several")
    if facts.damaged:
        raster.notes.append("EXIF unreadable: ignored")
    if found.icc:
        raster.icc = b"".join(found.icc[n] for n in sorted(found.icc))
        if len(found.icc) != found.icc_parts:
            raster.icc = None
            raster.notes.append("ICC profile incomplete: treated as sRGB")
    elif facts.adobe_rgb and planes == 3:
        raster.primaries, raster.transfer = ADOBE_RGB, "Adobe RGB"
    return raster


def _walk(path: Path, data: bytes, max_megapixels: float) -> _Markers:
    """Every marker from start to end of the first picture. Raises ImageError if there is no end, or no picture."""
    found = _Markers()
    position, in_scan = 2, False
    while True:
        match = _NEXT_MARKER.search(data, position)
        if match is None:
            raise truncated(path, "JPEG", "no end-of-image marker")
        marker, position = data[match.end() - 1], match.end()
        if marker == _END:
            if not in_scan:
                raise ImageError(f"{printable(path)}: damaged JPEG: it ends before any picture data")
            return found
        if marker in (0x01, 0xD8):  # markers without a segment
            continue
        length = int.from_bytes(data[position : position + 2])
        segment = data[position + 2 : position + length]
        if length < 2 or len(segment) < length - 2:
            raise truncated(path, "JPEG", "the file ends inside its header")
        position += length
        if marker in _UNSUPPORTED_FRAMES:
            raise ImageError(f"{printable(path)}: lossless or hierarchical JPEG is not supported; export it as PNG")
        if marker in _FRAMES and not found.components:
            if len(segment) < 6:
                raise ImageError(f"{printable(path)}: damaged JPEG: the frame header is too short")
            found.height, found.width = int.from_bytes(segment[1:3]), int.from_bytes(segment[3:5])
            found.components = segment[5]
            check_size(path, found.width, found.height, max_megapixels)
            if segment[0] != 8 or found.components not in (1, 3, 4):
                raise ImageError(
                    f"{printable(path)}: {segment[0]}-bit JPEG with {found.components} channels is not supported; "
                    "export it as 8-bit JPEG or PNG"
                )
        elif marker == _SCAN:
            if not found.components:
                raise ImageError(f"{printable(path)}: damaged JPEG: picture data without a frame header")
            in_scan = True
        else:
            _application(found, marker, segment)


def _application(found: _Markers, marker: int, segment: bytes) -> None:
    if marker == 0xE1 and segment.startswith(b"Exif\0"):
        found.exif = found.exif or segment
    elif marker == 0xE1 and b"http://ns.adobe.com/hdr-gain-map/" in segment:
        found.gain_map = True
    elif marker == 0xE2 and segment.startswith(b"ICC_PROFILE\0") and len(segment) > 14:
        found.icc[segment[12]], found.icc_parts = segment[14:], segment[13]
    elif marker == 0xE2 and segment.startswith(b"urn:iso:std:iso:ts:21496:-1"):
        found.gain_map = True
    elif marker == 0xE2 and segment.startswith(b"MPF\0"):
        found.more_pictures = True
    elif marker == 0xEE and segment.startswith(b"Adobe"):
        found.adobe = True
