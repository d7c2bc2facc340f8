"""What the directories of a TIFF file say, walked with bounds: page count, where the picture is, whether it is RAW.

A damaged file can chain its directories in a circle; tifffile 2026.3 follows some of those for ever.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from luxel.images.picture import truncated

_SUBFILE_TYPE, _PHOTOMETRIC, _SUB_DIRECTORIES, _DNG_VERSION = 254, 262, 330, 50706
_BITS, _COMPRESSION, _PREDICTOR, _SAMPLE_FORMAT, _WHITE_LEVEL = 258, 259, 317, 339, 50717
_CROP_ORIGIN, _CROP_SIZE, _BASELINE_EXPOSURE = 50719, 50720, 50730
_WANTED = {
    _SUBFILE_TYPE, _PHOTOMETRIC, _SUB_DIRECTORIES, _DNG_VERSION,
    _BITS, _COMPRESSION, _PREDICTOR, _SAMPLE_FORMAT, _WHITE_LEVEL,
    _CROP_ORIGIN, _CROP_SIZE, _BASELINE_EXPOSURE,
}  # fmt: skip
_FLOAT, _FLOAT_PREDICTORS = 3, {3, 34894, 34895}
_SENSOR_DATA = {32803, 34892}  # colour filter array, linear RAW
_MAX_DIRECTORIES, _MAX_ENTRIES, _MAX_CHILDREN = 1000, 1000, 16
_WITH_CHILDREN = 4  # leading directories whose sub-directories are looked at: RAW files have theirs in the first


@dataclass(frozen=True, slots=True)
class Directories:
    """pages: how many follow each other, counted up to 1000. picture: the first that is not a reduced copy.

    camera_raw: whether one of them holds sensor data.
    float_fault: why LibRaw would render float sensor data wrongly, or None.
    baseline_exposure: stops by which a DNG asks to be brightened, or None.
    default_crop: (left, top, width, height) of the part of a DNG that is the picture, in pixels, counted from the
        corner of the active area; or None.
    """

    pages: int
    picture: int
    camera_raw: bool
    float_fault: str | None = None
    baseline_exposure: float | None = None
    default_crop: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one flavour of TIFF is written: struct formats of a directory's count, of a pointer, and the entry size."""

    count: str
    pointer: str
    entry: int


