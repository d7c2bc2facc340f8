"""Checking a dataset, in our layout or the released one: every problem is found and named, none stops the search."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel import images
from luxel.dataset.check.problems import (
    SCORE_TOLERANCE,
    CheckResult,
    Problem,
    difference_hash,
    near_duplicates,
    read_pixels,
)
from luxel.dataset.folder.card import CARD
from luxel.dataset.folder.coverage import COVERAGE
from luxel.dataset.folder.croissant import CROISSANT, croissant_problem
from luxel.dataset.folder.hub import split_file_problems
from luxel.dataset.folder.manifest import (
    DATASET,
    MANIFEST,
    SCENE,
    SEEDS,
    FrameRow,
    read_manifest,
    read_scene,
    scene_folder,
    scenes_of,
)
from luxel.dataset.folder.scene_files import SceneLabels, read_blocks, reference_of
from luxel.dataset.folder.splits import NAMES, leaks
from luxel.dataset.folder.upkeep import BuildSettings, dataset_record, settings_of
from luxel.dataset.iea40k import layout
from luxel.dataset.iea40k.check_released import check_released
from luxel.dataset.labels.layers import Layer, expert_maps, read_layers
from luxel.dataset.sources.taxonomy import AXES, NAMES_FILE, load_taxonomy, taxonomy_file
from luxel.errors import DatasetError, ImageError, LuxelError
from luxel.jobs.atomic import leftovers
from luxel.photometry import Mask
from luxel.residual import mean_residual_score
from luxel.residual_files import SCALE, decode_residual

CODE_TOLERANCE = 1
"""Codes of a 16-bit map by which it may differ from what its files give: rounding on another processor."""

SceneProgress = Callable[[str], None]


def check_dataset(
    folder: Path, tables: Sequence[Path] = (), *, jobs: int = 1, progress: SceneProgress = lambda scene: None
) -> CheckResult:
    """Checks every file of a dataset in either layout.

    tables: CSV files of a released dataset, where they are not in its folder. jobs: threads. progress: called with each
    scene's name when it is done. Raises DatasetError only where there is no dataset at all.
    """
    if (folder / DATASET).exists() or (folder / MANIFEST).exists():
        return _check_luxel(folder, jobs, progress)
    if layout.is_released(folder):
        return check_released(folder, tables, jobs, progress)
    released = f"{layout.IMAGES}/, {layout.MAPS}/"
    raise DatasetError(f"{folder}: neither a luxel dataset ({DATASET}) nor the released layout ({released})")


def _check_luxel(folder: Path, jobs: int, progress: SceneProgress) -> CheckResult:
    result = CheckResult("luxel")
    problems = result.problems
    settings = BuildSettings()
    try:
        record = dataset_record(folder)
        settings = settings_of(folder)
    except DatasetError as error:
        problems.append(Problem("dataset", DATASET, str(error)))
        record = {}
    try:
        rows = read_manifest(folder / MANIFEST)
    except DatasetError as error:
        problems.append(Problem("manifest", MANIFEST, str(error)))
        return result
    scenes = scenes_of(rows)
    result.scenes, result.frames = len(scenes), len(rows)
    problems += _check_rows(rows)
    problems += _check_tags(folder, scenes)
    problems += _check_folders(folder, scenes, None if record.get("imported") else settings.fingerprint())
    hashes: dict[str, Mask] = {}
    work = partial(_check_scene, folder, settings=settings)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for scene, (found, bits) in zip(scenes, pool.map(work, scenes.values()), strict=True):
            problems += found
            if bits is not None:
                hashes[scene] = bits
            progress(scene)
    problems += _check_duplicates(scenes, hashes)
    problems += _check_layers(folder, {row.name for row in rows})
    for name in (CARD, CROISSANT, COVERAGE):
        if not (folder / name).is_file():
            problems.append(Problem("missing", name, "is not there; run luxel dataset stats"))
    if (folder / CROISSANT).is_file() and (reason := croissant_problem(folder)):
        problems.append(Problem("metadata", CROISSANT, reason))
    problems += [Problem("metadata", name, reason) for name, reason in split_file_problems(folder, rows)]
    return result


def _check_rows(rows: Sequence[FrameRow]) -> Iterator[Problem]:
    """What the manifest alone can have wrong."""
    for name, count in Counter(row.name for row in rows).items():
        if count > 1:
            yield Problem("manifest", name, f"{count} rows have this scene and level")
    for row in rows:
        for column, split in (("split", row.split), *((f"split_{i}", row.splits[i]) for i in range(SEEDS))):
            if split not in NAMES:
                yield Problem("split", row.name, f"{column} is {split!r}, not one of {', '.join(NAMES)}")
        if not 0 <= row.score <= 10:
            yield Problem("score", row.name, f"score {row.score:g} is outside 0 ... 10")
    for column, name, splits in leaks(rows):
        yield Problem("split-leak", name, f"is in {' and '.join(splits)} of {column}")


def _check_tags(folder: Path, scenes: dict[str, list[FrameRow]]) -> Iterator[Problem]:
    """Tags against the dataset's table of names."""
    try:
        taxonomy = load_taxonomy(taxonomy_file(folder))
    except DatasetError as error:
        yield Problem("taxonomy", NAMES_FILE, str(error))
        return
    for scene, rows in scenes.items():
        for axis in AXES:
            for tag in sorted({str(getattr(row, axis)) for row in rows} - {"", *taxonomy.names(axis)}):
                yield Problem("tag", scene, f"{axis} {tag!r} is not in {NAMES_FILE}; add it, or correct the tag")


