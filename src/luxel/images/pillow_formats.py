"""Formats whose pixels come from Pillow, at 8 bit: WebP, GIF, BMP, 8-bit AVIF and YCbCr TIFF.

Plugins are called by name, never through `Image.open`: only formats on this page can be opened (no EPS, which would
start Ghostscript), and Pillow's process-wide pixel limit is left as it is, since every size is checked here.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import AvifImagePlugin, BmpImagePlugin, GifImagePlugin, Image, ImageFile, TiffImagePlugin, WebPImagePlugin

from luxel.errors import ImageError
from luxel.images import exif
from luxel.images.colour import strips
from luxel.images.picture import Raster, check_size, decoding, printable

_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}
_TO_RGB = {"1": "L", "P": "RGB", "PA": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "La": "LA", "RGBa": "RGBA"}


def decode(path: Path, kind: str, max_megapixels: float) -> Raster:
    """The first frame. kind: a key of the table above. Raises ImageError: truncated, damaged, too large."""
    with decoding(path, kind):
        image = _PLUGINS[kind](path)
    with image:
        check_size(path, *image.size, max_megapixels)
        with decoding(path, kind):
            frames = getattr(image, "n_frames", 1)
            block = image.info.get("exif")
            profile = image.info.get("icc_profile")
            image.load()
            mode = _TO_RGB.get(image.mode, image.mode)
            if "transparency" in image.info:
                mode = {"L": "LA", "RGB": "RGBA"}.get(mode, mode)
            if mode not in ("L", "LA", "RGB", "RGBA"):
                raise ImageError(f"{printable(path)}: {kind} of type {mode} is not supported; export it as PNG")
            samples = _samples(image if mode == image.mode else image.convert(mode))
    facts = exif.parse(block)
    raster = Raster(samples, kind, 8, icc=profile or None, orientation=facts.orientation)
    raster.colour = "grey" if mode in ("L", "LA") else "rgb"
    if mode in ("LA", "RGBA"):
        raster.alpha = "straight"
    if frames > 1:
        raster.notes.append(f"first of {frames} frames")
    if facts.damaged:
        raster.notes.append("EXIF unreadable: ignored")
    return raster


def _samples(image: Image.Image) -> npt.NDArray[Any]:
    """The pixels as a writable array, copied in strips: Pillow's own export holds them three times."""
    bands = len(image.getbands())
    samples = np.empty((image.height, image.width) + ((bands,) if bands > 1 else ()), np.uint8)
    for rows in strips(samples):
        stop = min(rows.stop, image.height)
        samples[rows] = np.asarray(image.crop((0, rows.start, image.width, stop)))
    return samples
