"""HEIC through pillow-heif (extra `heif`) and AVIF, at 8 bit or, when the file has more, at 16 bit."""

import re
from pathlib import Path

import imagecodecs
import numpy as np

from luxel.errors import ImageError
from luxel.images.colour import cicp
from luxel.images.formats import av1, hevc, pillow
from luxel.images.formats.clean_aperture import clean_aperture
from luxel.images.formats.isobmff import Item, primary_item
from luxel.images.picture import Raster, check_size, decoding, read_bytes
from luxel.photometry import Array
from luxel.text import printable

_HEAD = 1 << 16  # bytes in which the properties of an AVIF picture lie
_GAIN_MAP = re.compile("hdrgainmap|21496", re.IGNORECASE)


def decode_avif(path: Path, max_megapixels: float) -> Raster:
    """The primary picture of an AVIF file. Raises ImageError: truncated, HDR-encoded, too large."""
    raster = pillow.decode(path, "AVIF", max_megapixels)
    data = read_bytes(path)
    item = primary_item(data)
    stated = dict(reversed(item.properties))
    # av1C: version, profile and level, then the two bits that say 10 and 12 bit (AV1-ISOBMFF 2.3). Sequences have it
    # outside the primary item.
    at = data.find(b"av1C", 0, _HEAD)
    configuration = stated.get(b"av1C", data[at + 4 : at + 8] if at >= 0 else b"")
    flags = configuration[2] if len(configuration) > 2 else 0
    raster.bits = 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
    if raster.bits > 8:
        with decoding(path, "AVIF"):
            deep = imagecodecs.avif_decode(data)
        if deep.ndim > 2 and deep.shape[2] == 4 and raster.alpha is None:
            deep = deep[..., :3]
        if raster.colour == "rgb" and deep.shape == raster.samples.shape:
            raster.samples = _full_scale(deep, raster.bits)
        else:
            raster.notes.append(f"{raster.bits} bit read at 8 bit")
    try:
        part = clean_aperture(stated.get(b"clap", b""), raster.samples.shape[1], raster.samples.shape[0])
    except ValueError as error:
        raise ImageError(f"{printable(path)}: damaged AVIF: its clean aperture: {error}; export it again") from error
    if part is not None and raster.samples[part].shape != raster.samples.shape:
        raster.samples = np.ascontiguousarray(raster.samples[part])
        raster.notes.append("pixels outside the clean aperture cut")
    if raster.icc is None and (codes := _colour_codes(data, item)) is not None:
        cicp.apply(raster, path, *codes)
    return raster


def _colour_codes(data: bytes, item: Item) -> tuple[int, int] | None:
    """Primaries and transfer that an AVIF file states in its boxes, or else in its bitstream."""
    box = next((content for name, content in item.properties if name == b"colr" and content[:4] == b"nclx"), None)
    if box is None and (at := data.find(b"colrnclx", 0, _HEAD)) >= 0:
        box = data[at + 4 : at + 12]
    if box is not None and len(box) >= 8:
        return int.from_bytes(box[4:6]), int.from_bytes(box[6:8])
    for offset, length in item.places:
        if (codes := av1.colour_codes(data[offset : offset + min(length, _HEAD)])) is not None:
            return codes
    return None


def decode_heic(path: Path, max_megapixels: float) -> Raster:
    """The primary picture of a HEIC file, turned as it says. Raises ImageError: truncated, too large, no extra."""
    try:
        import pillow_heif
    except ImportError as error:
        raise ImageError(
            f"{printable(path)}: HEIC needs a package that is not installed: pip install pillow-heif"
        ) from error
    with decoding(path, "HEIC"):
        file = pillow_heif.open_heif(path, convert_hdr_to_8bit=False)
        width, height = file.size
    check_size(path, width, height, max_megapixels)
    data = read_bytes(path)
    item = primary_item(data)
    if any(name == b"hvcC" for name, _ in item.properties) and item.places:
        offset, length = item.places[0]
        # Four zeros stand in no HEVC bitstream (ITU-T H.265, 7.4.2), but where a copy was not finished.
        if b"\0\0\0\0" in data[offset : offset + length]:
            raise ImageError(f"{printable(path)}: damaged HEIC: a part of its data is missing; copy it again")
    with decoding(path, "HEIC"):
        samples = np.array(file)
    bits = int(file.info.get("bit_depth", 8))
    if samples.dtype == np.uint16:  # libheif shifts to the top; the low bits stay empty
        samples = _full_scale(samples >> (16 - bits), bits)
    # Orientation stays 1: libheif has applied the file's own turn, and EXIF inside HEIC is informative only.
    raster = Raster(samples, "HEIF", bits, icc=file.info.get("icc_profile") or None)
    planes = 1 if samples.ndim == 2 else samples.shape[2]
    raster.colour = "grey" if planes < 3 else "rgb"
    if planes in (2, 4):
        raster.alpha = "premultiplied" if getattr(file, "premultiplied_alpha", False) else "straight"
    if any(_GAIN_MAP.search(str(name)) for name in file.info.get("aux", {})):
        raster.notes.append("gain map ignored: base picture")
    if raster.icc is None:
        if nclx := file.info.get("nclx_profile"):
            cicp.apply(raster, path, int(nclx["color_primaries"]), int(nclx["transfer_characteristics"]))
        elif (codes := _bitstream_codes(item)) is not None:
            cicp.apply(raster, path, *codes)
    return raster


def _bitstream_codes(item: Item) -> tuple[int, int] | None:
    """Primaries and transfer in the HEVC bitstream of a picture; of its tiles where it is made of some."""
    for name, content in (*item.properties, *item.all_properties):
        if name == b"hvcC" and (codes := hevc.colour_codes(content)) is not None:
            return codes
    return None


def _full_scale(samples: Array, bits: int) -> Array:
    """uint16 code values of `bits` to the full uint16 scale, rounded."""
    top = (1 << bits) - 1
    table = (np.arange(top + 1, dtype=np.uint32) * 65535 + top // 2) // top
    return np.take(table.astype(np.uint16), np.minimum(samples, top))
