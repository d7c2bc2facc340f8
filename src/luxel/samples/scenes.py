"""Scenes ready for training: linear light and its reference's lightness, rendered once and memory-mapped.

A store (`luxel.samples.store`) has the planes `linear.f16` and `reference.f16`; its index has name and kind of each.
"""

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from luxel import images
from luxel.dataset.develop import fit_short_side
from luxel.dataset.reference.bracket import metered
from luxel.dataset.reference.reference import HDR_CEILING, PHOTO_CEILING, ZoneRules, make_reference
from luxel.dataset.sources.panorama import ASPECTS, random_view
from luxel.errors import DatasetError
from luxel.jobs.processes import TaskError, ordered_results
from luxel.photometry import FloatArray, as_unit_float, lightness, to_linear
from luxel.samples.procedural import procedural_scene
from luxel.samples.store import Plane, Store, StoreLayout, writing_store

SceneKind = Literal["panorama", "photo", "procedural"]


@dataclass(frozen=True, slots=True)
class StoredScene:
    """One scene: linear [H, W, 3] (1.0 = saturation at EV 0) and the lightness of its reference [H, W] in [0, 1]."""

    name: str
    kind: SceneKind
    linear: npt.NDArray[np.float32]
    reference: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a scene comes from: a file, or for procedural scenes none, and the seed of everything random in it."""

    kind: SceneKind
    file: str
    seed: int


def data_root() -> Path:
    """The folder named by the environment variable LUXEL_DATA; DatasetError if it is not set or not a folder."""
    value = os.environ.get("LUXEL_DATA", "")
    if not value or not Path(value).is_dir():
        raise DatasetError(f"LUXEL_DATA={value!r}: set it to the folder with hdri/ and photos/ (see docs/data.md)")
    return Path(value)


def list_sources(root: Path, split: str, *, views: int, seed: int) -> list[Source]:
    """Sources of a split ("train" or "val"): every photograph once, every panorama `views` times.

    root: folder with hdri/index.csv and photos/index.csv, columns file and split. DatasetError if one is missing.
    """
    sources: list[Source] = []
    for kind, folder, repeat in (("panorama", "hdri", views), ("photo", "photos", 1)):
        index = root / folder / "index.csv"
        if not index.is_file():
            raise DatasetError(f"{index}: no such file; LUXEL_DATA must hold hdri/ and photos/ with their index.csv")
        with index.open(newline="") as handle:
            files = [row["file"] for row in csv.DictReader(handle) if row["split"] == split]
        for file in files:
            name = f"{folder}/{file}"
            for view in range(repeat):
                digest = hashlib.sha256(f"{seed}/{name}/{view}".encode()).digest()
                sources.append(Source(kind, name, int.from_bytes(digest[:4], "big")))  # type: ignore[arg-type]
    return sources


def load_scene(source: Source, root: Path, *, short_side: int, rules: ZoneRules = ZoneRules()) -> StoredScene:
    """Linear light of a source and its reference, short side `short_side`; everything random comes from its seed."""
    rng = np.random.default_rng(source.seed)
    if source.kind == "photo":
        image = as_unit_float(images.read(root / source.file).pixels)
        linear, ceiling, name = fit_short_side(to_linear(image), short_side), PHOTO_CEILING, source.file
    else:
        aspect = ASPECTS[rng.integers(len(ASPECTS))]
        height, width = round(short_side * max(1, 1 / aspect)), round(short_side * max(1, aspect))
        if source.kind == "panorama":
            panorama = images.read_linear(root / source.file)
            view, camera = random_view(panorama, rng, height=height, width=width)
            linear = metered(view) * np.float32(2.0 ** rng.normal(0, 0.4))
            name = f"{source.file}@{camera['yaw']:.0f},{camera['pitch']:.0f},{camera['fov']:.0f}"
        else:
            linear, name = procedural_scene(rng, height=height, width=width), f"procedural-{source.seed}"
        ceiling = HDR_CEILING
    reference = make_reference(linear, rules, ceiling=ceiling)
    return StoredScene(name, source.kind, linear, lightness(reference.image))


def _load(job: tuple[Source, Path, int, ZoneRules]) -> StoredScene:
    cv2.setNumThreads(1)
    source, root, short_side, rules = job
    return load_scene(source, root, short_side=short_side, rules=rules)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a store's index says of a scene."""

    name: str
    kind: SceneKind


class SceneStore(Store):
    """Scenes of a store folder: store[i] -> StoredScene, in float32 made of the stored float16."""

    layout = StoreLayout("scenes", _Facts, (Plane("linear.f16", np.float16, 3), Plane("reference.f16", np.float16)))

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.kinds: list[SceneKind] = [entry["kind"] for entry in self.entries]
        self.names: list[str] = [entry["name"] for entry in self.entries]

    def window(self, i: int, rows: slice, columns: slice) -> tuple[FloatArray, FloatArray]:
        """A window of scene i: linear light [h, w, 3] and reference lightness [h, w], float32."""
        linear, reference = self.planes(i, rows, columns)
        return linear.astype(np.float32), reference.astype(np.float32)

    def __getitem__(self, i: int) -> StoredScene:
        linear, reference = self.window(i, slice(None), slice(None))
        return StoredScene(self.names[i], self.kinds[i], linear, reference)


def render_store(
    folder: Path,
    sources: list[Source],
    root: Path,
    *,
    short_side: int,
    rules: ZoneRules = ZoneRules(),
    jobs: int = 1,
    progress: Callable[[Iterable[StoredScene], int], Iterable[StoredScene]] | None = None,
) -> SceneStore:
    """Render every source into a store, or open the store that is already there for the same sources and settings.

    jobs: processes (spawned: the RAW reader deadlocks in forked ones). progress: wraps the stream of scenes, given
    their number, to show a bar. The folder's name gets a fingerprint, so other settings make another store.
    """
    settings = {"sources": [asdict(s) for s in sources], "short_side": short_side, "rules": asdict(rules), "version": 3}
    fingerprint = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    final = folder / f"scenes-{fingerprint}"
    if final.is_dir():
        return SceneStore(final)
    work = [(source, root, short_side, rules) for source in sources]
    stream: Iterable[StoredScene] = _stream(work, jobs)
    with writing_store(final, SceneStore.layout, settings=settings) as writer:
        for scene in progress(stream, len(work)) if progress else stream:
            # float16 ends at 65504; no sensor sees further above saturation.
            linear = np.minimum(scene.linear, 60000).astype(np.float16)
            writer.add(linear, scene.reference.astype(np.float16), name=scene.name, kind=scene.kind)
    return SceneStore(final)


def _stream(work: list[tuple[Source, Path, int, ZoneRules]], jobs: int) -> Iterator[StoredScene]:
    for job, scene in zip(work, ordered_results(work, _loader, jobs=jobs), strict=True):
        if isinstance(scene, TaskError):
            raise DatasetError(f"{job[0].file or 'procedural scene'}: {scene.reason}")
        yield scene


def _loader() -> Callable[[tuple[Source, Path, int, ZoneRules]], StoredScene]:
    cv2.setNumThreads(1)
    return _load