def _check_folders(folder: Path, scenes: dict[str, list[FrameRow]], fingerprint: str | None) -> Iterator[Problem]:
    """Scene folders against the manifest."""
    on_disk = {place.parent.name for place in (folder / "scenes").glob(f"[!.]*/{SCENE}")}
    for scene in sorted(on_disk - scenes.keys()):
        yield Problem("manifest", scene, "this scene is on disk but not in the manifest; run luxel dataset split")
    for leftover in leftovers(folder / "scenes"):
        yield Problem("leftover", leftover.name, "half a scene of a killed build; run the build again")
    for scene, rows in scenes.items():
        place = scene_folder(folder, scene)
        if scene not in on_disk:
            yield Problem("missing", f"{scene}/{SCENE}", "is not there; build this scene again")
            continue
        try:
            _, facts, stored = read_scene(place)
        except DatasetError as error:
            yield Problem("scene", scene, str(error))
            continue
        if _without_splits(stored) != _without_splits(rows):
            yield Problem("manifest", scene, f"its rows differ from its {SCENE}; run luxel dataset split")
        if fingerprint is not None and facts.fingerprint != fingerprint:
            yield Problem("settings", scene, "was built with other settings than the dataset; run the build again")


def _without_splits(rows: Sequence[FrameRow]) -> dict[str, dict[str, Any]]:
    return {row.name: {k: v for k, v in asdict(row).items() if not k.startswith("split")} for row in rows}


def _check_scene(
    folder: Path, rows: Sequence[FrameRow], *, settings: BuildSettings
) -> tuple[list[Problem], Mask | None]:
    """All frames of one scene, and the hash of its reference for finding duplicates."""
    problems: list[Problem] = []
    first = rows[0]
    reference = read_pixels(folder, first.reference, np.uint8, problems, sha256=first.reference_sha256 or "")
    if reference is not None:
        problems += _check_size(first.reference, reference, first)
    labels = None
    try:
        labels = SceneLabels(folder, scene_folder(folder, first.scene_id), settings.rules)
        if reference is not None and first.flags is not None:
            problems += _check_reference(folder, first, reference, settings)
    except LuxelError as error:
        if reference is not None:  # else it was said above
            problems.append(Problem("unreadable", first.scene_id, str(error)))
    for row in rows:
        image = read_pixels(folder, row.image, np.uint8, problems, sha256=row.image_sha256 or "")
        codes = read_pixels(folder, row.residual, np.uint16, problems, sha256=row.residual_sha256 or "")
        confidence = read_pixels(folder, row.confidence, np.uint8, problems, sha256=row.confidence_sha256 or "")
        flags = read_pixels(folder, row.flags, np.uint8, problems, sha256=row.flags_sha256 or "")
        named = ((row.image, image), (row.residual, codes), (row.confidence, confidence), (row.flags, flags))
        wrong = [p for file, array in named if file and array is not None for p in _check_size(file, array, row)]
        problems += wrong
        if codes is None:
            continue
        codes = codes[..., 0]
        if not codes.all():
            problems.append(
                Problem("range", row.residual, f"{np.sum(codes == 0)} pixels have code 0, which is not a value")
            )
        problems += _check_score(row, decode_residual(codes))
        if labels is not None and image is not None and not wrong:
            problems += _check_label(row, labels, codes, confidence, flags)
    return problems, None if reference is None else difference_hash(reference)


