"""Formats whose pixels come from Pillow, at 8 bit: WebP, GIF, BMP, 8-bit AVIF and YCbCr TIFF.

Plugins are called by name, never through `Image.open`: only formats on this page can be opened (no EPS, which would
start Ghostscript). Every size is checked here against the caller's limit, so Pillow's process-wide one is set aside
while its plugins work, and put back.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import AvifImagePlugin, BmpImagePlugin, GifImagePlugin, Image, ImageFile, TiffImagePlugin, WebPImagePlugin

from luxel.errors import ImageError
from luxel.images.colour.spaces import strips
from luxel.images.formats import bmp, exif
from luxel.images.formats.webp_size import HEAD, webp_size
from luxel.images.picture import Raster, check_size, decoding, truncated
from luxel.text import printable

_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}
_TO_RGB = {"1": "L", "P": "RGB", "PA": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "La": "LA", "RGBa": "RGBA"}


_LIMIT_LOCK = threading.Lock()
_limit_users: list[int | None] = []  # one entry, the limit found, for each thread inside `_own_limit`


def decode(path: Path, kind: str, max_megapixels: float) -> Raster:
    """The first frame. kind: a key of the table above. Raises ImageError: truncated, damaged, too large."""
    if kind == "WEBP":  # its plugin makes room for the picture when it opens the file
        with path.open("rb") as file:
            size = webp_size(file.read(HEAD))
        if size is None:
            raise truncated(path, "WebP", "it has no header with a size")
        check_size(path, *size, max_megapixels)
    with _own_limit():
        return _decode(path, kind, max_megapixels)


@contextmanager
def _own_limit() -> Iterator[None]:
    """Set Pillow's limit on pixels aside; the last of several threads puts it back."""
    with _LIMIT_LOCK:
        _limit_users.append(_limit_users[0] if _limit_users else Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        with _LIMIT_LOCK:
            limit = _limit_users.pop()
            if not _limit_users:
                Image.MAX_IMAGE_PIXELS = limit


def _decode(path: Path, kind: str, max_megapixels: float) -> Raster:
    with decoding(path, kind):
        image = _PLUGINS[kind](path)
    with image:
        check_size(path, *image.size, max_megapixels)
        with decoding(path, kind):
            frames = getattr(image, "n_frames", 1)
            block = image.info.get("exif")
            profile = image.info.get("icc_profile")
            # A first frame may be smaller than the canvas; around it a viewer shows what lies behind the picture.
            covered = image.tile[0].extents if kind == "GIF" and image.tile else None
            image.load()
            mode = _TO_RGB.get(image.mode, image.mode)
            if "transparency" in image.info:
                mode = {"L": "LA", "RGB": "RGBA"}.get(mode, mode)
            if covered is not None and covered != (0, 0, *image.size):
                mode = {"L": "LA", "RGB": "RGBA"}.get(mode, mode)
            if mode not in ("L", "LA", "RGB", "RGBA"):
                raise ImageError(f"{printable(path)}: {kind} of type {mode} is not supported; export it as PNG")
            samples = _samples(image if mode == image.mode else image.convert(mode))
    facts = exif.parse(block)
    raster = Raster(samples, kind, 8, icc=profile or None, orientation=facts.orientation)
    raster.colour = "grey" if mode in ("L", "LA") else "rgb"
    if mode in ("LA", "RGBA"):
        raster.alpha = "straight"
    if covered is not None and covered != (0, 0, *samples.shape[1::-1]):
        left, top, right, bottom = covered
        inside = np.zeros(samples.shape[:2], bool)
        inside[top:bottom, left:right] = True
        samples[~inside, -1] = 0
        raster.notes.append(
            f"first frame covers {right - left} x {bottom - top} of {samples.shape[1]} x {len(samples)}"
        )
    if kind == "BMP":
        raster.icc, note = bmp.profile(path)
        raster.notes += note
    if frames > 1:
        raster.notes.append(f"first of {frames} frames")
    if facts.damaged:
        raster.notes.append("EXIF unreadable: ignored")
    return raster


def raster_of(image: Image.Image) -> Raster:
    """A picture that Pillow holds in memory, with its colour profile, its orientation and its alpha.

    Raises ImageError for a mode that is neither grey, RGB nor CMYK with known full scale (I, F, LAB, HSV).
    """
    mode = _TO_RGB.get(image.mode, image.mode)
    if "transparency" in image.info:
        mode = {"L": "LA", "RGB": "RGBA"}.get(mode, mode)
    if image.mode == "I;16":
        raster = Raster(np.array(image, np.uint16), "PIL", 16, colour="grey")
    elif mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raster = Raster(_samples(image if mode == image.mode else image.convert(mode)), "PIL", 8)
        raster.colour = "cmyk" if mode == "CMYK" else "grey" if mode in ("L", "LA") else "rgb"
        raster.alpha = "straight" if mode in ("LA", "RGBA") else None
    else:
        raise ImageError(f"PIL image of mode {image.mode}: convert it to RGB first")
    raster.icc = image.info.get("icc_profile") or None
    orientation = image.getexif().get(0x0112, 1)
    raster.orientation = orientation if orientation in range(1, 9) else 1
    return raster


def _samples(image: Image.Image) -> npt.NDArray[Any]:
    """The pixels as a writable array, copied in strips: Pillow's own export holds them three times."""
    bands = len(image.getbands())
    samples = np.empty((image.height, image.width) + ((bands,) if bands > 1 else ()), np.uint8)
    for rows in strips(samples):
        stop = min(rows.stop, image.height)
        samples[rows] = np.asarray(image.crop((0, rows.start, image.width, stop)))
    return samples
