"""Reading: find the format, decode, and bring every raster to one form."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from luxel.errors import ImageError
from luxel.filters.shrink import block_means, block_side, shrink_blocks, working_shape
from luxel.images.colour import spaces
from luxel.images.picture import (
    Picture,
    Raster,
    RawRendering,
    ReadOptions,
    decoding,
    default_max_megapixels,
    reading,
)
from luxel.images.sniff import RAW_SUFFIXES, sniff
from luxel.photometry import Array
from luxel.text import printable

if TYPE_CHECKING:
    from PIL import Image

_LIGHT = {"EXR", "HDR", "RAW", "TIFF"}


def read(
    path: str | os.PathLike[str],
    *,
    max_megapixels: float | None = None,
    working_size: int | None = None,
    raw: RawRendering = "neutral",
) -> Picture:
    """The image as a person sees it: sRGB-encoded, upright, three channels, as a `Picture`.

    Its pixels [H, W, 3] are uint8 or uint16 as the file has them (RAW: uint16); float32 in [0, 1] for scene light (EXR,
    HDR, float TIFF), which is exposed by `rendering.auto_exposure`, and for an image that was shrunk. `docs/formats.md`
    has every rule.

    path: JPEG, PNG, WebP, TIFF, HEIC (extra `heif`), AVIF, GIF, BMP, OpenEXR, Radiance HDR or camera RAW, found by
        content.
    max_megapixels: larger images are an error before anything is decoded, 10^6 pixels; None: 200, or what the
        environment variable LUXEL_MAX_MEGAPIXELS says.
    working_size: None for every pixel; or a short side in pixels, for the image as the network sees it: shrunk to
        `filters.shrink.working_shape`, decoded at reduced size where that is as good (JPEG; RAW at half size). Within
        1/255 on average of what `filters.shrink.shrink` makes of every pixel.
    raw: what stands for a camera RAW file: "neutral", its sensor data rendered without a maker's tone curve, or
        "preview", the JPEG that the camera put into the file.
    Raises ImageError: missing, folder, unreadable, empty, truncated, damaged, too large, unsupported, not an image.

    >>> import tempfile
    >>> from luxel import images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images.write(f"{folder}/grey.png", np.full((4, 6, 3), 118, np.uint8))
    ...     picture = read(f"{folder}/grey.png")
    >>> picture.format, picture.size, picture.pixels.dtype.name
    ('PNG', (4, 6), 'uint8')
    """
    where = Path(path)
    limit = default_max_megapixels() if max_megapixels is None else max_megapixels
    options = ReadOptions(max_megapixels=limit, working_size=working_size, raw=raw)
    with reading(where):
        return _read(where, options)


def from_pillow(image: "Image.Image", *, working_size: int | None = None) -> Picture:
    """An image that Pillow holds in memory, as `read` gives the same image in a file.

    image: of any mode with known full scale; its EXIF orientation and ICC profile hold, alpha is composited on white.
    working_size: as in `read`.
    Raises ImageError for a mode that is not supported.

    >>> from PIL import Image
    >>> from_pillow(Image.new("L", (6, 4), 118)).pixels.shape
    (4, 6, 3)
    """
    from luxel.images.formats import pillow

    where = Path("PIL image")
    with reading(where):
        return _rendered(where, pillow.raster_of(image), ReadOptions(working_size=working_size))


def _read(where: Path, options: ReadOptions) -> Picture:
    return _rendered(where, _decode(where, sniff(where), options), options)


def _rendered(where: Path, raster: Raster, options: ReadOptions) -> Picture:
    if raster.light == "scene":
        from luxel.images.colour import rendering

        pixels = rendering.display(_scene_light(where, raster), raster.notes)
    elif raster.light == "camera":
        pixels = spaces.encode_camera_light(raster.samples, raster.brighten)
    else:
        pixels = _to_srgb(raster)
    if raster.orientation != 1:
        raster.notes.append(f"turned upright (orientation {raster.orientation})")
    pixels = _three_channels(pixels)
    pixels = spaces.upright(pixels, raster.orientation)
    height, width = pixels.shape[:2] if raster.full_size is None else raster.full_size
    if raster.full_size is not None and raster.orientation >= 5:
        height, width = width, height
    full_size, blocks = None, None
    if options.working_size is not None:
        shape = working_shape(height, width, options.working_size)
        if shape != (height, width):
            full_size = (height, width)
            flips = spaces.flips(raster.orientation)
            side = max(1, block_side(height, width, options.working_size) // raster.block)
            blocks = np.ascontiguousarray(block_means(pixels, side))
            pixels = shrink_blocks(pixels, full_size, shape, raster.block, partial_first=flips)
    pixels = np.ascontiguousarray(pixels)
    return Picture(pixels, where, raster.format, raster.bits, tuple(raster.notes), full_size, blocks)


def read_linear(path: str | os.PathLike[str], *, max_megapixels: float | None = None) -> npt.NDArray[np.float32]:
    """The light a file stores: float32 [H, W, 3], linear, sRGB primaries, >= 0, upright; never exposed or clipped.

    NaN and negative values become 0, +inf the largest finite value. Colours outside sRGB primaries clip to 0 in the
    channel that would be negative.

    path: OpenEXR, Radiance HDR and float TIFF (any scale; 1.0 means what the file means by it), or camera RAW (1.0 is
        sensor saturation).
    max_megapixels: as in `read`.
    Raises ImageError as `read` does, and for files that store display-encoded images.

    >>> import tempfile
    >>> from luxel import images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images.write(f"{folder}/display.png", np.zeros((4, 4, 3), np.uint8))
    ...     try:
    ...         read_linear(f"{folder}/display.png")
    ...     except ImageError as error:
    ...         print(str(error).partition(": ")[2])
    PNG stores a display picture, not light; use read() and photometry.to_linear()
    """
    where = Path(path)
    with reading(where):
        limit = default_max_megapixels() if max_megapixels is None else max_megapixels
        return _read_linear(where, ReadOptions(max_megapixels=limit))


def _read_linear(where: Path, options: ReadOptions) -> npt.NDArray[np.float32]:
    kind = sniff(where)
    raster = _decode(where, kind, options) if kind in _LIGHT else None
    if raster is None or raster.light is None:
        raise ImageError(
            f"{printable(where)}: {kind} stores a display picture, not light; use read() and photometry.to_linear()"
        )
    if raster.light == "camera":
        light = raster.samples.astype(np.float32)
        light /= np.float32(65535)
    else:
        light = _scene_light(where, raster)
    return np.ascontiguousarray(spaces.upright(light, raster.orientation))


def _decode(path: Path, kind: str, options: ReadOptions) -> Raster:
    """The raster of a file; each format's library is imported when it is needed."""
    max_megapixels = options.max_megapixels
    if not max_megapixels > 0:
        raise ImageError(f"{printable(path)}: max_megapixels is {max_megapixels}; give a number above 0")
    if options.working_size is not None and options.working_size < 1:
        raise ImageError(f"{printable(path)}: working_size is {options.working_size}; give 1 pixel or more")
    if kind == "TIFF":
        from luxel.images.formats import tiff, tiff_directories

        if path.suffix.lower() not in RAW_SUFFIXES and not tiff_directories.survey(path).camera_raw:
            return tiff.decode(path, max_megapixels)
        kind = "RAW"
    match kind:
        case "JPEG":
            from luxel.images.formats import jpeg

            return jpeg.decode(path, options)
        case "PNG":
            from luxel.images.formats import png

            return png.decode(path, max_megapixels)
        case "EXR":
            from luxel.images.formats import exr

            return exr.decode(path, max_megapixels)
        case "HDR":
            from luxel.images.formats import radiance

            return radiance.decode(path, max_megapixels)
        case "RAW":
            from luxel.images.formats import raw

            return raw.decode(path, options)
        case "AVIF" | "HEIF":
            from luxel.images.formats import heif

            return (heif.decode_avif if kind == "AVIF" else heif.decode_heic)(path, max_megapixels)
        case _:
            from luxel.images.formats import pillow

            return pillow.decode(path, kind, max_megapixels)


