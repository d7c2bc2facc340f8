"""Lists of files in files: a path or URL a line, or a column of a CSV or Parquet table."""

import csv
import io
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from luxel.errors import LuxelError, MissingExtraError
from luxel.jobs.remote import is_url, open_url

COLUMNS = ("path", "url", "file", "filename", "image")
"""Columns that are looked for where none is named, the first there is."""

_BATCH = 10_000


def listed(place: str, column: str | None = None) -> Iterator[str]:
    """The paths and URLs of a list, one after the other; it is never in memory as a whole.

    place: a path or URL, "-" for stdin. A name that ends in .csv or .parquet is a table, anything else is text with one
        path or URL a line; empty lines are passed over.
    column: of the table; None for the first of `COLUMNS` that it has.

    Raises LuxelError for a list that cannot be read, or has no such column.
    """
    kind = Path(place).suffix.lower()
    if column is not None and kind not in (".csv", ".parquet"):
        raise LuxelError(f"{place}: is not a .csv or .parquet file; a column of it cannot be read")
    try:
        with closing(_opened(place)) as file:
            if kind == ".parquet":
                yield from _of_parquet(file, place, column)
                return
            text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
            try:
                yield from _of_csv(text, place, column) if kind == ".csv" else _of_text(text)
            finally:
                text.detach()
    except OSError as error:
        raise LuxelError(f"{place}: cannot be read: {error.strerror or error}; give a readable list") from error


def _opened(place: str) -> IO[bytes]:
    if place == "-":
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    return open_url(place) if is_url(place) else Path(place).open("rb")


def _of_text(text: io.TextIOWrapper) -> Iterator[str]:
    for line in text:
        if name := line.rstrip("\r\n"):
            yield name


def _of_csv(text: io.TextIOWrapper, place: str, column: str | None) -> Iterator[str]:
    try:
        rows = csv.reader(text)
        place_of = _chosen(next(rows, []), place, column)
        for row in rows:
            if len(row) > place_of and row[place_of]:
                yield row[place_of]
    except csv.Error as error:
        raise LuxelError(f"{place}: not valid CSV: {error}") from error


def _of_parquet(file: IO[bytes], place: str, column: str | None) -> Iterator[str]:
    if find_spec("pyarrow") is None:
        raise MissingExtraError("reading a list from Parquet", "parquet")
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(file, pre_buffer=False)
        names = table.schema_arrow.names
        chosen = names[_chosen(names, place, column)]
        for batch in table.iter_batches(_BATCH, columns=[chosen], use_threads=False):
            for name in batch.column(0).to_pylist():
                if name is not None and not isinstance(name, str):
                    raise LuxelError(f"{place}: column {chosen} holds {type(name).__name__}, not text")
                if name:
                    yield name
    except pyarrow.ArrowException as error:
        raise LuxelError(f"{place}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def _chosen(names: list[str], place: str, column: str | None) -> int:
    """Place of the column among those of the table."""
    lowered = [name.strip().lower() for name in names]
    for wanted in COLUMNS if column is None else (column.strip().lower(),):
        if wanted in lowered:
            return lowered.index(wanted)
    asked = f"no column {column}" if column is not None else "no column with paths"
    raise LuxelError(f"{place}: has {asked}; its columns: {', '.join(names) or 'none'}; name one with --column")
