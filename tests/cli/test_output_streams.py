"""Output that cannot be written: a full disk, a closed pipe, no stdout at all. One line or none, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from luxel import images
from luxel.cli import app
from luxel.jobs.atomic import leftovers
from stand_ins.full_disk import Disk

LUXEL = f"{sys.executable} -c 'from luxel.cli import main; main()'"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n in range(3):
        path = tmp_path / "in" / f"{n}.png"
        path.parent.mkdir(exist_ok=True)
        images.write(path, np.full((40, 60, 3), 60 * n, np.uint8))
    return tmp_path


def shell(command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full and bash")
@pytest.mark.parametrize("options", ["", "--json"])
def test_a_full_stdout_is_one_line(options: str, folder: Path) -> None:
    done = shell(f"{LUXEL} assess {folder}/in {options} > /dev/full")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "luxel: standard output: No space left on device; free some space, or write to another disk"
    ]


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
@pytest.mark.parametrize("command", ["assess IN", "light IN --json", "criteria list"])
def test_a_reader_that_goes_away_is_not_traceback(command: str, folder: Path) -> None:
    done = shell(f"{LUXEL} {command.replace('IN', str(folder / 'in'))} | head -c 1")
    assert len(done.stdout) == 1
    assert done.stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_a_closed_stdout_or_stderr_is_not_fault(folder: Path) -> None:
    for closed in (">&-", ">&- 2>&-"):
        done = shell(f"{LUXEL} assess {folder}/in --out {folder}/out {closed}")
        assert done.returncode == 0, closed
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("room", [0, 300, 1500])
def test_a_full_disk_ends_assess_in_one_line(room: int, folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    with Disk(room).used():
        shown = CliRunner().invoke(app, ["assess", str(folder / "in"), "--out", str(out), "--heatmap"])
    assert shown.exit_code == 2, shown.output
    (line,) = shown.stderr.splitlines()
    assert "No space left on device" in line
    assert leftovers(out) == []
    again = CliRunner().invoke(app, ["assess", str(folder / "in"), "--out", str(out), "--heatmap", "--resume"])
    assert again.exit_code == 0, again.output
    assert len(list(out.glob("*.heatmap.jpg"))) == 3
