"""The frames every method of a benchmark sees: one square size, one list, five scene-disjoint splits.

Pictures and maps are stretched to a square as the paper does (A.3: 256 x 256), once, and kept as arrays on disk that
every process maps into memory.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from luxel.benchmark.facts import BenchmarkTask
from luxel.benchmark.protocol.scored import is_scored, read_scored
from luxel.dataset.folder.manifest import SEEDS
from luxel.dataset.folder.scene_files import read_bytes_image
from luxel.dataset.folder.splits import assign
from luxel.dataset.iea40k.layout import read_frame, read_rows
from luxel.dataset.reference.bracket import LEVELS, frame
from luxel.dataset.reference.reference import make_reference
from luxel.errors import DatasetError, LuxelError
from luxel.photometry import FloatArray, lightness
from luxel.residual import mean_residual_score
from luxel.samples.procedural import procedural_scene
from luxel.samples.store import Plane, Store, StoreLayout, writing_store

PROCEDURAL = "procedural"
"""Data anyone has: scenes drawn by a program, for trying the benchmark out. They say little about photographs."""

PROCEDURAL_SCENES = 30

Wrap = Callable[[Iterable[Any], int], Iterable[Any]]

_PREFIX, _SCORED_PREFIX = "frames-store-", "scored-store-"


@dataclass(frozen=True, slots=True)
class FrameEntry:
    """One frame of the benchmark. score: 0 to 10; splits: "train", "val" or "test" under each of the five seeds."""

    name: str
    group: str
    kind: str
    score: float
    splits: tuple[str, ...]


class FrameStore(Store):
    """The frames of a benchmark, all of one size."""

    layout = StoreLayout("frames", FrameEntry, (Plane("image.u8", np.uint8, 3), Plane("residual.f16", np.float16)))


class ScoredStore(Store):
    """The frames of data that have scores but no maps."""

    layout = StoreLayout("frames", FrameEntry, (Plane("image.u8", np.uint8, 3),))


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames as arrays.

    images: uint8 [N, S, S, 3], sRGB-encoded.
    residuals: float16 [N, S, S] in [-1, 1] (exact to 0.0005), None where the data have scores but no maps.
    entries: one per frame.
    score_source: "map" where the score is 10 * (1 - mean abs r), "given" where people gave it.
    data: name of the data.
    checksum: of the images, maps, scores and splits they were made of.
    """

    images: npt.NDArray[np.uint8]
    residuals: npt.NDArray[np.float16] | None
    entries: tuple[FrameEntry, ...]
    score_source: str
    data: str
    checksum: str

    @property
    def name(self) -> str:
        """Data, side and checksum: rows made on other frames do not stand beside each other."""
        return f"{self.data}, {self.images.shape[1]} px (checksum {self.checksum})"

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """Scores, float64 [N] in [0, 10]."""
        return np.array([entry.score for entry in self.entries])

    @property
    def maps(self) -> npt.NDArray[np.float16]:
        """`residuals` of data that have them. Raises LuxelError for data that have none."""
        if self.residuals is None:
            raise LuxelError(f"{self.data}: has scores but no maps; choose the score task")
        return self.residuals

    def indices(self, split: int, *names: str) -> npt.NDArray[np.int64]:
        """Frames that are in one of the named parts under split number `split`."""
        return np.flatnonzero([entry.splits[split] in names for entry in self.entries])

    def scenes(self, split: int, *names: str) -> tuple[str, ...]:
        """The scene of each frame of `indices`."""
        return tuple(self.entries[i].group for i in self.indices(split, *names))


def prepare_frames(
    data: str, side: int, cache: Path, *, task: BenchmarkTask = "pixel", progress: Wrap | None = None
) -> Path:
    """Writes a dataset's frames as arrays into a folder under `cache` and returns it; nothing to do if it is there.

    The folder is written atomically, so that runs may be killed, or prepare the same frames at the same time.

    data: folder of a built dataset in either layout; "procedural"; or, for the score task, SPAQ's folder, a folder with
        IEA40K's lists and images, or one list (`luxel.benchmark.protocol.scored`).
    side: of the square, in pixels.
    task: what the frames are for; only "score" can do without maps.
    Raises DatasetError for a folder that is not a dataset, has no maps but needs them, or no train or test frames.
    """
    scored = data != PROCEDURAL and is_scored(Path(data))
    if scored and task == "pixel":
        raise DatasetError(f"{data}: has scores but no maps; give --task score, or a dataset with maps")
    place = cache / f"{_SCORED_PREFIX if scored else _PREFIX}{_checksum(data, side)}"
    if place.is_dir():
        return place
    stream, total, score_source = _frames_of(data, side)
    name = data if data == PROCEDURAL else Path(data).resolve().name
    layout = ScoredStore.layout if scored else FrameStore.layout
    with writing_store(place, layout, data=name, score_source=score_source) as writer:
        for entry, image, residual in progress(stream, total) if progress else stream:
            maps = [] if residual is None else [to_square(residual, side).astype(np.float16)]
            writer.add(to_square(image, side), *maps, **asdict(entry))
    return place


