"""One run at a time writes into a folder: the second is rejected with who holds it, exit code 2."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from luxel import images
from luxel.cli import app
from luxel.errors import DatasetError
from luxel.jobs.lock import LOCK, locked, locked_file

RECIPE = str(Path(__file__).parents[2] / "recipes/pieanet-tiny.toml")

HOLDER = """
import sys
from pathlib import Path
from luxel.jobs.lock import locked, locked_file
place = Path(sys.argv[1])
with locked_file(place) if place.suffix else locked(place):
    print("held", flush=True)
    sys.stdin.read()
"""


def held(place: Path) -> "subprocess.Popen[str]":
    """A process that holds the lock of a folder, or of a file where the name has a suffix."""
    command = [sys.executable, "-c", HOLDER, str(place)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = held(tmp_path / "out")
    yield process
    process.kill()
    process.communicate()


def test_the_second_run_names_who_holds_the_lock(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    words = (
        rf"out: another luxel process is writing here \(process {holder.pid} on \S+ since 20\d\d-\d\d-\d\d \S+\); wait"
    )
    with pytest.raises(DatasetError, match=words), locked(tmp_path / "out", DatasetError):
        pass
    holder.kill()
    holder.wait()
    with locked(tmp_path / "out"):
        assert (tmp_path / "out" / LOCK).exists()
    assert list((tmp_path / "out").iterdir()) == [], "a lock that was given free leaves nothing"


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / LOCK).symlink_to(tmp_path / "victim")
    with pytest.raises(DatasetError, match="cannot be written"), locked(tmp_path, DatasetError):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize(
    "command",
    [
        ("assess", "in", "--out", "out"),
        ("assess", "in", "--out", "out", "--resume"),
        ("light", "in", "--out", "out", "--zebra"),
        ("compare", "in/a.png", "in/b.png", "--out", "out"),
        ("demo", "--out", "out"),
        ("benchmark", "run", "--methods", "untrained", "--out", "out"),
        ("train", RECIPE, "--set", "output.folder=OUT"),
        ("dataset", "build", "in", "--out", "out"),
    ],
    ids=lambda command: " ".join(command[:2]) if "--resume" not in command else "resume",
)
def test_commands_reject_a_folder_in_use(
    command: tuple[str, ...], tmp_path: Path, holder: "subprocess.Popen[str]"
) -> None:
    (tmp_path / "in").mkdir()
    for name, level in (("a.png", 60), ("b.png", 70)):
        images.write(tmp_path / "in" / name, np.full((80, 90, 3), level, np.uint8))
    out = str(tmp_path / "out")
    arguments = [str(tmp_path / text) if text in ("in", "in/a.png", "in/b.png", "out") else text for text in command]
    shown = CliRunner().invoke(app, [text.replace("OUT", out) for text in arguments])
    assert shown.exit_code == 2, shown.output
    assert re.search(
        rf"luxel: {re.escape(out)}: another luxel process is writing here \(process {holder.pid} on", shown.output
    )
    assert [place.name for place in Path(out).iterdir()] == [LOCK]


def test_a_report_in_the_making_is_rejected(tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", np.full((80, 90, 3), 60, np.uint8))
    process = held(tmp_path / "r.html")
    try:
        shown = CliRunner().invoke(app, ["report", str(tmp_path), "--out", str(tmp_path / "r.html")])
    finally:
        process.kill()
        process.communicate()
    assert shown.exit_code == 2
    assert f"process {process.pid}" in shown.output
    with locked_file(tmp_path / "r.html"):
        pass
    assert [place.name for place in tmp_path.iterdir()] == ["a.png"]
