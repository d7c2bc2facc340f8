"""A small built dataset."""

from pathlib import Path

import pytest

from stand_ins.built_datasets import make, sources_of


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound dataset of three scenes; copied by tests that spoil it."""
    folder = tmp_path_factory.mktemp("pristine")
    make(folder / "data", sources_of(folder / "in", 3))
    return folder / "data"


@pytest.fixture
def dataset(pristine: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(pristine, tmp_path / "data"))
