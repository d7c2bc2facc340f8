"""Rows of a run as JSON lines, CSV or Parquet, and in one line."""

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from luxel.assessment.journal import Row
from luxel.errors import MissingExtraError, missing_packages
from luxel.jobs.atomic import write_file
from luxel.text import csv_table, printable

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


def csv_text(rows: Sequence[Row]) -> str:
    r"""Rows as CSV with a header line, "\n" line ends; numbers with all their digits, empty cells for no value.

    Text that a spreadsheet would compute has an apostrophe before it (`luxel.text.csv_cell`).
    """
    return csv_table(list(COLUMNS), map(flat, rows))


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Writes `csv_text` in UTF-8, atomically. Raises LuxelError when it cannot be written."""
    write_file(path, csv_text(rows), sync=True, remedy=_REMEDY)


def write_parquet(rows: Sequence[Row], path: Path) -> None:
    """Writes one Parquet file with the columns of `COLUMNS`, atomically.

    Raises LuxelError as `write_csv` does, MissingExtraError where pyarrow is not installed.
    """
    if missing_packages("parquet"):
        raise MissingExtraError("writing Parquet", "parquet")
    import pyarrow
    import pyarrow.parquet

    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([pyarrow.field(column, kinds[kind]) for column, kind in COLUMNS.items()])
    table = pyarrow.Table.from_pylist([flat(row) for row in rows], schema=schema)
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    write_file(path, sink.getvalue().to_pybytes(), sync=True, remedy=_REMEDY)


def summary(rows: Sequence[Row]) -> str:
    """One line about a run: how many pictures, the middle of their scores, how many could not be assessed."""
    scores = [row["score"] for row in rows if not row["error"]]
    failed = len(rows) - len(scores)
    parts = [f"{len(rows)} picture{'' if len(rows) == 1 else 's'}"]
    if scores:
        parts.append(f"score median {statistics.median(scores):.2f}, {min(scores):.2f} to {max(scores):.2f}")
    if failed:
        parts.append(f"{failed} could not be assessed")
    return "; ".join(parts)


def shared_folder(paths: Sequence[str]) -> str:
    """The deepest folder that holds all of several paths; empty if there is none to name.

    >>> shared_folder(["shoot/a/1.jpg", "shoot/b/2.jpg"])
    'shoot'
    """
    if len(paths) < 2 or len({Path(path).is_absolute() for path in paths}) > 1:
        return ""
    return os.path.commonpath([Path(path).parent for path in paths])