def open_frames(place: Path) -> Frames:
    """Frames that `prepare_frames` wrote, mapped into memory. Raises DatasetError for a damaged folder."""
    scored = place.name.startswith(_SCORED_PREFIX)
    store = ScoredStore(place) if scored else FrameStore(place)
    images, *maps = store.stacked()
    names = [field.name for field in fields(FrameEntry)]
    entries = [{name: entry[name] for name in names} | {"splits": tuple(entry["splits"])} for entry in store.entries]
    return Frames(
        images=images,
        residuals=maps[0] if maps else None,
        entries=tuple(FrameEntry(**entry) for entry in entries),
        score_source=store.facts["score_source"],
        data=store.facts["data"],
        checksum=place.name.removeprefix(_SCORED_PREFIX if scored else _PREFIX),
    )


def to_square(plane: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """An image [H, W, 3] or a map [H, W], averaged over the areas of a side x side square; of the same type.

    >>> to_square(np.array([[0.0, 1.0], [1.0, 2.0]]), 1)
    array([[1.]])
    """
    return np.asarray(cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA), plane.dtype)


def _checksum(data: str, side: int) -> str:
    if data == PROCEDURAL:
        content = f"{PROCEDURAL} {PROCEDURAL_SCENES}"
    elif is_scored(Path(data)):  # sizes stand for contents: photographs of many gigabytes would have to be read
        content = "\n".join(
            f"{image.name} {image.group} {image.score} {image.path.stat().st_size}" for image in read_scored(Path(data))
        )
    else:
        rows = read_rows(Path(data))
        content = "\n".join(
            f"{row.name} {row.image_sha256} {row.residual_sha256} {row.score} {row.splits}" for row in rows
        )
    return hashlib.sha256(f"{side}\n{content}".encode()).hexdigest()[:12]


_Frame = tuple[FrameEntry, npt.NDArray[np.uint8], FloatArray | None]
_Stream = tuple[Iterable[_Frame], int, str]


def _frames_of(data: str, side: int) -> _Stream:
    if data == PROCEDURAL:
        return _procedural(side)
    return _scored(Path(data)) if is_scored(Path(data)) else _built(Path(data))


def _scored(data: Path) -> _Stream:
    """Frames without maps. The splits are always five random ones: the paper averages five (A.3)."""
    found = read_scored(data)
    groups = [image.group for image in found]
    splits = _splits_of(data, groups, [("",)] * len(found))

    def stream() -> Iterable[_Frame]:
        for image, split in zip(found, splits, strict=True):
            yield FrameEntry(image.name, image.group, "scored", image.score, split), read_bytes_image(image.path), None

    return stream(), len(found), "given"


def _built(folder: Path) -> _Stream:
    rows = read_rows(folder)
    sources = {row.score_source for row in rows}
    if len(sources) > 1:
        raise DatasetError(f"{folder}: people's scores and scores from maps are mixed; a benchmark needs one kind")
    splits = _splits_of(folder, [row.group for row in rows], [row.splits for row in rows])

    def stream() -> Iterable[_Frame]:
        for row, split in zip(rows, splits, strict=True):
            image, residual, _ = read_frame(folder, row)
            yield FrameEntry(row.name, row.group, row.kind, row.score, split), image, residual

    return stream(), len(rows), sources.pop()


def _splits_of(folder: Path, groups: Sequence[str], stored: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The stored splits of the frames, or ones made by the same rule where the layout has none."""
    if all(all(split) for split in stored):
        splits = list(stored)
    else:
        made = [assign(groups, seed=seed) for seed in range(SEEDS)]
        splits = [tuple(split[group] for split in made) for group in groups]
    for seed in range(SEEDS):
        for name in ("train", "test"):
            if not any(split[seed] == name for split in splits):
                raise DatasetError(f"{folder}: split {seed} has no {name} frames; a benchmark needs at least 3 scenes")
    return splits


def _procedural(side: int) -> _Stream:
    groups = [f"procedural-{i:03d}" for i in range(PROCEDURAL_SCENES)]
    splits = [assign(groups, seed=seed) for seed in range(SEEDS)]

    def stream() -> Iterable[_Frame]:
        for i, group in enumerate(groups):
            linear = procedural_scene(np.random.default_rng(i), height=side, width=side)
            reference = lightness(make_reference(linear).image)
            for level, ev in LEVELS.items():
                image = frame(linear, ev)
                residual = np.asarray(reference - lightness(image), np.float32)
                score = mean_residual_score(residual)
                yield (
                    FrameEntry(f"{group}/{level}", group, PROCEDURAL, score, tuple(s[group] for s in splits)),
                    image,
                    residual,
                )

    return stream(), PROCEDURAL_SCENES * len(LEVELS), "map"
