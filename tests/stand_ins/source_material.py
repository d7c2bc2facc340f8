"""Source files for tests of scanning and developing: JPEG with EXIF, DNG, HDR, and frames of a moving camera."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data
import tifffile
from PIL import ExifTags, Image

from luxel.dataset.reference.bracket import frame
from luxel.photometry import as_unit_float, to_linear

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]
NOON = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)

XYZ_TO_SRGB = (3.2404542, -1.5371385, -0.4985314, -0.9692660, 1.8760108, 0.0415560, 0.0556434, -0.2040259, 1.0572252)


def light_of(name: str = "astronaut", *, height: int = 0) -> FloatArray:
    """Linear light of a picture of scikit-image's, float32 [H, W, 3]."""
    linear = to_linear(as_unit_float(getattr(skimage.data, name)()))
    if height:
        width = round(linear.shape[1] * height / linear.shape[0])
        linear = np.asarray(cv2.resize(linear, (width, height), interpolation=cv2.INTER_AREA))
    return linear


def seen_through(
    linear: FloatArray, motion: npt.NDArray[np.floating], ev: float, *, margin: int, noise: float = 0.0
) -> ByteArray:
    """A frame of linear light by a moved camera: pixel p shows the light at motion(p), less `margin`."""
    height, width = linear.shape[0] - 2 * margin, linear.shape[1] - 2 * margin
    shift = np.array([[1, 0, margin], [0, 1, margin], [0, 0, 1.0]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    light = np.maximum(cv2.warpPerspective(linear, shift @ motion, (width, height), flags=flags), 0)
    if noise:
        rng = np.random.default_rng(5)
        light = np.maximum(light + np.sqrt(noise * light + noise**2) * rng.standard_normal(light.shape), 0)
    return frame(light, ev)


def write_jpeg(
    path: Path,
    pixels: ByteArray,
    *,
    seconds: float | None = None,
    exposure_s: float | None = None,
    make: str = "Canon",
    model: str = "Canon EOS R5",
    serial: str = "",
    orientation: int = 1,
    **more: Any,
) -> Path:
    """A JPEG with EXIF. seconds: after noon, None for no time. more: f_number, iso, lens."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = make, model
    exif[ExifTags.Base.Orientation] = orientation
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    if seconds is not None:
        taken = NOON + timedelta(seconds=seconds)
        inner[ExifTags.Base.DateTimeOriginal] = taken.strftime("%Y:%m:%d %H:%M:%S")
        inner[ExifTags.Base.SubsecTimeOriginal] = f"{taken.microsecond // 1000:03d}"
    if exposure_s is not None:
        inner[ExifTags.Base.ExposureTime] = exposure_s
    if serial:
        inner[ExifTags.Base.BodySerialNumber] = serial
    for key, tag in (("f_number", "FNumber"), ("iso", "ISOSpeedRatings"), ("lens", "LensModel")):
        if key in more:
            inner[ExifTags.Base[tag]] = more[key]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "JPEG", quality=95, exif=exif)
    return path


def write_dng(
    path: Path,
    camera: npt.NDArray[np.floating],
    *,
    neutral: tuple[float, float, float] = (1, 1, 1),
    orientation: int = 1,
    black: int = 512,
    white: int = 15000,
    exposure: tuple[int, int] = (1, 60),
    f_number: float = 8.0,
    iso: int = 200,
    seconds: float = 0.0,
    more: Sequence[tuple[Any, ...]] = (),
) -> Path:
    """A small uncompressed Bayer DNG (RGGB, 16 bit). more: further tags, as tifffile takes them.

    camera: [H, W, 3] linear camera RGB, 1.0 = saturation; the camera's space is linear sRGB. neutral: what a grey is in
    camera RGB.
    """
    mosaic = camera[..., 1].copy()
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = camera[0::2, 0::2, 0], camera[1::2, 1::2, 2]
    stored = np.rint(black + np.clip(mosaic, 0, 1) * (white - black)).astype(np.uint16)

    def rational(values: tuple[float, ...]) -> tuple[int, ...]:
        return tuple(n for v in values for n in (round(v * 10000), 10000))

    taken = (NOON + timedelta(seconds=seconds)).strftime("%Y:%m:%d %H:%M:%S")
    tags = [
        (271, "s", 0, "luxel", True),
        (272, "s", 0, "luxel test camera", True),
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, (0, 1, 1, 2), True),
        (33434, "2I", 1, exposure, True),
        (33437, "2I", 1, (round(f_number * 10), 10), True),
        (34855, "H", 1, iso, True),
        (36867, "s", 0, taken, True),
        (50706, "B", 4, (1, 4, 0, 0), True),
        (50708, "s", 0, "luxel test camera", True),
        (50714, "H", 1, black, True),
        (50717, "H", 1, white, True),
        (50721, "2i", 9, rational(XYZ_TO_SRGB), True),
        (50728, "2I", 3, rational(neutral), True),
        (50778, "H", 1, 21, True),
        *more,
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, stored, photometric=32803, planarconfig=None, metadata=None, extratags=tags)
    return path


def write_hdr(path: Path, linear: FloatArray) -> Path:
    """A Radiance HDR file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(linear[..., ::-1]))
    return path
