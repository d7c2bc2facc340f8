"""A small dataset in IEA40K's released layout, and one of ours."""

from pathlib import Path

import pytest

from luxel.dataset.build import build_dataset
from luxel.dataset.folder.upkeep import BuildSettings
from stand_ins.dataset_scenes import prepare, write_source
from stand_ins.released_layout import write_released


@pytest.fixture
def released(tmp_path: Path) -> Path:
    return write_released(tmp_path / "IEA")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    sources = [write_source(folder / "in", f"scene{i:02}", i) for i in range(4)]
    build_dataset(sources, folder / "data", settings=BuildSettings(short_side=48), prepare=prepare)
    return folder / "data"