def _to_srgb(raster: Raster) -> Array:
    """Display-encoded samples as sRGB [H, W] or [H, W, 3]: alpha, then profile or primaries or formula."""
    samples, notes = raster.samples, raster.notes
    if samples.dtype.kind == "f":
        from luxel.images.colour import rendering

        samples = rendering.clean(samples, notes)
    if raster.alpha is not None:
        if samples.dtype.kind == "f" or samples[..., -1].min() < np.iinfo(samples.dtype).max:
            samples = spaces.over_white(samples, raster.alpha, raster.colour)
            notes.append("alpha composited on white")
        else:
            samples = samples[..., :-1]
        samples = samples[..., 0] if raster.colour == "grey" else np.ascontiguousarray(samples)
    if raster.colour == "lab":
        notes.append("CIELab -> sRGB")
        return spaces.lab_to_rgb(samples)
    if raster.icc is not None:
        from luxel.images.colour import icc

        try:
            samples, name = icc.convert(samples, raster.colour, raster.icc)
            if name is not None:
                notes.append(f"ICC {name} -> sRGB")
            return np.clip(samples, 0, 1, out=samples) if samples.dtype.kind == "f" else samples
        except icc.BrokenProfileError as error:
            notes.append(f"ICC profile ignored ({error}): treated as sRGB")
    if raster.colour == "cmyk":
        notes.append("CMYK without profile -> sRGB by formula")
        return spaces.cmyk_to_rgb(samples)
    if raster.colour == "rgb" and (raster.primaries, raster.transfer) != (spaces.SRGB, "sRGB"):
        names = {spaces.DISPLAY_P3: "Display P3", spaces.BT2020: "BT.2020", spaces.ADOBE_RGB: "Adobe RGB"}
        notes.append(f"{names.get(raster.primaries, 'primaries of the file')} -> sRGB")
        return spaces.primaries_to_srgb(samples, raster.primaries, raster.transfer)
    return samples


