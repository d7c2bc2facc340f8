"""Rows of a run as JSON lines, CSV or Parquet, and in one line."""

import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from luxel import text
from luxel.assessment.journal import Row
from luxel.errors import LuxelError, MissingExtraError, missing_packages
from luxel.jobs.atomic import writing_file
from luxel.text import printable

COLUMNS: dict[str, type] = {
    "path": str,
    "width": int,
    "height": int,
    "score": float,
    "mean_abs_residual": float,
    "over": float,
    "under": float,
    "ev": float,
    "ev_bound": str,
    "threshold": float,
    "weights_name": str,
    "weights_sha256": str,
    "heatmap": str,
    "overlay": str,
    "residual": str,
    "error": str,
}
"""Columns of CSV and Parquet, in order. Every run has all of them, empty where there is no value.

score: [0, 10].
mean_abs_residual: mean |r|, in [0, 1].
over, under: area shares in [0, 1] beyond `threshold`.
ev: advised compensation in stops, empty where nothing can be said.
ev_bound: exact, at least or at most.
heatmap, overlay, residual: files written, relative to the output folder. error: why there is no score.
"""


GROUP_ROWS = 10_000
"""Rows of a Parquet file that are written together."""

_REMEDY = "the rows are safe in results.jsonl"


def flat(row: Row) -> dict[str, Any]:
    """A row as one value (or None) per column of `COLUMNS`."""
    weights, outputs = row.get("weights") or {}, row.get("outputs") or {}
    values = {**row, "weights_name": weights.get("name"), "weights_sha256": weights.get("sha256")}
    values |= {kind: outputs.get(kind) for kind in ("heatmap", "overlay", "residual")}
    values["path"] = printable(row["path"])
    return {column: values.get(column) for column in COLUMNS}


def json_line(row: Row) -> str:
    """A row as one line of ASCII JSON, without line end."""
    return json.dumps(row, allow_nan=False)


def parquet_schema(columns: Mapping[str, type]) -> Any:
    """The pyarrow schema of a table. columns: name -> str, int or float. MissingExtraError without pyarrow."""
    if missing_packages("parquet"):
        raise MissingExtraError("writing Parquet", "parquet")
    import pyarrow

    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    return pyarrow.schema([pyarrow.field(column, kinds[kind]) for column, kind in columns.items()])


def parquet_bytes(columns: Mapping[str, type], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A short table as a Parquet file in memory; long ones are streamed by `ParquetFile`.

    columns: as in `parquet_schema`. rows: column -> value or None.
    """
    schema = parquet_schema(columns)
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    r"""Rows as CSV, line by line as they come: a header, "\n" line ends, all digits, empty cells for no value.

    Text that a spreadsheet would compute has an apostrophe before it (`luxel.text.csv_cell`).
    """
    return text.csv_lines(list(COLUMNS), map(flat, rows))


class TableFile:
    """A table that is written row by row, and appears atomically when the block ends without an error.

    Memory holds no more than `GROUP_ROWS` rows. Raises LuxelError when the disk does not take them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[Path] = []
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        with self._failing():
            self._begin(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abort(error)
            return
        with self._failing():
            self._end()

    def add(self, row: Row) -> None:
        """Write a row."""
        with self._failing():
            self._write(row)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._abort(error)
            raise LuxelError(f"{self.path}: cannot be written: {error.strerror or error}; {_REMEDY}") from error

    def _begin(self, path: Path) -> None:
        self._file = self._opened.enter_context(writing_file(path, sync=True))
        self.files.append(path)

    def _write(self, row: Row) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        self._opened.close()

    def _abort(self, error: BaseException | None) -> None:
        """Nothing of the file that is being written appears."""
        self._opened.__exit__(None if error is None else type(error), error, None)


class CsvFile(TableFile):
    """A CSV file in UTF-8 with the columns of `COLUMNS`."""

    def _begin(self, path: Path) -> None:
        super()._begin(path)
        self._file.write(next(csv_lines([])).encode())

    def _write(self, row: Row) -> None:
        _, line = csv_lines([row])
        self._file.write(line.encode())


class ParquetFile(TableFile):
    """A Parquet file with the columns of `COLUMNS`, or a folder of such files.

    path: of the file or folder.
    part_rows: None for one file; else rows of each part, `path`/part-00000.parquet and so on. Each part appears as soon
        as it is full; parts of an earlier run go first.

    Raises MissingExtraError where pyarrow is not installed.
    """

    def __init__(self, path: Path, part_rows: int | None = None) -> None:
        super().__init__(path)
        self._schema = parquet_schema(COLUMNS)
        self._part_rows = part_rows
        self._waiting: list[dict[str, Any]] = []
        self._rows = 0

    def _begin(self, path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        if self._part_rows is not None:
            if not self.files:
                path.mkdir(exist_ok=True)
                for old in path.glob("part-[0-9][0-9][0-9][0-9][0-9].parquet"):
                    old.unlink()
            path = path / f"part-{len(self.files):05d}.parquet"
        super()._begin(path)
        self._writer = pyarrow.parquet.ParquetWriter(self._file, self._schema, compression="zstd")
        self._rows = 0

    def _write(self, row: Row) -> None:
        if self._rows == self._part_rows:
            self._end()
            self._begin(self.path)
        self._waiting.append(flat(row))
        self._rows += 1
        if len(self._waiting) >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        if self._waiting:
            self._writer.write_table(pyarrow.Table.from_pylist(self._waiting, schema=self._schema))
            self._waiting = []

    def _end(self) -> None:
        self._flush()
        self._writer.close()
        super()._end()

    def _abort(self, error: BaseException | None) -> None:
        with suppress(Exception):  # it would write its end into the closed file later
            self._writer.close()
        super()._abort(error)


class RunSummary:
    """One line about a run: how many pictures, the middle of their scores, how many could not be assessed."""

    def __init__(self) -> None:
        self.failed = 0
        self._scores = array("d")

    def add(self, row: Row) -> None:
        """Count a row."""
        if row["error"]:
            self.failed += 1
        else:
            self._scores.append(row["score"])

    def __len__(self) -> int:
        return self.failed + len(self._scores)

    def __str__(self) -> str:
        parts = [f"{len(self)} picture{'' if len(self) == 1 else 's'}"]
        if self._scores:
            scores = np.frombuffer(self._scores)
            parts.append(f"score median {np.median(scores):.2f}, {scores.min():.2f} to {scores.max():.2f}")
        if self.failed:
            parts.append(f"{self.failed} could not be assessed")
        return "; ".join(parts)


def shared_folder(paths: Sequence[str]) -> str:
    """The deepest folder that holds all of several paths; empty if there is none to name.

    >>> shared_folder(["shoot/a/1.jpg", "shoot/b/2.jpg"])
    'shoot'
    """
    if len(paths) < 2 or len({Path(path).is_absolute() for path in paths}) > 1:
        return ""
    return os.path.commonpath([Path(path).parent for path in paths])
