"""Small weights and the settings of a run."""

from pathlib import Path

import pytest

from luxel.assessment.batch import Run, Settings
from luxel.assessment.journal import Row
from stand_ins.batch_runs import write_picture
from stand_ins.onnx_files import grey_target
from stand_ins.searching import images_in


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real network by the contract of exported weights, simple enough to check by hand: residual = 0.5 - Y'."""
    return grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")


@pytest.fixture
def settings(weights: Path) -> Settings:
    return Settings(weights=weights, backend="onnxruntime")


@pytest.fixture
def rows(tmp_path: Path, settings: Settings) -> list[Row]:
    write_picture(tmp_path / 'in/a, "b".png', 30)
    (tmp_path / "in/bad.png").write_bytes(b"")
    return list(Run(images_in([str(tmp_path / "in")]), settings).rows())
