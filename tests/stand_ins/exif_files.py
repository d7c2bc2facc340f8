"""Pictures of every format with EXIF, written by Pillow, and folders of many small shots."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

NOON = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)
TAG = ExifTags.Base


def clock(seconds: float) -> str:
    """EXIF text of a time after noon."""
    return (NOON + timedelta(seconds=seconds)).strftime("%Y:%m:%d %H:%M:%S")


def save_with_exif(
    path: Path, pixels: np.ndarray, exif: Mapping[int, Any], first: Mapping[int, Any] | None = None, **options: Any
) -> Path:
    """A picture in the format of its suffix. exif: values of the EXIF directory. first: of the first directory."""
    block = Image.Exif()
    for tag, value in {TAG.Make: "TestCam", TAG.Model: "T1", **(first or {})}.items():
        if value is not None:
            block[tag] = value
    block.get_ifd(ExifTags.IFD.Exif).update(exif)
    image = Image.fromarray(pixels)
    if path.suffix == ".heic":
        import pillow_heif

        pillow_heif.from_pillow(image).save(path, exif=block.tobytes(), quality=90)
    else:
        # As bytes: Pillow leaves the EXIF directory of an Exif object out of a TIFF file.
        image.save(path, exif=block.tobytes(), **options)
    return path


def shots(
    folder: Path, exposures: Sequence[float], *, start: float = 0.0, step: float = 1.0, pixels: np.ndarray | None = None
) -> list[Path]:
    """Shots 1.jpg, 2.jpg ... of given shutter times, one after another. step: seconds. pixels: what all show."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = np.full((24, 32, 3), 128, np.uint8) if pixels is None else pixels
    offset = len(list(folder.iterdir()))
    return [
        save_with_exif(
            folder / f"{offset + i + 1}.jpg",
            shown,
            {
                TAG.DateTimeOriginal: clock(start + i * step),
                TAG.SubsecTimeOriginal: f"{round((start + i * step) % 1 * 1000):03d}",
                TAG.ExposureTime: exposure,
            },
        )
        for i, exposure in enumerate(exposures)
    ]
