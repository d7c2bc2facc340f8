"""A small built dataset to train on."""

from pathlib import Path

import pytest

from luxel.dataset.build import build_dataset
from luxel.dataset.folder.upkeep import BuildSettings, resplit
from stand_ins.dataset_scenes import prepare, write_source


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten scenes of three frames, 64 x 96."""
    folder = tmp_path_factory.mktemp("built")
    sources = [write_source(folder / "in", f"scene{i:02}", i) for i in range(10)]
    build_dataset(sources, folder / "data", settings=BuildSettings(short_side=64), prepare=prepare)  # type: ignore[arg-type]
    resplit(folder / "data", shares=(0.6, 0.2, 0.2))
    return folder / "data"
