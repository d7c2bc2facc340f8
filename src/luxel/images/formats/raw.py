"""Camera RAW through LibRaw, with one stated rendering.

Rendering: white balance of the camera, colours of the camera to sRGB primaries by LibRaw's matrix, AHD demosaicing,
highlights clipped at sensor saturation, no automatic brightening, the white level of the camera and not of the picture,
turned as the camera was held. So the exposure of the file is the exposure that is judged, and frames of a bracket keep
their distance in stops. `read` adds the sRGB curve and nothing else: no tone curve of a maker.

LibRaw's wheels use OpenMP threads, which do not survive `fork`: a worker process forked after a RAW file was read hangs
on its first RAW file. Start workers with `multiprocessing.get_context("spawn")`.
"""

from pathlib import Path

import numpy as np
import rawpy

from luxel.errors import ImageError
from luxel.images.formats import tiff_directories
from luxel.images.picture import Raster, check_size, decoding
from luxel.text import printable


def decode(path: Path, max_megapixels: float) -> Raster:
    """The picture as camera light: uint16 [H, W, 3] linear, sRGB primaries, 65535 is saturation; upright.

    Raises ImageError: not a RAW file LibRaw knows, truncated, damaged, too large.
    """
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
        check_size(path, sizes.width, sizes.height, max_megapixels)
        check_size(path, sizes.raw_width, sizes.raw_height, 2 * max_megapixels)  # with the masked border
        with decoding(path, "camera RAW"):
            raw.unpack()
            balance = raw.camera_whitebalance
            light = raw.postprocess(
                demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
                use_camera_wb=True,
                output_color=rawpy.ColorSpace.sRGB,
                output_bps=16,
                gamma=(1, 1),
                no_auto_bright=True,
                adjust_maximum_thr=0.0,
                highlight_mode=rawpy.HighlightMode.Clip,
            )
    finally:
        raw.close()
    white = "camera" if balance and balance[0] > 0 else "daylight (the file states none)"
    notes = [f"RAW rendering: white balance {white}, sRGB primaries, no automatic brightening, sRGB curve"]
    if light.shape[2] == 1:
        light = np.repeat(light, 3, axis=2)
    return Raster(light, "RAW", 16, light="camera", notes=notes)


def check_float(path: Path) -> None:
    """Raise ImageError for float sensor data that LibRaw would render black or as noise."""
    with path.open("rb") as file:
        if file.read(4) not in (b"II*\0", b"MM\0*"):
            return
    try:
        fault = tiff_directories.survey(path).float_fault
    except ImageError:  # LibRaw says what is wrong
        return
    if fault is not None:
        raise ImageError(f"{printable(path)}: DNG of {fault} is not supported; convert it to integer DNG or float TIFF")