def survey(path: Path) -> Directories:
    """Walk the chain of directories, and one level of sub-directories. Raises ImageError if there is none to read."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        order = "<" if data[:2] == b"II" else ">"
        big = 43 in (data[2], data[3])
        layout = _Layout(order + "Q", order + "Q", 20) if big else _Layout(order + "H", order + "I", 12)
        seen: set[int] = set()
        reduced: list[bool] = []
        camera_raw = False
        float_fault: str | None = None
        baseline_exposure: float | None = None
        default_crop: tuple[int, int, int, int] | None = None
        try:
            (offset,) = struct.unpack_from(layout.pointer, data, 8 if big else 4)
            while offset and offset not in seen and len(seen) < _MAX_DIRECTORIES:
                seen.add(offset)
                tags, offset = _directory(data, offset, order, layout)
                children = [
                    _directory(data, int(at), order, layout)[0]
                    for at in tags.get(_SUB_DIRECTORIES, [])
                    if len(seen) <= _WITH_CHILDREN
                ]
                camera_raw |= any(_is_sensor_data(t) for t in (tags, *children))
                for directory in (tags, *children):
                    float_fault = float_fault or _float_fault(directory)
                    default_crop = default_crop or _default_crop(directory)
                    if baseline_exposure is None and directory.get(_BASELINE_EXPOSURE):
                        baseline_exposure = float(directory[_BASELINE_EXPOSURE][0])
                reduced.append(bool(int(_first(tags, _SUBFILE_TYPE, 0)) & 1))
        except (struct.error, OverflowError) as error:
            if not reduced:
                raise truncated(path, "TIFF", "the file ends before its first directory") from error
    if not reduced:
        raise truncated(path, "TIFF", "it has no directory")
    picture = reduced.index(False) if False in reduced else 0
    return Directories(len(reduced), picture, camera_raw, float_fault, baseline_exposure, default_crop)


def _first(tags: dict[int, list[float]], tag: int, default: float) -> float:
    values = tags.get(tag, [])
    return values[0] if values else default


def _is_sensor_data(tags: dict[int, list[float]]) -> bool:
    return _DNG_VERSION in tags or not _SENSOR_DATA.isdisjoint(tags.get(_PHOTOMETRIC, []))


def _default_crop(tags: dict[int, list[float]]) -> tuple[int, int, int, int] | None:
    """The part of full-size sensor data that is the picture. Source: DNG 1.7, DefaultCropOrigin, DefaultCropSize."""
    origin, size = tags.get(_CROP_ORIGIN, []), tags.get(_CROP_SIZE, [])
    reduced = int(_first(tags, _SUBFILE_TYPE, 0)) & 1
    if reduced or _SENSOR_DATA.isdisjoint(tags.get(_PHOTOMETRIC, [])) or len(size) != 2 or len(origin) not in (0, 2):
        return None
    left, top, width, height = (round(value) for value in (*(origin or (0, 0)), *size))
    return left, top, width, height


def _float_fault(tags: dict[int, list[float]]) -> str | None:
    """What LibRaw 0.22 gets wrong about float sensor data: half floats become black without a stated white, and
    compressed ones are always decoded by the float predictor."""
    if _SENSOR_DATA.isdisjoint(tags.get(_PHOTOMETRIC, [])) or _first(tags, _SAMPLE_FORMAT, 1) != _FLOAT:
        return None
    bits = _first(tags, _BITS, 32)
    if bits < 32 and _WHITE_LEVEL not in tags:
        return f"{bits:g}-bit float without a white level"
    if _first(tags, _COMPRESSION, 1) != 1 and _first(tags, _PREDICTOR, 1) not in _FLOAT_PREDICTORS:
        return "compressed float without the float predictor"
    return None


def _directory(data: mmap.mmap, offset: int, order: str, layout: _Layout) -> tuple[dict[int, list[float]], int]:
    """The numbers of the tags this page needs, and the offset of the next directory (0: none)."""
    (count,) = struct.unpack_from(layout.count, data, offset)
    if count > _MAX_ENTRIES:
        raise struct.error("too many entries")
    start = offset + struct.calcsize(layout.count)
    tags: dict[int, list[float]] = {}
    for at in range(start, start + count * layout.entry, layout.entry):
        tag, kind = struct.unpack_from(order + "HH", data, at)
        if tag in _WANTED:
            tags[tag] = _values(data, at, kind, order, layout)
    (following,) = struct.unpack_from(layout.pointer, data, start + count * layout.entry)
    return tags, following


def _values(data: mmap.mmap, at: int, kind: int, order: str, layout: _Layout) -> list[float]:
    """At most `_MAX_CHILDREN` numbers of the entry at `at`; [0] for a type that holds none, [] for a quotient by 0."""
    letter = {1: "B", 3: "H", 4: "I", 5: "II", 10: "ii", 13: "I", 16: "Q", 18: "Q"}.get(kind)
    (count,) = struct.unpack_from(layout.pointer, data, at + 4)
    if letter is None or count < 1:
        return [0]
    place = at + 4 + struct.calcsize(layout.pointer)
    if count * struct.calcsize(f"={letter}") > struct.calcsize(layout.pointer):
        (place,) = struct.unpack_from(layout.pointer, data, place)
    stored = struct.unpack_from(f"{order}{letter * min(count, _MAX_CHILDREN)}", data, place)
    if len(letter) == 1:
        return list(stored)
    pairs = list(zip(stored[::2], stored[1::2], strict=True))
    return [] if any(below == 0 for _, below in pairs) else [above / below for above, below in pairs]
