"""Small weights."""

from pathlib import Path

import pytest

from stand_ins import onnx_files


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_files.grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")
