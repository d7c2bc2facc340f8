"""Drawings that luxel writes into the folder of the images are not taken as input by the next run."""

from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from luxel import images
from luxel.assessment.assessor import Assessor
from luxel.cli import app
from luxel.jobs.file_list import OUTPUT_ENDINGS
from luxel.jobs.find import find
from luxel.residual_files import ENDINGS
from stand_ins.searching import images_in


def test_own_drawings_in_the_image_folder_are_not_input(tmp_path: Path) -> None:
    for name, level in (("a.jpg", 60), ("b.png", 200)):
        images.write(tmp_path / name, np.full((40, 60, 3), level, np.uint8))
    before = [found.path.name for found in images_in([str(tmp_path)])]
    folder = str(tmp_path)
    drawings = ["--false-colour", "--zebra", "--zones"]
    maps = ["--heatmap", "--overlay", "--residual"]
    for command in (["light", folder, "--out", folder, *drawings], ["assess", folder, "--out", folder, *maps]):
        shown = CliRunner().invoke(app, command)
        assert shown.exit_code == 0, shown.output
    Assessor().assess(tmp_path / "a.jpg").save(tmp_path, heatmap=True, overlay=True, residual=True)
    assert len(list(tmp_path.glob("*.*.*"))) == 12, "six drawings of each image"
    assert [found.path.name for found in images_in([folder])] == before == ["a.jpg", "b.png"]
    assert [found.path.name for found in images_in([f"{folder}/*"])] == before


def test_an_ending_asked_for_by_name_is_found(tmp_path: Path) -> None:
    for name in ("a.png", "a.residual.png", "a.heatmap.png", "b.npy"):
        (tmp_path / name).touch()
    maps = [found.path.name for found in find([str(tmp_path)], endings=ENDINGS)]
    assert maps == ["a.residual.png", "b.npy"]
    matched = find([f"{tmp_path}/*.png"], endings=ENDINGS, glob_endings=(".png", ".npy"))
    assert [found.path.name for found in matched] == ["a.png", "a.residual.png"], (
        "a glob may name maps freely, but not our drawings"
    )
    assert OUTPUT_ENDINGS["residual"] in ENDINGS
