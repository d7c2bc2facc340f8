"""One bad file never ends a run over many: whatever a reader raises is a row, and the run ends with exit code 1."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from luxel import images
from luxel.assessment.assessor import Assessor
from luxel.cli import app
from luxel.errors import ImageError
from stand_ins.onnx_files import grey_target

RAISED = [
    MemoryError(),
    RecursionError("maximum recursion depth exceeded"),
    ZeroDivisionError("float division by zero"),
    KeyError("ImageWidth"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    AssertionError(),
    OSError(5, "Input/output error"),
    StopIteration(),
    RuntimeError("a\nmessage\x1b[31m of two lines"),
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")


@pytest.fixture
def luxel(weights: Path) -> Callable[..., Result]:
    """Runs a command with stand-in weights, without a time limit, so that it works in this process."""

    def run(command: str, *arguments: object) -> Result:
        more = () if command == "criteria" else ("--timeout", "0", "--weights", weights)
        return CliRunner().invoke(app, [command, *map(str, (*arguments, *more))])

    return run


@pytest.fixture
def shoot(tmp_path: Path) -> Path:
    """Three images; the second is the bad one."""
    folder = tmp_path / "shoot"
    folder.mkdir()
    for name, level in (("a", 40), ("bad", 128), ("c", 200)):
        images.write(folder / f"{name}.png", np.full((24, 32, 3), level, np.uint8))
    return folder


def break_reader(patch: pytest.MonkeyPatch, error: Exception) -> None:
    """Files with "bad" in their name raise an error while they are assessed."""
    assess = Assessor.assess

    def failing(self: Assessor, image: object, **options: bool) -> object:
        if "bad" in Path(str(image)).name:
            raise error
        return assess(self, image, **options)  # type: ignore[arg-type]

    patch.setattr(Assessor, "assess", failing)


def reasons(shown: Result) -> list[str | None]:
    assert shown.exit_code == 1, shown.output
    assert "Traceback" not in shown.output
    return [json.loads(line)["error"] for line in shown.stdout.splitlines()]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("command", ["assess", "light", "score"])
def test_any_exception_is_a_row(
    command: str, error: Exception, shoot: Path, luxel: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_reader(monkeypatch, error)
    # The reader is broken in this process, so the work has to stay in it.
    here = ("--jobs", "1")
    first, bad, last = reasons(luxel(command, shoot, "--json", *here))
    assert (first, last) == (None, None)
    assert bad
    assert bad.isprintable() or "\x1b" in bad, "a row has one line"
    assert "\n" not in bad
    assert ("memory" if isinstance(error, MemoryError) else type(error).__name__) in bad
    for_people = luxel(command, shoot, *here)
    assert for_people.exit_code == 1
    assert "\x1b[31m" not in for_people.output


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_report_shows_any_exception_on_its_page(
    error: Exception, shoot: Path, luxel: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_reader(monkeypatch, error)
    shown = luxel("report", shoot, "--out", tmp_path / "page.html", "--xmp", "--jobs", "1")
    assert shown.exit_code == 1
    assert "3 pictures" in shown.stderr
    (line,) = [line for line in shown.stderr.splitlines() if "bad.png: " in line]
    assert line.isprintable()
    assert "a.png.xmp" in shown.stdout
    assert "c.png.xmp" in shown.stdout


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_compare_leaves_a_picture_out(
    error: Exception, shoot: Path, luxel: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(shoot, tmp_path / "other")
    break_reader(monkeypatch, error)
    shown = luxel("compare", shoot, tmp_path / "other", "--out", tmp_path / "out", "--jobs", "1")
    assert shown.exit_code == 1, shown.output
    (line,) = [line for line in shown.stderr.splitlines() if "left out" in line]
    assert line.isprintable()
    assert "over 2 pictures" in shown.stdout


@pytest.mark.parametrize("command", ["assess", "light"])
def test_a_name_too_long_for_its_outputs_is_a_row(command: str, shoot: Path, luxel: Callable[..., Result]) -> None:
    (shoot / "bad.png").rename(shoot / f"b{'a' * 249}.png")
    drawing = ("--heatmap", "--residual") if command == "assess" else ("--zones",)
    out = shoot.parent / "out"
    first, bad, last = reasons(luxel(command, shoot, "--json", "--out", out, *drawing))
    assert (first, last) == (None, None)
    assert "too long" in str(bad)
    assert not [path for path in out.iterdir() if path.name.startswith("ba")], "no half of its files stays"


def test_compare_takes_a_name_too_long_for_its_sheet(shoot: Path, luxel: Callable[..., Result], tmp_path: Path) -> None:
    (shoot / "bad.png").rename(shoot / f"b{'a' * 249}.png")
    shutil.copytree(shoot, tmp_path / "other")
    shown = luxel("compare", shoot, tmp_path / "other", "--out", tmp_path / "out")
    assert shown.exit_code == 1, shown.output
    assert "too long" in shown.stderr
    assert (tmp_path / "out/compare.html").is_file()


def test_a_full_disk_ends_a_run(shoot: Path, luxel: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, pixels: object) -> None:
        raise ImageError(f"{path}: full") from OSError(28, "No space left on device")

    monkeypatch.setattr(images, "write", full)
    shown = luxel("assess", shoot, "--out", shoot.parent / "out", "--heatmap", "--jobs", "1")
    assert shown.exit_code == 2
    assert "No space left" in shown.stderr


def test_names_never_act_on_the_terminal(shoot: Path, luxel: Callable[..., Result]) -> None:
    name = "x\x1b]0;title\x07\n\u202egnp.png"
    (shoot / "bad.png").rename(shoot / name)
    (shoot / f"broken{name}").write_bytes(b"")
    for arguments in (
        ("assess", shoot),
        ("assess", shoot / name),
        ("light", shoot),
        ("score", shoot),
        ("report", shoot, "--out", shoot.parent / "page.html", "--xmp"),
        ("compare", shoot / name, shoot / "a.png"),
        ("assess", shoot, "--head", shoot / name),
        ("assess", shoot, "--format", name),
        ("criteria", "check", name),
    ):
        shown = luxel(*arguments)
        for character in "\x1b\x07\u202e":
            assert character not in shown.output, arguments
        assert not [line for line in shown.output.splitlines() if line.startswith("\u202e")]
        assert "Traceback" not in shown.output


@pytest.mark.parametrize("command", ["assess", "light", "score", "report", "compare"])
def test_a_file_beyond_the_time_limit_is_a_row(
    command: str, shoot: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    # Its cost grows with the area: nothing for the tiny images, half a minute for the large one.
    slow = grey_target(tmp_path_factory.mktemp("slow") / "slow.onnx", size=1601)
    for name in "ac":
        images.write(shoot / f"{name}.png", np.full((8, 8, 3), 60, np.uint8))
    images.write(shoot / "bad.png", np.full((300, 400, 3), 128, np.uint8))
    arguments = {"report": [shoot, "--out", tmp_path / "page.html"], "compare": [shoot, tmp_path / "other"]}
    if command == "compare":
        shutil.copytree(shoot, tmp_path / "other")
    given = arguments.get(command, [shoot, "--json"])
    shown = CliRunner().invoke(app, [command, *map(str, given), "--weights", str(slow), "--timeout", "3"])
    assert shown.exit_code == 1, shown.output
    assert "took longer than" in shown.output
    if command in ("assess", "light", "score"):
        first, bad, last = reasons(shown)
        assert (first, last) == (None, None)
        assert bad == "took longer than 3 s and was stopped"
