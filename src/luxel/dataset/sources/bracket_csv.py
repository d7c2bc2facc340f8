"""`bracket.csv` and `brackets.csv`: frames of brackets and their exposures, written down by a person."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from luxel.errors import DatasetError

BRACKET_FILES = frozenset(("bracket.csv", "brackets.csv"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFrame:
    """One line: the file (absolute), and exposure_s in seconds, ev in stops, f_number, iso where given."""

    file: Path
    exposure_s: float | None
    ev: float | None
    f_number: float | None
    iso: float | None


def frames_of_csv(path: Path) -> dict[str, list[CsvFrame]]:
    """Brackets of a CSV file by name, "" for the only one of a file without a column "scene".

    Columns: file (beside the CSV or below it), exposure_s, and if wanted scene, ev, f_number, iso; others are not
    looked at. Numbers may be fractions ("1/60"). Raises DatasetError with the line: no column "file", an empty or
    missing file, a file that comes twice, something that is not a positive number (ev may be negative).
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            columns = reader.fieldnames or []
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as CSV: {error}") from error
    if "file" not in columns:
        raise DatasetError(f"{path}: has no column 'file'; it has {', '.join(columns) or 'no header'}")
    brackets: dict[str, list[CsvFrame]] = {}
    seen: set[Path] = set()
    for line, row in rows:
        where = f"{path}, line {line}"
        name = (row["file"] or "").strip()
        if not name:
            raise DatasetError(f"{where}: the file is empty; name a frame, or remove the line")
        file = (path.parent / name).resolve()
        if not file.is_file():
            raise DatasetError(f"{where}: {name!r} is not there; write its path from the folder of this file")
        if file in seen:
            raise DatasetError(f"{where}: {name!r} has been given before; keep one line for it")
        seen.add(file)
        brackets.setdefault((row.get("scene") or "").strip(), []).append(
            CsvFrame(
                file=file,
                exposure_s=_number(row.get("exposure_s"), "exposure_s", where),
                ev=_number(row.get("ev"), "ev", where),
                f_number=_number(row.get("f_number"), "f_number", where),
                iso=_number(row.get("iso"), "iso", where),
            )
        )
    if not brackets:
        raise DatasetError(f"{path}: names no frame; add lines or remove the file")
    return brackets


def _number(text: str | None, column: str, where: str) -> float | None:
    """A number or fraction, None for an empty field."""
    plain = (text or "").strip()
    if not plain:
        return None
    above, slash, below = plain.partition("/")
    try:
        value = float(above) / float(below) if slash else float(plain)
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not math.isfinite(value) or (value <= 0 and column != "ev"):
        raise DatasetError(f"{where}: {column} is {plain!r}; give a number{'' if column == 'ev' else ' above 0'}")
    return value
