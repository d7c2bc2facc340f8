"""Text that comes from files and goes to people: on one line, and nothing that a terminal or a spreadsheet acts on."""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_JOINERS = "\u200c\u200d"  # letters of Persian and Indic scripts and emoji need them, and they move nothing


def printable(text: str | os.PathLike[str]) -> str:
    r"""A name or message as text that can go to a terminal: whatever acts there is written as an escape.

    text: a path, or any text. Control characters (ANSI escapes begin with one), line ends, marks that turn the
        direction of writing and other invisible characters become ``\x1b``, ``\n``, ``\u202e``; bytes of a file name
        that are not valid UTF-8 become ``\xff``.

    >>> printable("a\x1b[31mb\nc")
    'a\\x1b[31mb\\nc'
    """
    plain = text if isinstance(text, str) else os.fspath(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(map(_shown, plain))


def csv_cell(value: Any) -> Any:
    """A value for a CSV file that people open: text that a spreadsheet would compute gets an apostrophe before it.

    value: numbers, None and text that is a plain number are returned as they are. Text that begins (after spaces) with
        =, +, -, @, a tab or a line end is a formula to a spreadsheet (CWE-1236).

    >>> csv_cell("=1+2"), csv_cell("-0.5"), csv_cell(-0.5), csv_cell("a.jpg")
    ("'=1+2", '-0.5', -0.5, 'a.jpg')
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}" if value.startswith(_COMPUTED) or value.lstrip().startswith(_COMPUTED) else value


def plain_cell(text: str) -> str:
    """The text that `csv_cell` wrote: without the apostrophe before what a spreadsheet would compute.

    >>> plain_cell("'=1+2"), plain_cell("'quoted'")
    ('=1+2', "'quoted'")
    """
    rest = text.removeprefix("'")
    return rest if csv_cell(rest) != rest else text


def csv_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    r"""Rows as CSV for people: a header line, "\\n" line ends, names printable, no cell that a spreadsheet computes.

    columns: header and order. rows: column -> value; None and absent values are empty cells, floats have all digits.

    >>> csv_table(("file", "score"), [{"file": "=a.jpg", "score": 0.1}])
    "file,score\n'=a.jpg,0.1\n"
    """
    return "".join(csv_lines(columns, rows))


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    r"""The lines of `csv_table`, the header first, each as its row comes.

    columns, rows: as in `csv_table`.

    >>> list(csv_lines(("file", "score"), [{"file": "a.jpg", "score": 0.1}]))
    ['file,score\n', 'a.jpg,0.1\n']
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    yield stream.getvalue()
    for row in rows:
        stream.seek(0)
        stream.truncate()
        writer.writerow({c: csv_cell(printable(v) if isinstance(v, str) else v) for c, v in row.items()})
        yield stream.getvalue()


def _shown(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python keeps it in a file name
        return f"\\x{code - 0xDC00:02x}"
    if character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character
    return character.encode("unicode_escape").decode("ascii") if code < 0xD800 or code > 0xDFFF else f"\\u{code:04x}"
