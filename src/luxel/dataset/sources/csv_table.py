"""Tables that people write: CSV as spreadsheets save it in any country, read into rows of text.

Separators are commas, semicolons or tabs; the encoding UTF-8 or UTF-16; names of columns are taken without regard to
case and blanks.
"""

import codecs
import csv
import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from luxel.errors import DatasetError

_SEPARATORS = (",", ";", "\t")
_MINUS = str.maketrans(dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-"))
_BLANK = str.maketrans(dict.fromkeys("\u00a0\u2007\u2009\u202f", " "))


@dataclass(frozen=True, slots=True)
class CsvTable:
    """columns: names in lower case, blanks and hyphens as "_". rows: number of the line, and column -> text without
    blanks around it."""

    columns: tuple[str, ...]
    rows: list[tuple[int, dict[str, str]]]


def read_table(path: Path, known: Iterable[str], *, warn: Callable[[str], None] = lambda message: None) -> CsvTable:
    """The table in a CSV file; lines without any text are left out.

    path: of the file.
    known: columns that the caller uses.
    warn: called with one line that names the columns which are not used.
    Raises DatasetError: not readable, no header, a column that comes twice, more fields in a line than in the header.
    """
    known = tuple(known)
    text = _text(path)
    header = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=lambda s: (len(set(map(_column, header.split(s))) & set(known)), header.count(s)))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        lines = [(reader.line_num, [field.translate(_BLANK).strip() for field in row]) for row in reader]
    except csv.Error as error:
        raise DatasetError(f"{path}: cannot be read as CSV: {error}") from error
    lines = [(number, row) for number, row in lines if any(row)]
    columns = [_column(name) for name in lines[0][1]] if lines else []
    if twice := sorted({name for name in columns if name and columns.count(name) > 1}):
        raise DatasetError(f"{path}: has two columns {twice[0]!r}; keep one")
    if unknown := [name for name in columns if name and name not in known]:
        warn(f"{path}: columns that are not used: {', '.join(map(repr, unknown))}; known are {', '.join(known)}")
    rows = []
    for number, row in lines[1:]:
        if any(row[len(columns) :]):
            raise DatasetError(
                f"{path}, line {number}: has {len(row)} fields, the header has {len(columns)}; write decimals with a "
                "point, or put text with a separator in quotes"
            )
        rows.append((number, dict(zip(columns, row + [""] * (len(columns) - len(row)), strict=False))))
    return CsvTable(tuple(columns), rows)


def number_in(text: str) -> float:
    """A number or a fraction as people write it: "-1.5", "1/60", a typographic minus, a decimal comma.

    Returns NaN for what is none, and for a comma that may part thousands as well ("1,250").

    >>> number_in("1/4"), number_in("\u22120,5"), number_in("1,250")
    (0.25, -0.5, nan)
    """
    above, slash, below = text.translate(_MINUS).partition("/")
    try:
        return _decimal(above) / _decimal(below) if slash else _decimal(above)
    except (ValueError, ZeroDivisionError):
        return math.nan


def _decimal(text: str) -> float:
    plain = text.strip()
    whole, comma, decimals = plain.partition(",")
    if not comma:
        return float(plain)
    ambiguous = len(decimals) == 3 and whole.lstrip("+-").strip("0") != ""
    if ambiguous or not decimals.isdecimal() or not whole.lstrip("+-").isdecimal():
        raise ValueError(text)
    return float(f"{whole}.{decimals}")


def _column(name: str) -> str:
    return name.strip().strip('"').strip().lower().replace(" ", "_").replace("-", "_")


def _text(path: Path) -> str:
    """The text of a file in UTF-8 or UTF-16, with or without its mark."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}; give a CSV file") from error
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif data[1:2] == b"\0" or data[:1] == b"\0":
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: cannot be read as CSV: its text is not {encoding}; save it as UTF-8") from error
