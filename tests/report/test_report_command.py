"""`luxel report`: what it prints, exit codes, what it does not load."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from luxel.cli import app
from luxel.report import xmp
from stand_ins.report_inputs import write


def test_the_command_builds_and_says_what_it_weighs(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("shoot/a.png"))
    write(Path("shoot/sub/b.png"))
    before = {path: path.read_bytes() for path in Path("shoot").rglob("*.*")}
    result = CliRunner().invoke(app, ["report", "shoot", "--weights", str(weights), "-r"])
    assert result.exit_code == 0
    assert re.search(r"wrote luxel-report.html: 2 pictures, [\d.]+ MB \(\d+ kB each\)", result.output)
    assert Path("luxel-report.html").exists()
    assert {path: path.read_bytes() for path in Path("shoot").rglob("*.*")} == before


def test_scores_become_stars_only_when_asked(tmp_path: Path, weights: Path) -> None:
    shoot = tmp_path / "shoot"
    levels = {"ideal": 128, "dark": 20}
    for name, level in levels.items():
        write(shoot / f"{name}.png", level)
    command = ["report", str(shoot), "--out", str(tmp_path / "r.html"), "--weights", str(weights), "--xmp"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert "nothing is written yet" in result.output
    assert not list(shoot.glob("*.xmp"))
    assert CliRunner().invoke(app, [*command, "--write"]).exit_code == 0
    ratings = {path.name: xmp.read(path.read_bytes()) for path in shoot.glob("*.xmp")}
    assert ratings == {"ideal.png.xmp": xmp.Sidecar(5, ours=True), "dark.png.xmp": xmp.Sidecar(1, ours=True)}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["gone"], "gone: no such folder"),
        (["shoot/a.png"], "no such folder"),
        (["empty"], "nothing to assess"),
        (["shoot", "--out", "report.txt"], "ends in .html"),
        (["shoot", "--threshold", "0"], "--threshold"),
        (["shoot", "--jobs", "-1"], "--jobs"),
        (["shoot", "--preview", "10"], "--preview"),
        (["shoot", "--criteria", "gone"], "gone: no such criteria"),
        (["shoot", "--write"], "--xmp"),
        (["shoot", "--xmp", "--stars", "1,2,3,4"], "four decreasing scores"),
        (["shoot", "--weights", "gone.onnx"], "no such weights file"),
        ([], "Missing argument"),
    ],
)
def test_bad_usage_is_reported(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("shoot/a.png"))
    Path("empty").mkdir()
    extra = [] if "--weights" in arguments else ["--weights", str(weights)]
    result = CliRunner().invoke(app, ["report", *arguments, *extra])
    assert result.exit_code == 2
    assert reason in result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.glob("*.html"))


def test_a_failed_picture_gives_exit_code_1(tmp_path: Path, weights: Path) -> None:
    write(tmp_path / "shoot/a.png")
    (tmp_path / "shoot/b.png").write_bytes(b"no picture")
    result = CliRunner().invoke(
        app, ["report", str(tmp_path / "shoot"), "--out", str(tmp_path / "r.html"), "--weights", str(weights)]
    )
    assert result.exit_code == 1
    assert "luxel: b.png: " in result.output


def test_help_does_not_wait_for_numpy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from luxel.cli import app;"
        "[CliRunner().invoke(app, [name, '--help']) for name in ('report', 'xmp', 'compare')];"
        "print([name for name in ('numpy', 'onnxruntime', 'torch') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
