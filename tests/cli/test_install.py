"""What the light install can do, and what it says about the rest."""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from luxel.cli import app
from luxel.errors import EXTRAS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def luxel() -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_parquet_without_pyarrow_names_the_package_before_the_run(
    tmp_path: Path, luxel: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(tmp_path / "a.png")
    shown = luxel("assess", tmp_path / "a.png", "--format", "parquet", "--out", tmp_path / "out")
    assert shown.exit_code == 2
    assert shown.stderr == "luxel: --format parquet needs a package that is not installed: pip install pyarrow\n"
    assert not (tmp_path / "out").exists()
    assert luxel("assess", tmp_path / "a.png", "--format", "csv", "--out", tmp_path / "out").exit_code == 0


def test_every_extra_that_messages_name_can_be_installed() -> None:
    """The packages of `luxel.errors.EXTRAS` are those of pyproject.toml, with those of the extras inside them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["optional-dependencies"]

    def packages(extra: str) -> set[str]:
        names = set()
        for line in declared[extra]:
            name, _, inner = line.partition("[")
            if name == "luxel":
                for part in inner.rstrip("]").split(","):
                    names |= packages(part)
            else:
                names.add(line.split(">=")[0].split("[")[0])
        return names

    for extra, modules in EXTRAS.items():
        assert set(modules.values()) == packages(extra), extra
    heavy = {"pyarrow", "scipy", "torch", "opencv-python-headless"}
    assert not heavy & {line.split(">=")[0] for line in project["dependencies"]}
