"""The command line with small weights, and a folder of images, maps and masks to score."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from luxel import images
from luxel.cli import app
from luxel.residual_files import encode_residual
from stand_ins.onnx_files import grey_target
from stand_ins.score_runs import MINE


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")


@pytest.fixture
def luxel(weights: Path) -> Callable[..., Result]:
    """Runs `luxel COMMAND ...` in this process, with the stand-in weights."""

    def run(command: str, *arguments: object) -> Result:
        return CliRunner().invoke(app, [command, *map(str, arguments), "--weights", str(weights)])

    return run


@pytest.fixture
def run() -> Callable[..., Result]:
    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures (grey fine.png, white-skied sky.png), their maps, and regions of the sky."""
    fine, sky = (np.full((60, 80, 3), 128, dtype=np.uint8) for _ in range(2))
    sky[:20] = 255
    for place in ("photos", "maps", "regions"):
        (tmp_path / place).mkdir()
    images.write(tmp_path / "photos" / "fine.png", fine)
    images.write(tmp_path / "photos" / "sky.png", sky)
    residual = np.zeros((60, 80), dtype=np.float32)
    images.write(tmp_path / "maps" / "fine.residual.png", encode_residual(residual))
    residual[:20] = -0.5
    np.save(tmp_path / "maps" / "sky.npy", residual)
    labels = np.zeros((60, 80), dtype=np.uint8)
    labels[:20] = 1
    for name in ("fine", "sky"):
        Image.fromarray(labels).save(tmp_path / "regions" / f"{name}.png")
        (tmp_path / "regions" / f"{name}.json").write_text('["land", "sky"]')
    (tmp_path / "mine.toml").write_text(MINE)
    return tmp_path
