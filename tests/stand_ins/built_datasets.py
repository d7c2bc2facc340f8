"""Small built datasets."""

from collections import Counter
from pathlib import Path

from luxel.dataset.build import SceneOutcome, build_dataset
from luxel.dataset.check.check import check_dataset
from luxel.dataset.folder.manifest import FrameRow, read_manifest
from luxel.dataset.folder.upkeep import BuildSettings
from luxel.dataset.sources.scan import SceneSource
from stand_ins.dataset_scenes import prepare, write_source

SMALL = BuildSettings(short_side=48)


def make(out: Path, sources: list[SceneSource], **more: object) -> list[SceneOutcome]:
    return build_dataset(sources, out, settings=SMALL, prepare=prepare, **more)  # type: ignore[arg-type]


def sources_of(folder: Path, n: int, kind: str = "scene") -> list[SceneSource]:
    return [write_source(folder, f"{kind}{i:02}", i) for i in range(n)]


def rows_of(out: Path) -> list[FrameRow]:
    return read_manifest(out / "manifest.parquet")


def kinds(out: Path) -> Counter[str]:
    return Counter(problem.kind for problem in check_dataset(out).problems)


def times(out: Path) -> dict[str, int]:
    """When each scene was written."""
    return {place.parent.name: place.stat().st_mtime_ns for place in out.glob("scenes/*/scene.json")}
