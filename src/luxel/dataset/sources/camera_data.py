"""What a picture file says about how it was taken, from its header alone: size, exposure, time, device, lens."""

import math
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rawpy
import tifffile
from PIL import ExifTags, Image, TiffImagePlugin

from luxel.errors import ImageError
from luxel.images.formats.tiff_directories import survey
from luxel.images.picture import decoding
from luxel.images.sniff import RAW_SUFFIXES, sniff

_HDR_SIZE = re.compile(rb"\n\n[-+]([XY]) +(\d+) +[-+][XY] +(\d+)\s*\n")
_EXR_WINDOW = b"dataWindow\0box2i\0\x10\0\0\0"
_HEADER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraData:
    """Facts of one file, None where it does not state them.

    format: as `images.Picture.format`. light: whether the file stores light (EXR, HDR, RAW, float TIFF).
    width, height: pixels, upright; 0 where the header cannot be read. exposure_s: shutter time in seconds. f_number,
    iso. taken: seconds since 1970 by the camera's own clock. device: make and model. lens. body: serial number.
    """

    format: str
    light: bool
    width: int = 0
    height: int = 0
    exposure_s: float | None = None
    f_number: float | None = None
    iso: float | None = None
    taken: float | None = None
    device: str | None = None
    lens: str | None = None
    body: str | None = None

    @property
    def stops(self) -> float | None:
        """Exposure in stops, up to a constant of the device: log2(time * ISO / f-number^2); None without a time."""
        if self.exposure_s is None:
            return None
        return math.log2(self.exposure_s * (self.iso or 100.0) / 100.0 / (self.f_number or 1.0) ** 2)


def camera_data(path: Path) -> CameraData:
    """Facts of a picture file. Raises ImageError if it is missing, empty or no picture.

    A damaged header is no error here, it only states nothing: decoding will tell.
    """
    kind = sniff(path)
    if kind == "TIFF" and (path.suffix.lower() in RAW_SUFFIXES or survey(path).camera_raw):
        kind = "RAW"
    try:
        match kind:
            case "RAW":
                return _raw(path)
            case "HDR":
                width, height = _hdr_size(path)
                return CameraData(format=kind, light=True, width=width, height=height)
            case "EXR":
                width, height = _exr_size(path)
                return CameraData(format=kind, light=True, width=width, height=height)
            case "TIFF":
                with tifffile.TiffFile(path) as file:
                    page = file.pages[0]
                    light = page.dtype is not None and page.dtype.kind == "f"
                    size = {"width": int(page.shape[1]), "height": int(page.shape[0])}
                return CameraData(format=kind, light=light, **{**size, **_tiff_facts(path)})
            case _:
                with decoding(path, kind), Image.open(path) as image:
                    return CameraData(format=kind, light=False, **_facts(image))
    except (ImageError, tifffile.TiffFileError, OSError, struct.error, IndexError, ValueError):
        return CameraData(format=kind, light=kind in ("RAW", "HDR", "EXR"))


def _facts(image: Image.Image) -> dict[str, Any]:
    """Size and EXIF facts of an opened picture."""
    exif = image.getexif()
    width, height = image.size
    if exif.get(ExifTags.Base.Orientation) in (5, 6, 7, 8):
        width, height = height, width
    return {"width": width, "height": height, **_exif_facts(dict(exif), dict(exif.get_ifd(ExifTags.IFD.Exif)))}


def _exif_facts(first: dict[int, Any], exif: dict[int, Any]) -> dict[str, Any]:
    """Facts of the first directory and the EXIF directory of a picture. Source: EXIF 2.32."""
    base = ExifTags.Base
    make, model = _text(first.get(base.Make)), _text(first.get(base.Model))
    if make and model and model.lower().startswith(make.lower().split()[0]):
        make = ""  # "Canon" and "Canon EOS R5"
    iso = exif.get(base.ISOSpeedRatings, exif.get(base.RecommendedExposureIndex))
    return {
        "exposure_s": _positive(exif.get(base.ExposureTime)),
        "f_number": _positive(exif.get(base.FNumber)),
        "iso": _positive(iso[0] if isinstance(iso, tuple) and iso else iso),
        "taken": _time(exif.get(base.DateTimeOriginal), exif.get(base.SubsecTimeOriginal)),
        "device": f"{make} {model}".strip() or None,
        "lens": _text(exif.get(base.LensModel)) or None,
        "body": _text(exif.get(base.BodySerialNumber)) or None,
    }


def _tiff_facts(path: Path) -> dict[str, Any]:
    """EXIF facts of a TIFF or of camera RAW built like one (DNG, CR2, NEF, ARW, ORF, RW2), without its pixels."""
    with path.open("rb") as file:
        head = file.read(8)
        order = {b"II": b"II*\0", b"MM": b"MM\0*"}.get(head[:2])
        if order is None or len(head) < 8:
            return {}
        directories = []
        offset = struct.unpack("<I" if order == b"II*\0" else ">I", head[4:])[0]
        for _ in range(2):
            directory = TiffImagePlugin.ImageFileDirectory_v2(order + head[4:8])
            file.seek(offset)
            directory.load(file)
            directories.append(dict(directory))
            offset = directories[0].get(ExifTags.IFD.Exif, 0)
            if not isinstance(offset, int) or offset <= 0:
                break
        return _exif_facts(directories[0], directories[1] if len(directories) > 1 else directories[0])


def _raw(path: Path) -> CameraData:
    """Facts of camera RAW: exposure as LibRaw reads it, names from its EXIF where it is built like a TIFF."""
    with decoding(path, "camera RAW"), rawpy.RawPy() as raw:
        raw.open_file(str(path))
        sizes, other, lens = raw.sizes, raw.other, raw.lens
    try:
        named = _tiff_facts(path)
    except (SyntaxError, OSError, struct.error, TypeError, ValueError):  # Pillow's words for a damaged directory
        named = {}
    width, height = sizes.width, sizes.height
    if sizes.flip in (5, 6):  # LibRaw's codes for a quarter turn
        width, height = height, width
    stated = {
        "exposure_s": _positive(other.shutter_speed),
        "f_number": _positive(other.aperture),
        "iso": _positive(other.iso_speed),
        "lens": _text(lens.model) or None,
    }
    known = {**named, **{k: v for k, v in stated.items() if v is not None}}
    if known.get("taken") is None and other.timestamp and other.timestamp.timestamp() > 0:
        known["taken"] = other.timestamp.timestamp()
    return CameraData(format="RAW", light=True, width=width, height=height, **known)


def _hdr_size(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        match = _HDR_SIZE.search(file.read(_HEADER_BYTES))
    if match is None:
        return 0, 0
    first, second = int(match[2]), int(match[3])
    return (second, first) if match[1] == b"Y" else (first, second)


def _exr_size(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    at = head.find(_EXR_WINDOW)
    if at < 0:
        return 0, 0
    left, top, right, bottom = struct.unpack_from("<4i", head, at + len(_EXR_WINDOW))
    return right - left + 1, bottom - top + 1


def _text(value: Any) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return text.replace("\0", " ").strip() if isinstance(text, str) else ""


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _time(value: Any, fraction: Any) -> float | None:
    """ "2024:05:01 10:20:30" and "25" (a quarter of a second) as seconds since 1970, the camera's clock read as UTC."""
    try:
        seconds = datetime.strptime(_text(value), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    digits = _text(fraction)
    return seconds + (int(digits) / 10 ** len(digits) if digits.isdigit() else 0.0)
