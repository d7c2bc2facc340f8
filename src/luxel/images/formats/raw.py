"""Camera RAW through LibRaw, with one stated rendering.

Rendering: white balance of the camera, colours of the camera to sRGB primaries by LibRaw's matrix, AHD demosaicing,
highlights clipped at sensor saturation, no automatic brightening, the white level of the camera and not of the picture,
turned as the camera was held. So the exposure of the file is the exposure that is judged, and frames of a bracket keep
their distance in stops. `read` adds the sRGB curve and nothing else: no tone curve of a maker. A DNG is cut to its
default crop, and brightened for display where it states a baseline exposure above 0.

For the network, which sees 256 lines, blocks of 2 x 2 photosites are enough: one red, two green, one blue, no
demosaicing.

LibRaw's wheels use OpenMP threads, which do not survive `fork`: a worker process forked after a RAW file was read hangs
on its first RAW file. Start workers with `multiprocessing.get_context("spawn")`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import rawpy

from luxel.errors import ImageError
from luxel.filters.shrink import block_side
from luxel.images.formats import jpeg, tiff_directories
from luxel.images.formats.tiff_directories import Directories
from luxel.images.picture import Raster, ReadOptions, check_size, decoding
from luxel.text import printable

_MAX_BASELINE = 8.0  # stops; cameras state up to about 3
_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}
"""LibRaw's way of turning -> EXIF orientation."""


def decode(path: Path, options: ReadOptions) -> Raster:
    """The picture as camera light: uint16 [H, W, 3] linear, sRGB primaries, 65535 is saturation; or its preview.

    Raises ImageError: not a RAW file LibRaw knows, truncated, damaged, too large, no preview.
    """
    if options.raw == "neutral":
        check_float(path)
    raw = rawpy.RawPy()
    try:
        with decoding(path, "camera RAW"):
            try:
                raw.open_file(str(path))
            except rawpy.LibRawFileUnsupportedError as error:
                raise ImageError(
                    f"{printable(path)}: LibRaw does not know this camera RAW file; convert it to DNG, "
                    "or, if it is an ordinary TIFF, name it .tif"
                ) from error
            sizes = raw.sizes
        if options.raw == "preview":
            return _preview(path, raw, sizes, options)
        check_size(path, sizes.width, sizes.height, options.max_megapixels)
        check_size(path, sizes.raw_width, sizes.raw_height, 2 * options.max_megapixels)  # with the masked border
        return _render(path, raw, sizes, options)
    finally:
        raw.close()


def _render(path: Path, raw: Any, sizes: Any, options: ReadOptions) -> Raster:
    with decoding(path, "camera RAW"):
        raw.unpack()
        balance = raw.camera_whitebalance
        bayer = raw.raw_type == rawpy.RawType.Flat and raw.raw_pattern is not None and raw.raw_pattern.shape == (2, 2)
    white = "camera" if balance and balance[0] > 0 else "daylight (the file states none)"
    notes = [f"RAW rendering: white balance {white}, sRGB primaries, no automatic brightening, sRGB curve"]
    half = (
        bayer and options.working_size is not None and block_side(sizes.height, sizes.width, options.working_size) > 1
    )
    with decoding(path, "camera RAW"):
        light = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
            half_size=half,
            use_camera_wb=True,
            output_color=rawpy.ColorSpace.sRGB,
            output_bps=16,
            gamma=(1, 1),
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
            highlight_mode=rawpy.HighlightMode.Clip,
            user_flip=0,
        )
    if light.shape[2] == 1:
        light = np.repeat(light, 3, axis=2)
    raster = Raster(light, "RAW", 16, light="camera", orientation=_ORIENTATIONS.get(sizes.flip, 1), notes=notes)
    raster.full_size = (sizes.height, sizes.width) if half else light.shape[:2]
    raster.block = 2 if half else 1
    if (stated := _directories(path)) is not None:
        _crop(raster, stated)
        _baseline(raster, stated)
    return raster


def _crop(raster: Raster, stated: Directories) -> None:
    """Cut the raster to the default crop of a DNG, to a whole block; note it."""
    assert raster.full_size is not None
    height, width = raster.full_size
    if stated.default_crop is None or stated.default_crop == (0, 0, width, height):
        return
    left, top, crop_width, crop_height = stated.default_crop
    side = raster.block
    if (
        min(left, top) < 0
        or min(crop_width, crop_height) < side
        or left + crop_width > width
        or top + crop_height > height
    ):
        raster.notes.append(f"default crop of {crop_width} x {crop_height} at {left}, {top} does not fit: ignored")
        return
    rows = slice(top // side, top // side + -(-crop_height // side))
    columns = slice(left // side, left // side + -(-crop_width // side))
    raster.samples = np.ascontiguousarray(raster.samples[rows, columns])
    raster.full_size = (crop_height, crop_width)
    raster.notes.append(f"cut to the default crop, {crop_width} x {crop_height} of {width} x {height}")


def _baseline(raster: Raster, stated: Directories) -> None:
    """Brighten by the baseline exposure of a DNG; one below 0, which would turn clipped white grey, is only noted.

    Source: DNG 1.7, BaselineExposure.
    """
    stops = stated.baseline_exposure
    if stops is None or stops == 0:
        return
    if 0 < stops <= _MAX_BASELINE:
        raster.brighten = stops
        raster.notes.append(f"baseline exposure {stops:+.2f} EV of the DNG applied")
    else:
        raster.notes.append(f"baseline exposure {stops:+.2f} EV of the DNG ignored")


def _preview(path: Path, raw: Any, sizes: Any, options: ReadOptions) -> Raster:
    """The picture that the camera put into the file, as it is decoded from a JPEG file."""
    with decoding(path, "camera RAW"):
        try:
            preview = raw.extract_thumb()
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError) as error:
            raise ImageError(
                f"{printable(path)}: has no preview that can be read; choose the neutral rendering"
            ) from error
    if preview.format == rawpy.ThumbFormat.JPEG:
        raster = jpeg.decode_bytes(path, preview.data, options)
    else:
        raster = Raster(np.array(preview.data), "RAW", 8, orientation=_ORIENTATIONS.get(sizes.flip, 1))
        raster.full_size = raster.samples.shape[:2]
    assert raster.full_size is not None
    height, width = raster.full_size
    check_size(path, width, height, options.max_megapixels)
    raster.format = "RAW"
    # LibRaw writes the turn of the sensor into previews that state none, also into those that were turned already.
    if sizes.flip in (5, 6):
        lies_as_sensor = (width > height) == (sizes.width > sizes.height)
        raster.orientation = _ORIENTATIONS[sizes.flip] if lies_as_sensor else 1
    raster.notes.insert(0, f"embedded preview of {width} x {height} in place of the sensor data")
    return raster


def _directories(path: Path) -> Directories | None:
    """What the directories of a RAW file that is a TIFF say, or None."""
    with path.open("rb") as file:
        if file.read(4) not in (b"II*\0", b"MM\0*"):
            return None
    try:
        return tiff_directories.survey(path)
    except ImageError:  # LibRaw says what is wrong
        return None


def check_float(path: Path) -> None:
    """Raise ImageError for float sensor data that LibRaw would render black or as noise."""
    stated = _directories(path)
    if stated is not None and stated.float_fault is not None:
        raise ImageError(
            f"{printable(path)}: DNG of {stated.float_fault} is not supported; convert it to integer DNG or float TIFF"
        )
