"""What a picture is, before and after it is made sRGB, and the two checks every decoder needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from luxel.errors import ImageError
from luxel.images.colour import SRGB, Primaries, Transfer

Array = npt.NDArray[Any]
Colour = Literal["grey", "rgb", "cmyk", "lab"]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as a person sees it.

    pixels: [H, W, 3] uint8, uint16 or float32 in [0, 1]; sRGB-encoded; upright (EXIF orientation applied).
    path: the file. format: "JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF", "GIF", "BMP", "EXR", "HDR" or "RAW".
    bits: bits per channel stored in the file (RGBE: 8; RAW: 16, the depth of the rendering).
    notes: what was done to the stored values, in order, e.g. "ICC Display P3 -> sRGB"; empty if nothing was.
    """

    pixels: Array
    path: Path
    format: str
    bits: int
    notes: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Raster:
    """What a decoder hands on: samples as stored, and the facts needed to make them a `Picture`.

    samples: [H, W] or [H, W, n] uint8, uint16 or float32; n = colour channels (grey 1, rgb 3, cmyk 4, lab 3), plus one
    with alpha. Full scale is 255, 65535 or 1.0. CMYK: 0 is no ink. The array belongs to the raster and may be changed.
    light: None, the samples are display-encoded; "scene", linear light of any scale; "camera", linear light in which
    full scale is the saturation of the sensor.
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


def printable(path: Path) -> str:
    """The path on one line: control characters, which a file name may hold, become "?"."""
    return "".join(c if c.isprintable() else "?" for c in str(path))


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
            f"{max_megapixels:g}; raise max_megapixels or make the picture smaller"
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


def truncated(path: Path, what: str, where: str) -> ImageError:
    """The error for a file that ends early. what: the format. where: what is missing."""
    return ImageError(f"{printable(path)}: truncated {what}: {where}; copy or export the file again")
