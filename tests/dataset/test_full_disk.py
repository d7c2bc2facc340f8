"""A disk that fills up at any point of a build: one line says so, and with space again the same build ends sound."""

from pathlib import Path

import numpy as np
import pytest

from luxel.dataset.build import SceneOutcome, build_dataset
from luxel.dataset.check.check import check_dataset
from luxel.dataset.folder.manifest import read_manifest
from luxel.dataset.folder.upkeep import BuildSettings
from luxel.dataset.sources.scan import SceneSource
from luxel.errors import DatasetError
from luxel.jobs.atomic import leftovers
from stand_ins.dataset_scenes import prepare, write_source
from stand_ins.full_disk import Disk

SMALL = BuildSettings(short_side=48)
POINTS = [*sorted(np.random.default_rng(0).uniform(0, 1, 7)), 0.0, 0.97, 0.999]
"""Where the disk is full, as a share of what a build writes; the last ones in the files of the whole dataset."""


def make(out: Path, sources: list[SceneSource], disk: Disk) -> list[SceneOutcome]:
    with disk.used():
        return build_dataset(sources, out, settings=SMALL, prepare=prepare)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[SceneSource]:
    folder = tmp_path_factory.mktemp("in")
    return [write_source(folder, f"scene{i:02}", i) for i in range(2)]


@pytest.fixture(scope="module")
def whole(sources: list[SceneSource], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The dataset as it must be, and how many bytes its build writes."""
    out, disk = tmp_path_factory.mktemp("whole") / "data", Disk(np.inf)
    make(out, sources, disk)
    assert disk.written > 0.9 * sum(file.stat().st_size for file in out.rglob("*.*"))  # it sees what is written
    return out, disk.written


@pytest.mark.parametrize("share", POINTS)
def test_a_build_resumes_after_the_disk_was_full(
    share: float, sources: list[SceneSource], whole: tuple[Path, int], tmp_path: Path
) -> None:
    out, (pristine, needed) = tmp_path / "data", whole
    with pytest.raises(DatasetError, match="No space left on device") as caught:
        make(out, sources, Disk(share * needed))
    assert "\n" not in str(caught.value)
    standing = {place.parent.name for place in out.glob("scenes/*/scene.json")}
    assert not [place for folder in [out, *out.rglob("*/")] for place in leftovers(folder)]
    outcomes = make(out, sources, Disk(np.inf))
    assert {outcome.scene_id: outcome.state for outcome in outcomes} == {
        source.scene_id: "kept" if source.scene_id in standing else "built" for source in sources
    }
    assert check_dataset(out).problems == []
    for row in read_manifest(pristine / "manifest.parquet"):
        for file in (row.image, row.reference, row.residual, row.confidence, row.flags):
            assert (out / str(file)).read_bytes() == (pristine / str(file)).read_bytes(), file
