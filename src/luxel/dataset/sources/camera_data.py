"""What a picture file says about how it was taken, from its header alone: size, exposure, time, device, lens.

Source of the tags: EXIF 2.32. Where a tag is missing, the others that say the same are asked: APEX values for time and
aperture, the time of digitising or of the file for that of taking, the other sensitivities for ISO, and last the
exposure compensation, which is at least the order of a bracket.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from PIL import ExifTags

from luxel.dataset.sources.nominal import exposure_stops
from luxel.errors import ImageError
from luxel.images.header import Header, read_header
from luxel.images.sniff import sniff

Clock = Literal["taken", "digitised", "file"]
"""Which time a file states: when the shutter opened, when it was digitised, or when the file was last changed."""

_TIME = re.compile(
    r"(\d{4})[:./-](\d\d)[:./-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)?\s*\Z"
)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)\Z")
_SEE_OTHERS = 65535  # ISOSpeedRatings is a SHORT: larger sensitivities stand in the other tags
_CAMERA_SERIAL = 50735  # of DNG


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraData:
    """Facts of one file, None where it does not state them.

    format: as `images.Picture.format`. light: whether the file stores light (EXR, HDR, RAW, float TIFF).
    width, height: pixels, upright; 0 where the header cannot be read. orientation: EXIF's, 1 to 8. exposure_s: shutter
    time in seconds. f_number, iso. compensation: stops that the photographer set off the meter. taken: seconds since
    1970, in UTC where the file states its offset, else by the camera's clock. clock: which time that is. device: make
    and model. lens. body: serial number.
    """

    format: str
    light: bool
    width: int = 0
    height: int = 0
    orientation: int = 1
    exposure_s: float | None = None
    f_number: float | None = None
    iso: float | None = None
    compensation: float | None = None
    taken: float | None = None
    clock: Clock = "taken"
    device: str | None = None
    lens: str | None = None
    body: str | None = None

    @property
    def stops(self) -> float | None:
        """Exposure in stops, up to a constant of the device: log2(time * ISO / f-number^2).

        Without a shutter time the exposure compensation; None without that either. Both kinds have constants of their
        own, so they cannot be compared with each other.
        """
        if self.exposure_s is None:
            return self.compensation
        return exposure_stops(self.exposure_s, self.f_number, self.iso)


def camera_data(path: Path) -> CameraData:
    """Facts of a picture file. Raises ImageError if it is missing, empty or not a picture.

    A damaged header raises nothing here: decoding gives the reason.
    """
    kind = sniff(path)
    try:
        header = read_header(path)
    except ImageError:
        return CameraData(format=kind, light=kind in ("RAW", "HDR", "EXR"))
    facts = _shooting(header.first, header.exif)
    if header.raw is not None:
        raw = header.raw
        stated = {
            "exposure_s": _positive(raw.exposure_s),
            "f_number": _positive(raw.f_number),
            "iso": _positive(raw.iso),
            "lens": raw.lens.strip() or None,
        }
        facts |= {key: value for key, value in stated.items() if value is not None}
        if facts["taken"] is None and raw.taken is not None:
            # LibRaw reads the camera's clock in this machine's time zone.
            facts |= {"taken": raw.taken.replace(tzinfo=UTC).timestamp(), "clock": "taken"}
    return CameraData(**_size(header), **facts)


def _size(header: Header) -> dict[str, Any]:
    return {key: getattr(header, key) for key in ("format", "light", "width", "height", "orientation")}


def _shooting(first: dict[int, Any], exif: dict[int, Any]) -> dict[str, Any]:
    """Facts of the first directory and the EXIF directory of a picture."""
    base = ExifTags.Base
    make, model = _text(first.get(base.Make)), _text(first.get(base.Model))
    if make and model and model.lower().startswith(make.lower().split()[0]):
        make = ""  # "Canon" and "Canon EOS R5"
    taken, clock = _when(first, exif)
    return {
        "exposure_s": _positive(exif.get(base.ExposureTime)) or _power(exif.get(base.ShutterSpeedValue), -1.0),
        "f_number": _positive(exif.get(base.FNumber)) or _power(exif.get(base.ApertureValue), 0.5),
        "iso": _sensitivity(exif),
        "compensation": _number(exif.get(base.ExposureBiasValue)),
        "taken": taken,
        "clock": clock,
        "device": f"{make} {model}".strip() or None,
        "lens": _text(exif.get(base.LensModel)) or None,
        "body": _text(exif.get(base.BodySerialNumber)) or _text(first.get(_CAMERA_SERIAL)) or None,
    }


def _power(apex: Any, factor: float) -> float | None:
    """A time (factor -1) or an f-number (factor 1/2) from its APEX value: 2^(factor * value). EXIF 2.32, annex C."""
    value = _number(apex)
    return 2.0 ** (factor * value) if value is not None and abs(value) < 40 else None


def _sensitivity(exif: dict[int, Any]) -> float | None:
    """ISO of the first tag that states one."""
    base = ExifTags.Base
    for tag in (base.ISOSpeedRatings, base.RecommendedExposureIndex, base.StandardOutputSensitivity, base.ISOSpeed):
        value = exif.get(tag)
        iso = _positive(value[0] if isinstance(value, tuple) and value else value)
        if iso is not None and not (tag == base.ISOSpeedRatings and iso == _SEE_OTHERS):
            return iso
    return None


def _when(first: dict[int, Any], exif: dict[int, Any]) -> tuple[float | None, Clock]:
    """Seconds since 1970 of the first of the three times that is stated, and which it is."""
    base = ExifTags.Base
    candidates: tuple[tuple[Clock, Any, int, int], ...] = (
        ("taken", exif.get(base.DateTimeOriginal), base.SubsecTimeOriginal, base.OffsetTimeOriginal),
        ("digitised", exif.get(base.DateTimeDigitized), base.SubsecTimeDigitized, base.OffsetTimeDigitized),
        ("file", first.get(base.DateTime), base.SubsecTime, base.OffsetTime),
    )
    for clock, text, fraction, offset in candidates:
        seconds = _seconds(text, exif.get(fraction), exif.get(offset))
        if seconds is not None:
            return seconds, clock
    return None, "taken"


def _seconds(value: Any, fraction: Any, offset: Any) -> float | None:
    """Seconds since 1970 of "2024:05:01 10:20:30", "25" (a quarter of a second) and "+02:00" (UTC without it)."""
    found = _TIME.match(_text(value))
    if found is None:
        return None
    try:
        moment = datetime(*map(int, found.groups()[:6]), tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError:
        return None
    zone = _OFFSET.match(found[8] or _text(offset))
    if zone is not None:
        east = timedelta(hours=int(zone[2]), minutes=int(zone[3]))
        moment += east if zone[1] == "-" else -east
    digits = found[7] or _text(fraction)
    return moment.timestamp() + (int(digits) / 10 ** len(digits) if digits.isdecimal() and len(digits) < 10 else 0.0)


def _text(value: Any) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return text.replace("\0", " ").strip() if isinstance(text, str) else ""


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None
