"""What a picture is, before and after it is made sRGB, and the two checks every decoder needs."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from luxel.errors import ImageError, LuxelError
from luxel.images.colour.spaces import SRGB, Primaries, Transfer
from luxel.photometry import Array
from luxel.text import printable

Colour = Literal["grey", "rgb", "cmyk", "lab"]
RawRendering = Literal["neutral", "preview"]


BYTES_PER_PIXEL = 16
"""The limit on decoded bytes, for each pixel of the limit on pixels: four channels of 32 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image file as a person sees it.

    pixels: [H, W, 3] uint8, uint16 or float32 in [0, 1]; sRGB-encoded; upright (EXIF orientation applied).
    path: the file.
    format: "JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF", "GIF", "BMP", "EXR", "HDR" or "RAW".
    bits: bits per channel stored in the file (RGBE: 8; RAW: 16, the depth of the rendering).
    notes: what was done to the stored values, in order, e.g. "ICC Display P3 -> sRGB"; empty if nothing was.
    full_size: (height, width) in the file, upright, where `read` was asked for fewer pixels; else None.
    blocks: where `read` was asked for fewer pixels, the image as means over blocks of `filters.shrink.block_side`
        pixels, [h, w, 3] in the same encoding: several times as fine as `pixels`, for what must be counted; else None.
    """

    pixels: Array
    path: Path
    format: str
    bits: int
    notes: tuple[str, ...] = ()
    full_size: tuple[int, int] | None = None
    blocks: Array | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the picture in the file, upright; `pixels` may hold fewer."""
        height, width = self.pixels.shape[:2] if self.full_size is None else self.full_size
        return height, width


MEGAPIXELS_VARIABLE = "LUXEL_MAX_MEGAPIXELS"
"""Environment variable with the limit of every reader that is not given one, in this process and those it starts."""


def default_max_megapixels() -> float:
    """The largest image that is read where no limit is given, 10^6 pixels: 200, or what `LUXEL_MAX_MEGAPIXELS` says.

    Raises LuxelError if that is not a number above 0.
    """
    stated = os.environ.get(MEGAPIXELS_VARIABLE, "")
    if not stated:
        return 200.0
    try:
        limit = float(stated)
    except ValueError:
        limit = math.nan
    if not limit > 0:
        raise LuxelError(f"{MEGAPIXELS_VARIABLE}={stated!r}: give a number of megapixels above 0, or unset it")
    return limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How `read` reads: its keywords, for those who pass them on.

    max_megapixels: pictures above it are rejected before decoding, 10^6 pixels; default `default_max_megapixels`.
    working_size: None, or the working size at which the picture is needed (`filters.shrink.working_shape`): a decoder
        may then give means of blocks of pixels in place of pixels.
    raw: what stands for a camera RAW file: "neutral", its sensor data by luxel's rendering; "preview", the JPEG that
        the camera made and put into the file.
    """

    max_megapixels: float = field(default_factory=default_max_megapixels)
    working_size: int | None = None
    raw: RawRendering = "neutral"


@dataclass(slots=True, eq=False)
class Raster:
    """What a decoder passes on: samples as stored, and the facts needed to make them a `Picture`.

    samples: [H, W] or [H, W, n] uint8, uint16 or float32; n = colour channels (grey 1, rgb 3, cmyk 4, lab 3), plus one
    with alpha. Full scale is 255, 65535 or 1.0. CMYK: 0 means no ink. The array belongs to the raster and may be
    changed. light: None, the samples are display-encoded; "scene", linear light of any scale; "camera", linear light in
    which full scale is the saturation of the sensor.
    full_size, block: (height, width) of the picture as stored and the side of the blocks whose means the samples are;
    None and 1 where the samples are the pixels.
    brighten: stops by which camera light is brightened for display, >= 0.
    """

    samples: Array
    format: str
    bits: int
    colour: Colour = "rgb"
    alpha: Literal["straight", "premultiplied"] | None = None
    icc: bytes | None = None
    primaries: Primaries = SRGB
    transfer: Transfer = "sRGB"
    light: Literal["scene", "camera"] | None = None
    orientation: int = 1
    notes: list[str] = field(default_factory=list)
    full_size: tuple[int, int] | None = None
    block: int = 1
    brighten: float = 0.0


def read_bytes(path: Path) -> bytes:
    """The whole file. Raises ImageError where the disk or the network fails."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{printable(path)}: cannot be read: {error.strerror or error}") from error


def check_size(path: Path, width: int, height: int, max_megapixels: float) -> None:
    """Raise ImageError if a header promises no pixels or more than `max_megapixels` (10^6 pixels): before decoding."""
    if width < 1 or height < 1:
        raise ImageError(f"{printable(path)}: the header says {width} x {height} pixels: the file is damaged")
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        raise ImageError(
            f"{printable(path)}: {width} x {height} is {megapixels:.6g} megapixels, over the limit of "
            f"{max_megapixels:g}; raise max_megapixels (--max-megapixels) or make the picture smaller"
        )


def check_bytes(path: Path, width: int, height: int, bytes_per_pixel: float, max_megapixels: float) -> None:
    """Raise ImageError if the samples take more than `BYTES_PER_PIXEL` for each of `max_megapixels`.

    path: the file.
    width, height: pixels.
    bytes_per_pixel: of all channels together, as decoded.
    max_megapixels: as in `read`, 10^6 pixels.
    """
    size, limit = width * height * bytes_per_pixel / 1e6, max_megapixels * BYTES_PER_PIXEL
    if size > limit:
        raise ImageError(
            f"{printable(path)}: {width} x {height} pixels of {bytes_per_pixel:g} bytes are {size:.6g} megabytes, over "
            f"the limit of {limit:g}: {BYTES_PER_PIXEL} for each pixel of max_megapixels (--max-megapixels); export it "
            "with fewer channels or bits"
        )


@contextmanager
def decoding(path: Path, what: str) -> Iterator[None]:
    """Around one call into a format library: whatever it raises on hostile bytes becomes an ImageError.

    Keep our own code outside, so that our mistakes are not reported as damaged files.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{printable(path)}: not enough memory to decode this {what}") from error
    except Exception as error:
        text = error.args[0] if error.args else type(error).__name__
        reason = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(error)
        raise ImageError(
            f"{printable(path)}: damaged, truncated or unsupported {what}: {' '.join(reason.split())[:160]}"
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around one whole reader: nothing but an ImageError leaves it, so one file never ends a run over many.

    path: the file. `decoding` names the format where a library fails; what is left to this guard is a damaged value
    that passed every check and made our own code fail, and the memory running out.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{printable(path)}: not enough memory to read it; make the picture smaller") from error
    except ImportError as error:
        raise ImageError(
            f"{printable(path)}: a library it needs cannot be loaded: {error}; install luxel again"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise ImageError(
            f"{printable(path)}: cannot be read, one of its values is damaged or unsupported "
            f"({type(error).__name__}: {reason}); export it again"
        ) from error


def truncated(path: Path, what: str, where: str) -> ImageError:
    """The error for a file that ends early. what: the format. where: what is missing."""
    return ImageError(f"{printable(path)}: truncated {what}: {where}; copy or export the file again")
