"""What Hugging Face's `datasets` library reads: a table of frames for each split, and lines of the card's front matter.

`load_dataset(FOLDER)` then gives the pictures, references and maps as images, every other column of the manifest, and
the splits. The library takes a column whose name ends in "_file_name" for the path of an image beside the table. The
tables hold no pixels. Nothing here needs the library.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from luxel.dataset.folder.manifest import FILE_COLUMNS, FrameRow, read_parquet, schema
from luxel.dataset.folder.splits import NAMES
from luxel.errors import DatasetError
from luxel.jobs.atomic import write_file

_MAX_PATTERNS = 30


def split_file(split: str) -> str:
    """The name of a split's table.

    >>> split_file("train")
    'frames-train.parquet'
    """
    return f"frames-{split}.parquet"


def front_matter(rows: Sequence[FrameRow]) -> list[str]:
    """The lines of the card's front matter by which `load_dataset` finds pictures and splits; none without rows.

    rows: of the manifest.

    Each split names the pictures too, since the library tells from them that this is a folder of images, and since a
    hub sends only what is named. They stand first: the library looks at the first ten files.
    """
    splits = _by_split(rows)
    if not splits:
        return []
    pictures = _patterns(rows)
    lines = ["configs:", "- config_name: default", "  metadata_filenames:"]
    lines += [f"  - {split_file(split)}" for split in splits]
    lines.append("  data_files:")
    for split in splits:
        lines += [f"  - split: {split}", "    path:"]
        lines += [f"    - {json.dumps(name)}" for name in (*pictures, split_file(split))]
    return lines


def write_split_files(out: Path, rows: Sequence[FrameRow]) -> None:
    """Writes a table for each split that has frames, and removes that of a split without any. Raises DatasetError."""
    splits = _by_split(rows)
    for split in NAMES:
        place = out / split_file(split)
        if split in splits:
            sink = pyarrow.BufferOutputStream()
            pyarrow.parquet.write_table(_table(splits[split]), sink, compression="zstd")
            write_file(place, sink.getvalue().to_pybytes(), sync=True, error=DatasetError)
            continue
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise DatasetError(
                f"{place}: cannot be removed, but no frame is in this split: {error.strerror}"
            ) from error


def split_file_problems(out: Path, rows: Sequence[FrameRow]) -> Iterator[tuple[str, str]]:
    """File and reason for every split's table that is not what the rows of the manifest give."""
    splits = _by_split(rows)
    for split in NAMES:
        place = out / split_file(split)
        if split not in splits:
            if place.exists():
                yield place.name, "no frame is in this split; run luxel dataset stats"
            continue
        try:
            same = read_parquet(place).equals(_table(splits[split]))
        except Exception as error:  # a damaged Parquet file makes Arrow raise nearly anything
            yield place.name, f"cannot be read ({' '.join(str(error).split())[:160]}); run luxel dataset stats"
            continue
        if not same:
            yield place.name, "differs from the manifest; run luxel dataset stats"


def _by_split(rows: Sequence[FrameRow]) -> dict[str, list[FrameRow]]:
    """Rows by `split`, in the order of `NAMES`; splits without frames are left out."""
    found = {name: [row for row in rows if row.split == name] for name in NAMES}
    return {name: chosen for name, chosen in found.items() if chosen}


def _table(rows: Sequence[FrameRow]) -> Any:
    """The manifest's rows with the columns that name files called as the library expects."""
    names = [f"{name}_file_name" if name in FILE_COLUMNS else name for name in schema().names]
    return pyarrow.Table.from_pylist([asdict(row) for row in rows], schema=schema().remove_metadata()).rename_columns(
        names
    )


def _patterns(rows: Sequence[FrameRow]) -> list[str]:
    """Globs of the files that rows name, and of little else: a scene's folder has pictures for making labels again."""
    names = {Path(str(getattr(row, column))).name for row in rows for column in FILE_COLUMNS if getattr(row, column)}
    stems = {re.sub(r"^([NP]\d+)[a-z]?(\.\w+)?\.png$", r"\1*.png", name) for name in names}
    if len(stems) > _MAX_PATTERNS or not all(re.fullmatch(r"[\w.-]+\*?\.png", stem) for stem in stems):
        return ["scenes/*/*.png"]
    return [f"scenes/*/{stem}" for stem in sorted(stems)]
