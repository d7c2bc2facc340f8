"""JPEG, and the base picture of gain-map JPEG (Ultra HDR, ISO 21496-1).

`jpeg_stream` walks the markers, so that size, orientation and profile are known before decoding. A picture that ends
early, or whose data cannot be decoded to the end, is rejected: libjpeg fills what is missing with grey and only warns.
simplejpeg hands that warning on; the few files that it does not decode go to imagecodecs and are checked by
`jpeg_stream.check_complete`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import imagecodecs
import numpy as np
import simplejpeg

from luxel.errors import ImageError
from luxel.filters.shrink import block_side
from luxel.images.colour.spaces import ADOBE_RGB
from luxel.images.formats import exif, jpeg_stream
from luxel.images.picture import Raster, ReadOptions, decoding, read_bytes, truncated
from luxel.photometry import Array
from luxel.text import printable

_COLOURS = {1: "GRAY", 3: "RGB", 4: "CMYK"}
_EARLY_END = re.compile("premature end", re.IGNORECASE)
_BROKEN_DATA = re.compile(r"corrupt jpeg data: (bad huffman|bad arithmetic|found marker)", re.IGNORECASE)
_LEFT_OVER = re.compile(r"corrupt jpeg data: (\d+) extraneous bytes before marker 0x(d[0-79a]|c4)", re.IGNORECASE)


@dataclass(slots=True)
class _Facts:
    exif: bytes | None = None
    icc: dict[int, bytes] = field(default_factory=dict)
    icc_parts: int = 0
    adobe: bool = False
    gain_map: bool = False
    more_pictures: bool = False


def decode(path: Path, options: ReadOptions) -> Raster:
    """The first picture of a JPEG file, 8 bit. Raises ImageError: truncated, damaged, 12 bit, lossless, too large."""
    return decode_bytes(path, read_bytes(path), options)


def decode_bytes(path: Path, data: bytes, options: ReadOptions) -> Raster:
    """As `decode`, from the bytes of the picture. path: the file that they come from, for messages."""
    stream = jpeg_stream.walk(path, data, options.max_megapixels)
    found = _Facts()
    for marker, segment in stream.segments:
        _application(found, marker, segment)
    planes, size, notes = stream.components, (stream.height, stream.width), list[str]()
    # Means of blocks are linear in the code values: what is not linear, ink to light, is done on the pixels.
    reducible = options.working_size is not None and planes < 4
    block = block_side(*size, options.working_size) if reducible and options.working_size is not None else 1
    samples = decode_checked(path, data, stream, block, notes)
    if samples is None:
        block = 1
        with decoding(path, "JPEG"):
            samples = imagecodecs.jpeg8_decode(data)
            if samples.shape == size + ((planes,) if planes > 1 else ()):
                jpeg_stream.check_complete(path, data, stream, samples, imagecodecs.jpeg8_decode)
    if samples.shape != tuple(-(-side // block) for side in size) + ((planes,) if planes > 1 else ()):
        raise ImageError(f"{printable(path)}: damaged JPEG: the scan does not match the header; export it again")
    facts = exif.parse(found.exif)
    raster = Raster(samples, "JPEG", 8, orientation=facts.orientation, notes=notes, full_size=size, block=block)
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


def decode_checked(path: Path, data: bytes, stream: jpeg_stream.Stream, block: int, notes: list[str]) -> Array | None:
    """The pixels, or means over blocks of them, of a picture whose data decode to the end; None if simplejpeg cannot.

    block: 1, 2, 4 or 8 pixels. A block of 8 is the mean of its samples; smaller ones are the low frequencies of it,
        which are close to means. Source: ITU-T T.81, A.3.3.
    notes: gets what the decoder warned of.
    Raises ImageError if the decoder warns that it had to invent a part.
    """
    height, width = (-(-side // block) for side in (stream.height, stream.width))
    wanted = {"colorspace": _COLOURS[stream.components], "min_height": height, "min_width": width, "min_factor": block}
    try:
        samples = simplejpeg.decode_jpeg(data, **wanted)
    except ValueError as error:
        warning = str(error)
        if _EARLY_END.search(warning):
            raise truncated(path, "JPEG", "its data ends before its last row") from error
        if _BROKEN_DATA.match(warning):
            raise ImageError(
                f"{printable(path)}: damaged JPEG: {warning[19:]}; copy or export the file again"
            ) from error
        left_over = _LEFT_OVER.match(warning)
        # Tables follow picture data only in files of several scans; before the first scan, other bytes are harmless.
        if left_over is not None and (left_over[2].lower() != "c4" or stream.scans > 1):
            count, end = int(left_over[1]), left_over[2].lower() == "d9"
            # A scan that lost its way ends with picture data unread; some writers pad it with one value.
            if not end or len(set(data[stream.end - count : stream.end])) > 1:
                raise ImageError(
                    f"{printable(path)}: damaged JPEG: {count} bytes of its data are left over, so some of them were "
                    "changed or lost; copy or export the file again"
                ) from error
            notes.append(f"{count} bytes of padding after the JPEG data")
        elif "bad ICC marker" not in warning:  # `decode_bytes` says so in its own words
            notes.append(f"JPEG decoder: {warning[:80]}")
        return None
    return np.asarray(samples[..., 0] if stream.components == 1 else samples)


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
