"""HEIC through pillow-heif (extra `heif`) and AVIF, at 8 bit or, when the file has more, at 16 bit."""

import re
from pathlib import Path

import imagecodecs
import numpy as np

from luxel.errors import ImageError
from luxel.images.colour import cicp
from luxel.images.formats import pillow
from luxel.images.formats.clean_aperture import clean_aperture
from luxel.images.picture import Array, Raster, check_size, decoding, read_bytes
from luxel.text import printable

_HEAD = 1 << 16  # bytes in which the properties of an AVIF picture lie
_GAIN_MAP = re.compile("hdrgainmap|21496", re.IGNORECASE)


def decode_avif(path: Path, max_megapixels: float) -> Raster:
    """The primary picture of an AVIF file. Raises ImageError: truncated, HDR-encoded, too large."""
    raster = pillow.decode(path, "AVIF", max_megapixels)
    data = read_bytes(path)
    head = data[:_HEAD]
    # av1C: four name bytes, version, profile and level, then the two bits that say 10 and 12 bit (AV1-ISOBMFF 2.3).
    at = head.find(b"av1C")
    flags = head[at + 6] if 0 <= at < len(head) - 6 else 0
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
        part = clean_aperture(data, raster.samples.shape[1], raster.samples.shape[0])
    except ValueError as error:
        raise ImageError(f"{printable(path)}: damaged AVIF: its clean aperture: {error}; export it again") from error
    if part is not None and raster.samples[part].shape != raster.samples.shape:
        raster.samples = np.ascontiguousarray(raster.samples[part])
        raster.notes.append("pixels outside the clean aperture cut")
    box = head.find(b"colrnclx")
    if raster.icc is None and box >= 0:
        cicp.apply(raster, path, int.from_bytes(head[box + 8 : box + 10]), int.from_bytes(head[box + 10 : box + 12]))
    return raster


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
    if raster.icc is None and (nclx := file.info.get("nclx_profile")):
        cicp.apply(raster, path, int(nclx["color_primaries"]), int(nclx["transfer_characteristics"]))
    return raster


def _full_scale(samples: Array, bits: int) -> Array:
    """uint16 code values of `bits` to the full uint16 scale, rounded."""
    top = (1 << bits) - 1
    table = (np.arange(top + 1, dtype=np.uint32) * 65535 + top // 2) // top
    return np.take(table.astype(np.uint16), np.minimum(samples, top))
