"""TIFF of 1 to 32 bits and float, through tifffile; float is light unless its profile says otherwise."""

import logging
from pathlib import Path

import numpy as np
import tifffile
from tifffile import PHOTOMETRIC

from luxel.errors import ImageError
from luxel.images.colour import icc
from luxel.images.formats import pillow, tiff_directories, tiff_segments
from luxel.images.picture import Colour, Raster, check_size, decoding
from luxel.photometry import Array
from luxel.text import printable

# tifffile reports every damaged tag through logging, which without a handler prints to the terminal. Programs that
# configure logging still receive it all.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_COLOURS: dict[int, tuple[Colour, int]] = {
    PHOTOMETRIC.MINISBLACK: ("grey", 1),
    PHOTOMETRIC.MINISWHITE: ("grey", 1),
    PHOTOMETRIC.RGB: ("rgb", 3),
    PHOTOMETRIC.PALETTE: ("rgb", 1),
    PHOTOMETRIC.YCBCR: ("rgb", 3),
    PHOTOMETRIC.SEPARATED: ("cmyk", 4),
    PHOTOMETRIC.CIELAB: ("lab", 3),
}
_MAX_SAMPLES = 8  # per pixel; more is a stack of measurements, not a picture
_DARKEST_TOP = 4  # stops that the brightest sample of 17 to 32 bits may lie under full scale
_ASSOCIATED, _UNASSOCIATED = 1, 2


def decode(path: Path, max_megapixels: float) -> Raster:
    """The first full-resolution page.

    Samples become uint8 (stored in 1 to 8 bits), uint16 (9 to 32 bits) or float32 (16, 24, 32 or 64-bit float). Float
    is scene light, unless the file has a profile whose tone curve is not a line. Raises ImageError: truncated, damaged,
    too large, signed integers, complex, more than 8 channels, volumes.
    """
    directories = tiff_directories.survey(path)
    with decoding(path, "TIFF"):
        file = tifffile.TiffFile(path)
    with file:
        with decoding(path, "TIFF"):
            page = file.pages[directories.picture]
        if not isinstance(page, tifffile.TiffPage):
            raise ImageError(f"{printable(path)}: damaged TIFF: page {directories.picture + 1} cannot be read")
        raster = _read_page(path, page, max_megapixels)
    if directories.pages > 1:
        raster.notes.append(f"page {directories.picture + 1} of {directories.pages}")
    return raster


def _read_page(path: Path, page: tifffile.TiffPage, max_megapixels: float) -> Raster:
    name = printable(path)
    planes = page.samplesperpixel
    facts = (page.imagewidth, page.imagelength, planes, page.bitspersample, page.photometric, page.compression)
    if not all(isinstance(fact, int) for fact in facts):  # tifffile passes on what a damaged tag holds
        raise ImageError(f"{name}: damaged TIFF: one of its tags has the wrong type")
    if not all(isinstance(n, int) for n in (*page.dataoffsets, *page.databytecounts)):
        raise ImageError(f"{name}: damaged TIFF: the places of its pixel data are not numbers; export it again")
    check_size(path, page.imagewidth, page.imagelength, max_megapixels)
    if page.photometric not in _COLOURS or page.imagedepth > 1 or planes > _MAX_SAMPLES:
        raise ImageError(f"{name}: TIFF with {planes} channels of type {page.photometric!r} is not supported")
    colour, channels = _COLOURS[page.photometric]
    if page.dtype is None or page.dtype.kind not in "buf" or page.dtype.itemsize > (8 if page.dtype.kind == "f" else 4):
        raise ImageError(
            f"{name}: TIFF with samples of type {page.dtype} is not supported; export as 8, 16 bit or float"
        )
    if planes < channels:
        raise ImageError(f"{name}: damaged TIFF: {colour} with {planes} channels")
    tiff_segments.check(path, page, max_megapixels)
    orientation = page.tags.valueof(274, default=1)
    if page.photometric == PHOTOMETRIC.YCBCR and page.compression not in (7, 34892):  # JPEG inside comes as RGB
        raster = pillow.decode(path, "TIFF", max_megapixels)
        raster.orientation, raster.notes = orientation, []
        return raster
    if colour == "lab" and (page.compression in (6, 7) or page.dtype.kind != "u"):
        raise ImageError(f"{name}: Lab TIFF of this kind is not supported; export it as RGB")
    tiff_segments.check_jpegs(path, page, max_megapixels)
    with decoding(path, "TIFF"):
        samples = page.asarray()
    if page.axes == "SYX":
        samples = np.moveaxis(samples, 0, -1)
    elif page.axes not in ("YX", "YXS"):
        raise ImageError(f"{name}: TIFF with axes {page.axes} is not supported")
    raster = Raster(np.ascontiguousarray(samples), "TIFF", page.bitspersample, colour=colour)
    profile = page.iccprofile
    if isinstance(profile, bytes):
        raster.icc = profile or None
    elif profile is not None:
        raise ImageError(
            f"{name}: damaged TIFF: its ICC profile tag holds {profile!r:.20}, not a profile; export it again"
        )
    raster.orientation = orientation if orientation in range(1, 9) else 1
    _separate_alpha(raster, channels, page)
    _scale(path, raster, page)
    if raster.samples.dtype == np.float32:
        _judge_float(path, raster)
    return raster


