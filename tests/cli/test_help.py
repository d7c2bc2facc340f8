"""Help texts, the page of the command line, the demo."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from luxel import __version__
from luxel.cli import app
from luxel.cli.options import PaletteOption
from luxel.draw import heatmap
from luxel.residual import DEFAULT_THRESHOLD
from stand_ins import backlit

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


# Help and page ------------------------------------------------------------------------------------------------------


def options_of(*command: str) -> set[str]:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    without_examples = re.sub(r"^ *(?:[A-Z_]+=\S+ )*luxel .*$", "", shown.stdout, flags=re.MULTILINE)
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", without_examples))


def accepted(command: str) -> set[str]:
    """Options of a command, or of a group and its commands."""
    parts = getattr(typer.main.get_command(app).commands[command], "commands", ())  # type: ignore[attr-defined]
    return options_of(command).union(*(options_of(command, part) for part in parts))


def section(command: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^## luxel {command}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"docs/cli.md has no section '## luxel {command}'"
    return found[1]


def examples_in(text: str, command: str) -> list[str]:
    """Lines that call the command, with or without variables set before it."""
    return re.findall(rf"^ *((?:[A-Z_]+=\S+ )*luxel {command}(?: .*)?)$", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_lists_exactly_the_options_of_each_command(command: str) -> None:
    listed = set(re.findall(r"^\| `(?:-\w`, `)?(--[a-z-]+)", section(command), re.MULTILINE))
    assert listed == options_of(command) - {"--help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_that_parse(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout
    examples = examples_in(shown, command)
    assert examples, "no examples"
    options = accepted(command)
    for example in examples:
        assert set(re.findall(r"--[a-z][a-z-]*", example)) <= options
        assert shlex.split(example)


def test_page_examples_use_real_options() -> None:
    for command in COMMANDS:
        options = accepted(command)
        for line in examples_in(section(command), command):
            assert set(re.findall(r"--[a-z][a-z-]*", line)) <= options, line


def test_help_waits_for_nothing_heavy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom luxel.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['assess', '--help']).exit_code == 0\n"
        "heavy = ('numpy', 'PIL', 'onnxruntime', 'torch', 'pyarrow', 'luxel.assessment.batch')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_version_and_bare_call() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"luxel {__version__}\n"
    bare = CliRunner().invoke(app, [])
    assert "assess" in bare.output
    assert bare.exit_code == 2


def test_words_repeated_for_fast_help_agree_with_the_library() -> None:
    assert set(get_args(get_args(PaletteOption)[0])) == heatmap.PALETTES.keys()
    shown = CliRunner().invoke(app, ["assess", "--help"], env={"COLUMNS": "200"}).stdout
    assert f"[default: {DEFAULT_THRESHOLD}]" in shown
    assert f"[default: {heatmap.HEATMAP_LIMIT}]" in shown


# Demo ---------------------------------------------------------------------------------------------------------------


def test_scene_is_a_backlit_photograph_and_always_the_same() -> None:
    scene = backlit.scene(240, 360)
    assert scene.shape == (240, 360, 3)
    assert scene.dtype == np.uint8
    assert np.array_equal(scene, backlit.scene(240, 360))
    assert not np.array_equal(scene, backlit.scene(240, 360, seed=8))
    height, width = scene.shape[:2]
    sky = scene[int(0.12 * height) : int(0.22 * height), int(0.5 * width) : int(0.62 * width)]
    person = scene[int(0.65 * height) : int(0.8 * height), int(0.25 * width) : int(0.45 * width)]
    assert (sky == 255).mean() > 0.95, "the window clips"
    assert person.mean() < 70, "the person is dark"
    assert 0.08 < (scene == 255).all(axis=-1).mean() < 0.25
    assert (scene > 0).all(axis=-1).mean() > 0.95, "dark, but not black"


def test_scene_keeps_its_content_at_other_sizes() -> None:
    large = backlit.scene(480, 720).astype(float).reshape(160, 3, 240, 3, 3).mean(axis=(1, 3))
    small = backlit.scene(160, 240).astype(float)
    assert np.abs(large - small).mean() < 6.0
    assert backlit.scene(16, 16).shape == (16, 16, 3)
    assert backlit.scene(333, 211).shape == (333, 211, 3)
    with pytest.raises(ValueError, match="at least 16"):
        backlit.scene(15, 300)


def test_demo_writes_its_pictures_and_prints_where(tmp_path: Path, luxel: Callable[..., Result]) -> None:
    shown = luxel("demo", "--out", tmp_path / "new/demo")
    assert shown.exit_code == 0
    written = {path.name for path in (tmp_path / "new/demo").iterdir()}
    assert written == {"backlit.jpg", "backlit.heatmap.jpg", "backlit.tinted.jpg", "backlit.overlay.jpg"}
    for name in written:
        assert name in shown.stdout
    assert "score" in shown.stdout
