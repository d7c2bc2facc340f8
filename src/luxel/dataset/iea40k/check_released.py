"""Checking a dataset in the released IEA40K layout.

Where luxel wrote it (`luxel.json`), maps and scores are proved against the pictures. The authors' own labels and scores
hold people's changes, which nothing stored explains: there only range, size and sign are checked, and a note says so.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.dataset.check.problems import (
    SCORE_TOLERANCE,
    CheckResult,
    Problem,
    difference_hash,
    near_duplicates,
    read_pixels,
)
from luxel.dataset.folder.manifest import row_file
from luxel.dataset.iea40k import layout
from luxel.errors import DatasetError
from luxel.photometry import Mask, lightness
from luxel.residual import mean_residual_score

RELEASED_TOLERANCE = 0.6 / layout.MAP_SCALE
"""Residual by which our map in the released layout may differ from reference minus image: half a step, and rounding."""


def check_released(
    folder: Path, tables: Sequence[Path] = (), jobs: int = 1, progress: Callable[[str], None] = lambda scene: None
) -> CheckResult:
    """Checks every file of a dataset in the released layout; parameters as `check.check`."""
    result = CheckResult("released")
    problems = result.problems
    lines: list[layout.ReleasedRow] = []
    try:
        found = layout.find_tables(folder, tables)
        ours = layout.written_by_luxel(folder)
    except DatasetError as error:
        problems.append(Problem("manifest", str(folder), str(error)))
        return result
    for table in found:
        try:
            rows = layout.read_table(table)
        except DatasetError as error:
            problems.append(Problem("manifest", table.name, str(error)))
            continue
        for img_id, count in Counter(row.img_id for row in rows).items():
            if count > 1:
                problems.append(Problem("manifest", table.name, f"{img_id} is in {count} lines"))
        lines += rows
    problems += _check_lists(lines)
    frames = {row.img_id: row for row in lines}
    scenes: dict[str, list[layout.ReleasedRow]] = {}
    for row in frames.values():
        scenes.setdefault(row.ref_id, []).append(row)
    result.scenes, result.frames = len(scenes), len(frames)
    hashes: dict[str, Mask] = {}
    work = partial(_check_released_scene, folder, ours=ours)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for scene, (trouble, bits) in zip(scenes, pool.map(work, scenes.values()), strict=True):
            problems += trouble
            if bits is not None:
                hashes[scene] = bits
            progress(scene)
    for a, b, bits_apart in near_duplicates(hashes):
        problems.append(
            Problem("duplicate", a, f"its reference looks like that of {b} ({bits_apart} of 256 bits differ)")
        )
    if not ours:
        result.notes.append("no luxel.json: scores and maps are the authors' and were not compared with the pictures")
    return result


def _check_lists(lines: Sequence[layout.ReleasedRow]) -> Iterator[Problem]:
    """What the lists alone can have wrong."""
    splits: dict[str, set[str]] = defaultdict(set)
    scores: dict[str, set[float]] = defaultdict(set)
    references: dict[str, set[str]] = defaultdict(set)
    for row in lines:
        splits[row.ref_id].add(row.split)
        scores[row.img_id].add(row.score)
        references[row.img_id].add(row.ref_id)
        if not 0 <= row.score <= 10:
            yield Problem("score", row.img_id, f"score {row.score:g} in {row.table.name} is outside 0 ... 10")
    for scene, names in sorted(splits.items()):
        if len(names - {""}) > 1:
            yield Problem("split-leak", scene, f"is in {' and '.join(sorted(names - {''}))}")
    for img_id, values in sorted(scores.items()):
        if len(values) > 1:
            yield Problem("score", img_id, f"has several scores: {', '.join(f'{v:g}' for v in sorted(values))}")
    for img_id, names in sorted(references.items()):
        if len(names) > 1:
            yield Problem("manifest", img_id, f"has several references: {', '.join(sorted(names))}")


def _check_released_scene(
    folder: Path, rows: Sequence[layout.ReleasedRow], *, ours: dict[str, Any]
) -> tuple[list[Problem], Mask | None]:
    problems: list[Problem] = []
    reference = read_pixels(folder, f"{layout.REFERENCES}/{rows[0].ref_id}", np.uint8, problems)
    for row in rows:
        name = f"{layout.IMAGES}/{row.img_id}"
        image = read_pixels(folder, name, np.uint8, problems)
        place = layout.map_path(folder, row.img_id)
        relative = place.relative_to(folder).as_posix()
        if not place.is_file():
            problems.append(Problem("missing", relative, "is not there"))
            continue
        try:
            residual = layout.read_map(row_file(folder, relative))
        except DatasetError as error:
            problems.append(Problem("unreadable" if "cannot be read" in str(error) else "range", relative, str(error)))
            continue
        square = (layout.SIDE, layout.SIDE)
        sizes = [array.shape[:2] for array in (image, reference) if array is not None]
        if residual.shape != square and any(size != residual.shape for size in sizes):
            problems.append(Problem("size", relative, f"is {residual.shape}, picture and reference are {sizes}"))
            continue
        if ours.get("scores") == "map" and abs(row.score - (score := mean_residual_score(residual))) > SCORE_TOLERANCE:
            problems.append(Problem("score", row.img_id, f"is {row.score:.2f}, its map gives {score:.2f}"))
        if image is None or reference is None:
            continue
        problems += _check_released_map(row, relative, residual, image, reference, ours)
    return problems, None if reference is None else difference_hash(reference)


def _check_released_map(
    row: layout.ReleasedRow,
    place: str,
    residual: npt.NDArray[np.float32],
    image: npt.NDArray[np.uint8],
    reference: npt.NDArray[np.uint8],
    ours: dict[str, Any],
) -> Iterator[Problem]:
    """A map against its pictures: exactly where luxel wrote it, else only for the sign."""
    image, reference = (
        array if array.shape[:2] == residual.shape else layout.stretch(array, residual.shape)
        for array in (image, reference)
    )
    measured = lightness(reference) - lightness(image)
    if ours.get("labels") == "residual":
        off = int((np.abs(residual - measured) > RELEASED_TOLERANCE).sum())
        explained = int(ours.get("explained", {}).get(Path(row.img_id).stem, 0))
        if off > explained:
            largest = float(np.abs(residual - measured).max())
            message = (
                f"{off} pixels differ by up to {largest:.3f} from reference minus image, {explained} are explained"
            )
            yield Problem("label", place, message)
        return
    sizes = float(np.sqrt((measured**2).sum() * (residual**2).sum()))
    if sizes > 1e-3 * residual.size and (cosine := float((measured * residual).sum()) / sizes) < -0.5:
        message = f"looks negated: its cosine with reference minus image is {cosine:.2f}"
        yield Problem("label", place, message)