def _separate_alpha(raster: Raster, channels: int, page: tifffile.TiffPage) -> None:
    """Keep the colour channels and, next to them, alpha if the file names one; drop and note any other channel."""
    extra = [int(e) for e in page.extrasamples]
    alpha = next((n for n, kind in enumerate(extra) if kind in (_ASSOCIATED, _UNASSOCIATED)), None)
    kept = list(range(channels))
    if alpha is not None and channels + alpha < page.samplesperpixel:
        kept.append(channels + alpha)
        raster.alpha = "premultiplied" if extra[alpha] == _ASSOCIATED else "straight"
    elif not extra and page.samplesperpixel == channels + 1:  # so old writers and most readers have it
        kept.append(channels)
        raster.alpha = "straight"
        raster.notes.append(f"channel {channels + 1} without a description taken as alpha")
    if len(kept) < page.samplesperpixel:
        raster.notes.append(f"{page.samplesperpixel - len(kept)} extra channels ignored")
    if raster.samples.ndim == 3 and len(kept) < raster.samples.shape[2]:
        raster.samples = np.ascontiguousarray(raster.samples[..., kept])
    if raster.samples.ndim == 3 and raster.samples.shape[2] == 1:
        raster.samples = raster.samples[..., 0]


def _scale(path: Path, raster: Raster, page: tifffile.TiffPage) -> None:
    """Samples to the full scale of uint8 or uint16, or to float32; palettes to their colours; white-is-zero turned."""
    samples, bits = raster.samples, raster.bits
    if samples.dtype.kind == "f":
        if samples.dtype.itemsize == 8:
            raster.notes.append("64-bit float read as 32 bit")
        raster.samples = samples.astype(np.float32, copy=False)
        return
    if page.photometric == PHOTOMETRIC.PALETTE:
        raster.samples = _palette(path, samples, page)
        return
    if samples.dtype.itemsize == 4:
        samples = _to_16_bit(path, samples, raster)
    elif bits not in (8, 16):
        top, full = (1 << bits) - 1, 255 if bits < 8 else 65535
        table = ((np.arange(top + 1, dtype=np.uint32) * full + top // 2) // top).astype(
            np.uint8 if bits < 8 else np.uint16
        )
        samples = np.take(table, samples.astype(np.uint16))
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        if raster.alpha is None:
            samples = np.invert(samples)
        else:  # alpha stays; darkness premultiplied by alpha becomes light premultiplied by alpha
            ink, alpha = samples[..., :-1], samples[..., -1:]
            ink[:] = alpha - np.minimum(ink, alpha) if raster.alpha == "premultiplied" else np.invert(ink)
    raster.samples = samples


def _to_16_bit(path: Path, samples: Array, raster: Raster) -> Array:
    """Samples of 17 to 32 bits as uint16, cut at the low end, or as they are where they use no more than 16 bits.

    Raises ImageError for values in between that would all be nearly black at full scale.
    """
    bits, largest = raster.bits, int(samples.max())
    if largest <= 65535:
        raster.notes.append(f"{bits} bit holding 16-bit values (up to {largest}) read as 16 bit")
        return samples.astype(np.uint16)
    if largest < 1 << (bits - _DARKEST_TOP):
        raise ImageError(
            f"{printable(path)}: {bits}-bit TIFF whose largest value is {largest} of {(1 << bits) - 1}: its white is "
            "not known; export it as 16 bit"
        )
    raster.notes.append(f"{bits} bit reduced to 16 bit")
    return (samples >> (bits - 16)).astype(np.uint16)


def _palette(path: Path, samples: Array, page: tifffile.TiffPage) -> Array:
    """Palette indices to uint8 RGB. A TIFF palette has 16 bits; one without any high byte was written with 8."""
    colours = page.colormap
    if colours is None or colours.shape[1] <= int(samples.max()) or samples.ndim != 2:
        raise ImageError(f"{printable(path)}: damaged TIFF: its palette is missing or too short")
    return np.take((colours >> 8 if colours.max() > 255 else colours).astype(np.uint8).T, samples, axis=0)


def _judge_float(path: Path, raster: Raster) -> None:
    """Decide whether float samples are light (no profile, or a linear one) or display-encoded (any other profile)."""
    if raster.colour not in ("grey", "rgb"):
        raise ImageError(f"{printable(path)}: float TIFF of colour {raster.colour} is not supported; export it as RGB")
    if raster.icc is None:
        raster.light = "scene"
        return
    try:
        linear = icc.is_linear(raster.icc)
    except icc.BrokenProfileError:
        linear = True
    if linear:
        raster.light = "scene"