def _check_reference(
    folder: Path, row: FrameRow, reference: npt.NDArray[np.uint8], settings: BuildSettings
) -> Iterator[Problem]:
    """The stored reference against what fused picture, blocks and zone decisions give."""
    made = reference_of(scene_folder(folder, row.scene_id), settings.zones, row.kind)
    if made.shape != reference.shape or np.abs(made.astype(np.int16) - reference).max() > 1:
        message = "is not what its zone decisions give; run luxel dataset reference"
        yield Problem("reference", row.reference, message)


def _check_size(file: str, array: npt.NDArray[Any], row: FrameRow) -> Iterator[Problem]:
    if array.shape[:2] != (row.height, row.width):
        yield Problem("size", file, f"is {array.shape[:2]}, its row says {(row.height, row.width)}")


def _check_score(row: FrameRow, residual: npt.NDArray[np.float32]) -> Iterator[Problem]:
    if row.score_source == "map" and abs(row.score - (score := mean_residual_score(residual))) > SCORE_TOLERANCE:
        yield Problem("score", row.name, f"is {row.score:.2f}, its map gives {score:.2f}")


def _check_label(
    row: FrameRow, labels: SceneLabels, codes: npt.NDArray[Any], confidence: Any, flags: Any
) -> Iterator[Problem]:
    """The stored maps against what reference, image, rules and layers give."""
    try:
        label, experts, _ = labels.label(row)  # layers that cannot be merged are named once, by _check_layers
    except LuxelError as error:
        yield Problem("label", row.name, str(error))
        return
    stored = decode_residual(codes)
    off = np.abs(stored - label.residual) > (CODE_TOLERANCE + 0.5) / SCALE
    if off.any():
        largest = float(np.abs(stored - label.residual)[off].max())
        cause = "reference minus image, rules and layers"
        if tuple(name for name in row.experts.split(";") if name) != experts:
            cause += " (its layers changed: run luxel dataset label)"
        yield Problem("label", row.residual, f"{off.sum()} pixels differ by up to {largest:.3f} from {cause}")
    if flags is not None and (flags[..., 0] != label.flags).any():
        yield Problem("label", str(row.flags), "differs from what rules and layers give")
    if confidence is not None and np.abs(confidence[..., 0] - label.confidence * 255).max() > 1:
        yield Problem("label", str(row.confidence), "differs from what the evidence gives")


def _check_duplicates(scenes: dict[str, list[FrameRow]], hashes: dict[str, Mask]) -> Iterator[Problem]:
    same = defaultdict(list)
    for scene, rows in scenes.items():
        same[rows[0].reference_sha256].append(scene)
    equal = {tuple(sorted(names)) for sha, names in same.items() if sha and len(names) > 1}
    for names in sorted(equal):
        yield Problem("duplicate", names[0], f"has the same reference, byte for byte, as {', '.join(names[1:])}")
    for a, b, bits in near_duplicates(hashes):
        if not any(a in names and b in names for names in equal) and scenes[a][0].group != scenes[b][0].group:
            yield Problem("duplicate", a, f"its reference looks like that of {b} ({bits} of 256 bits differ)")


def _check_layers(folder: Path, frames: Iterable[str]) -> Iterator[Problem]:
    known = set(frames)
    for place in sorted((folder / "layers").glob("*/*")):
        name = f"{place.parent.name}/{place.name}"
        if name not in known:
            yield Problem("layer", name, "layers of a frame that the dataset does not have")
            continue
        try:
            layers = read_layers(place)
        except DatasetError as error:
            yield Problem("layer", name, str(error))
            continue
        yield from _unmergeable(folder, name, layers)


def _unmergeable(folder: Path, name: str, layers: Sequence[Layer]) -> Iterator[Problem]:
    scene, level = name.split("/")
    place = scene_folder(folder, scene)
    try:
        shape = images.read(place / f"{level}.png").pixels.shape[:2]
        blocks = read_blocks(place, shape)
    except ImageError:
        return  # the frame itself is broken, which is said elsewhere
    for layer in layers:
        try:
            expert_maps(np.zeros(shape, dtype=np.float32), [layer], blocks)
        except DatasetError as error:
            yield Problem("layer", name, str(error))