def _scene_light(path: Path, raster: Raster) -> npt.NDArray[np.float32]:
    """Scene light as float32 [H, W, 3], sRGB primaries, finite, >= 0."""
    from luxel.images.colour import rendering

    light, notes = raster.samples, raster.notes
    if raster.alpha is not None:
        light = light[..., :-1]
        notes.append("alpha ignored: the light as stored")
    if light.ndim == 3 and light.shape[2] == 1:
        light = light[..., 0]
    light = rendering.clean(np.ascontiguousarray(light, np.float32), notes)
    matrix = None
    if raster.icc is not None:
        from luxel.images.colour import icc

        try:
            matrix = icc.light_matrix(raster.icc) if raster.colour == "rgb" else None
            notes.append(f"ICC {icc.description(raster.icc)} -> sRGB primaries")
        except icc.BrokenProfileError as error:
            notes.append(f"ICC profile ignored ({error}): treated as linear sRGB")
    elif raster.primaries != spaces.SRGB:
        with decoding(path, raster.format):
            matrix = spaces.matrix_to_srgb(raster.primaries)
        notes.append("primaries of the file -> sRGB primaries")
    if matrix is not None and raster.colour == "rgb":
        light = light @ matrix.T.astype(np.float32)
        np.maximum(light, 0.0, out=light)
    return _three_channels(light)


def _three_channels(pixels: Array) -> Array:
    """[H, W] or [H, W, 3], any strides, to a contiguous [H, W, 3]; no copy if it already is one."""
    return np.ascontiguousarray(pixels) if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
