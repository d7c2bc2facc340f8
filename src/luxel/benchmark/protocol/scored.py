"""Datasets of scores without maps, for the score task (Table 2): SPAQ as published, and the lists of IEA40K.

    SPAQ/                                               IEA40K/
      Annotations/MOS and Image attribute scores.xlsx     train_256.csv valid_256_2ev.csv ...
      TestImage/00001.jpg ...                             IEA_img/SCENE_LEVEL.png (or beside the lists)

SPAQ's spreadsheet has a column `Image name` and one for each judgement of its observers, 0 to 100; that of exposure is
`Brightness`. A CSV saved from it has the same columns. Source: Fang et al., Perceptual Quality Assessment of Smartphone
Photography, CVPR 2020.
"""

import csv
import io
import math
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luxel.dataset.iea40k.layout import COLUMNS, IMAGES, is_released, read_table
from luxel.errors import DatasetError, MissingExtraError, missing_packages
from luxel.jobs.records import read_text, single_name

SPREADSHEET = "MOS and Image attribute scores"
"""Name of SPAQ's list, without .xlsx or .csv."""

ANNOTATIONS, PHOTOS = "Annotations", "TestImage"

NAME_COLUMN, SCORE_COLUMN = "Image name", "Brightness"

SPAQ_TOP = 100.0
"""Top of SPAQ's scale; the benchmark's is 10."""

IEA40K_TOP = 10.0


@dataclass(frozen=True, slots=True)
class ScoredImage:
    """An image and people's score of it.

    path: of the file.
    name: of the image in its dataset.
    group: images of one group show the same scene and are always in one split.
    score: 0 to 10.
    """

    path: Path
    name: str
    group: str
    score: float


def is_scored(data: Path) -> bool:
    """Whether a path is a list of scores, or a folder of images with such a list and no maps."""
    return bool(_lists(data)) and not is_released(data)


def read_scored(data: Path) -> list[ScoredImage]:
    """The images and scores of SPAQ or of IEA40K's lists, in the order of the lists; an image in two lists counts once.

    data: the dataset's folder, or one of its lists (.xlsx or .csv).
    Raises DatasetError for a list that cannot be read, has other columns, no images, a score that is not a number
    on its scale, or a line whose image is missing; MissingExtraError for .xlsx without openpyxl.
    """
    lists = _lists(data)
    if not lists:
        raise DatasetError(f"{data}: no list of scores; give SPAQ's folder or a CSV with {', '.join(COLUMNS)}")
    found: dict[str, ScoredImage] = {}
    for path in lists:
        for image in _spaq(path) if _is_spaq(path) else _iea40k(path):
            held = found.setdefault(image.name, image)
            if held.score != image.score:
                raise DatasetError(f"{path}: {image.name} has the scores {held.score:g} and {image.score:g}; keep one")
    if not found:
        raise DatasetError(f"{data}: its list of scores has no lines")
    return list(found.values())


def _lists(data: Path) -> list[Path]:
    if data.is_file():
        return [data] if data.suffix.lower() in (".csv", ".xlsx") else []
    for folder in (data / ANNOTATIONS, data):
        for suffix in (".xlsx", ".csv"):
            if (path := folder / f"{SPREADSHEET}{suffix}").is_file():
                return [path]
    return [path for path in sorted(data.glob("*.csv")) if set(COLUMNS) <= set(_header(path))]


def _header(path: Path) -> list[str]:
    return next(csv.reader(io.StringIO(read_text(path), newline="")), [])


def _is_spaq(path: Path) -> bool:
    return path.suffix.lower() == ".xlsx" or _column(_header(path), NAME_COLUMN) is not None


def _spaq(path: Path) -> Iterator[ScoredImage]:
    lines = iter(_cells(path))
    header = next(lines, [])
    columns = {wanted: _column(header, wanted) for wanted in (NAME_COLUMN, SCORE_COLUMN)}
    for wanted, index in columns.items():
        if index is None:
            raise DatasetError(
                f"{path}: no column {wanted!r}; it has {', '.join(str(cell) for cell in header if cell)}"
            )
    at_name, at_score = (index for index in columns.values() if index is not None)
    root = path.parent.parent if path.parent.name == ANNOTATIONS else path.parent
    for number, line in enumerate(lines, start=2):
        if not any(cell not in (None, "") for cell in line):
            continue  # spreadsheets end in empty lines
        name, score = (line[index] if index < len(line) else None for index in (at_name, at_score))
        where = f"{path}: line {number}"
        name = single_name(str(name or ""), where=f"{where}: {NAME_COLUMN}")
        image = _image((root / PHOTOS / name, root / name), where)
        yield ScoredImage(image, name, Path(name).stem, _score(score, SPAQ_TOP, where))


def _iea40k(path: Path) -> Iterator[ScoredImage]:
    for number, line in enumerate(read_table(path), start=2):
        where = f"{path}: line {number}"
        image = _image((path.parent / IMAGES / line.img_id, path.parent / line.img_id), where)
        yield ScoredImage(image, line.img_id, Path(line.ref_id).stem, _score(line.score, IEA40K_TOP, where))


def _cells(path: Path) -> Iterable[Sequence[Any]]:
    """The lines of a spreadsheet's first sheet or of a CSV."""
    if path.suffix.lower() == ".csv":
        return csv.reader(io.StringIO(read_text(path), newline=""))
    if missing_packages("spreadsheet"):
        raise MissingExtraError(f"{path}: a spreadsheet", "spreadsheet")
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        return list(book.worksheets[0].iter_rows(values_only=True))
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, IndexError, OSError) as error:
        raise DatasetError(f"{path}: cannot be read as a spreadsheet ({error}); save it as .xlsx again") from error


def _column(header: Sequence[Any], wanted: str) -> int | None:
    names = [str(cell or "").strip().casefold() for cell in header]
    return names.index(wanted.casefold()) if wanted.casefold() in names else None


def _image(places: Sequence[Path], where: str) -> Path:
    for place in places:
        if place.is_file():
            return place
    raise DatasetError(f"{where}: no file named {places[0]}")


def _score(value: Any, top: float, where: str) -> float:
    """A score of 0 to `top` as 0 to 10."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= top:
        raise DatasetError(f"{where}: score {str(value)[:40]!r} is not a number from 0 to {top:g}")
    return number * 10 / top
