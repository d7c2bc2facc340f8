"""JPEG, and the base picture of gain-map JPEG (Ultra HDR, ISO 21496-1).

`jpeg_stream` walks the markers, so that size, orientation and profile are known before decoding and so that a picture
which ends early is refused: the decoders themselves fill what is missing with grey.
"""

from dataclasses import dataclass, field
from pathlib import Path

import imagecodecs
import numpy as np

from luxel.errors import ImageError
from luxel.images.colour.spaces import ADOBE_RGB
from luxel.images.formats import exif, jpeg_stream
from luxel.images.picture import Raster, decoding, read_bytes
from luxel.text import printable


@dataclass(slots=True)
class _Facts:
    exif: bytes | None = None
    icc: dict[int, bytes] = field(default_factory=dict)
    icc_parts: int = 0
    adobe: bool = False
    gain_map: bool = False
    more_pictures: bool = False


def decode(path: Path, max_megapixels: float) -> Raster:
    """The first picture of a JPEG file, 8 bit. Raises ImageError: truncated, 12 bit, lossless, too large."""
    data = read_bytes(path)
    stream = jpeg_stream.walk(path, data, max_megapixels)
    found = _Facts()
    for marker, segment in stream.segments:
        _application(found, marker, segment)
    with decoding(path, "JPEG"):
        samples = imagecodecs.jpeg8_decode(data)
    planes = 1 if samples.ndim == 2 else samples.shape[2]
    if samples.shape[:2] != (stream.height, stream.width) or planes != stream.components:
        raise ImageError(f"{printable(path)}: damaged JPEG: the scan does not match the header")
    with decoding(path, "JPEG"):
        jpeg_stream.check_complete(path, data, stream, samples, imagecodecs.jpeg8_decode)
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


def _application(found: _Facts, marker: int, segment: bytes) -> None:
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
