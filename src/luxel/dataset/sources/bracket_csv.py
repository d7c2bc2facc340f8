"""`bracket.csv` and `brackets.csv`: frames of brackets and their exposures, written down by a person."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from luxel.dataset.sources.csv_table import number_in, read_table
from luxel.errors import DatasetError
from luxel.jobs.records import inside

BRACKET_FILES = frozenset(("bracket.csv", "brackets.csv"))
COLUMNS = ("file", "scene", "exposure_s", "ev", "f_number", "iso")
"""The columns that are used; only `file` must be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFrame:
    """One line: the file (absolute), and exposure_s in seconds, ev in stops, f_number, iso where given."""

    file: Path
    exposure_s: float | None
    ev: float | None
    f_number: float | None
    iso: float | None


def frames_of_csv(path: Path, *, warn: Callable[[str], None] = lambda message: None) -> dict[str, list[CsvFrame]]:
    """Brackets of a CSV file by name, "" for the only one of a file without a column "scene".

    path: columns as in COLUMNS, files beside the CSV or below it. Numbers may be fractions ("1/60").
    warn: called with one line that names the columns which are not used.
    Raises DatasetError with the line: no column "file", an empty field in it, a file that comes twice, something that
    is not a positive number (ev may be negative). A file that is not there is no error here.
    """
    table = read_table(path, COLUMNS, warn=warn)
    if "file" not in table.columns:
        raise DatasetError(f"{path}: has no column 'file'; it has {', '.join(table.columns) or 'no header'}")
    brackets: dict[str, list[CsvFrame]] = {}
    seen: set[Path] = set()
    for line, row in table.rows:
        where, name = f"{path}, line {line}", row["file"]
        if not name:
            raise DatasetError(f"{where}: the file is empty; name a frame, or remove the line")
        file = _frame(path.parent, name, where)
        if file in seen:
            raise DatasetError(f"{where}: {name!r} appears twice; keep one line for it")
        seen.add(file)
        brackets.setdefault(row.get("scene", ""), []).append(
            CsvFrame(
                file=file,
                exposure_s=_number(row, "exposure_s", where),
                ev=_number(row, "ev", where),
                f_number=_number(row, "f_number", where),
                iso=_number(row, "iso", where),
            )
        )
    if not brackets:
        raise DatasetError(f"{path}: names no frame; add lines or remove the file")
    return brackets


def _frame(folder: Path, name: str, where: str) -> Path:
    """The file of a frame in the folder or below it, whatever the case of its name and the strokes of its path."""
    plain = name.replace("\\", "/")
    file = inside(folder, plain, where=where)
    if not file.is_file():
        file = folder
        for part in PurePosixPath(plain).parts:
            alike = [p for p in file.iterdir() if p.name.casefold() == part.casefold()] if file.is_dir() else []
            exact = [p for p in alike if p.name == part]
            if len(exact or alike) != 1:
                break
            file = (exact or alike)[0]
        file = inside(folder, file.relative_to(folder).as_posix() if file != folder else plain, where=where)
    # One that is not there is a frame that cannot be read: its bracket loses it with that reason, and no other one.
    return file.resolve() if file.is_file() else folder.resolve() / plain


def _number(row: dict[str, str], column: str, where: str) -> float | None:
    """A number or fraction, None for an empty field."""
    text = row.get(column, "")
    if not text:
        return None
    value = number_in(text)
    if not math.isfinite(value) or (value <= 0 and column != "ev"):
        raise DatasetError(
            f"{where}: {column} is {text!r}; give a number{'' if column == 'ev' else ' above 0'}, with a decimal point"
        )
    return value
