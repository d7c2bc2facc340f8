"""The command line: what it prints, what it writes, its exit codes, and that its page tells the truth."""

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from luxel import __version__, images
from luxel.cli import app
from luxel.cli.options import PaletteOption
from luxel.draw import heatmap
from luxel.residual import DEFAULT_THRESHOLD
from stand_ins import backlit
from stand_ins.onnx_files import grey_target

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")


@pytest.fixture
def luxel(weights: Path) -> Callable[..., Result]:
    """Runs `luxel COMMAND ...` in this process, with the stand-in weights."""

    def run(command: str, *arguments: object) -> Result:
        return CliRunner().invoke(app, [command, *map(str, arguments), "--weights", str(weights)])

    return run


def command_line(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from luxel.cli import main; main()", *map(str, arguments)]


def write_picture(path: Path, level: int = 128, size: tuple[int, int] = (24, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, np.full((*size, 3), level, np.uint8))
    return path


# Help and page ------------------------------------------------------------------------------------------------------


def options_of(*command: str) -> set[str]:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", shown.stdout))


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
    options = options_of(command)
    for example in examples:
        assert set(re.findall(r"--[a-z][a-z-]*", example)) <= options
        assert shlex.split(example)


def test_page_examples_use_real_options() -> None:
    for command in COMMANDS:
        options = options_of(command)
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


def test_the_limit_changes_the_maps_and_is_checked(tmp_path: Path, luxel: Callable[..., Result]) -> None:
    write_picture(tmp_path / "dark.png", 51)
    drawn = []
    for limit in ("0.5", "1.0"):
        out = tmp_path / limit
        assert luxel("assess", tmp_path / "dark.png", "--out", out, "--heatmap", "--limit", limit).exit_code == 0
        drawn.append((out / "dark.heatmap.jpg").read_bytes())
    assert drawn[0] != drawn[1]
    wrong = luxel("assess", tmp_path / "dark.png", "--limit", "1.5")
    assert wrong.exit_code == 2
    assert "--limit" in wrong.output


# Results ------------------------------------------------------------------------------------------------------------


def test_table_for_people(tmp_path: Path, luxel: Callable[..., Result]) -> None:
    write_picture(tmp_path / "dark.png", 51)
    write_picture(tmp_path / "light.png", 204)
    shown = luxel("assess", tmp_path)
    assert shown.exit_code == 0
    dark, light = (line for line in shown.stdout.splitlines() if ".png" in line)
    assert dark.split()[-5:-1] == ["32x24", "3.80", "0%", "100%"]
    assert dark.split()[-1].startswith("+")
    assert light.split()[-5:-1] == ["32x24", "5.00", "100%", "0%"]
    assert light.split()[-1].startswith("-")
    assert "2 pictures; score median 4.40" in shown.stdout


def test_json_lines_are_the_rows_in_order_and_nothing_else(tmp_path: Path, luxel: Callable[..., Result]) -> None:
    for n in range(3):
        write_picture(tmp_path / f"{n}.png", 60 * n)
    shown = luxel("assess", tmp_path, "--json")
    rows = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [Path(row["path"]).name for row in rows] == ["0.png", "1.png", "2.png"]
    assert all(row["error"] is None and 0 <= row["score"] <= 10 for row in rows)
    assert luxel("assess", tmp_path, "--format", "jsonl").stdout == shown.stdout


def test_csv_goes_to_stdout_and_into_out(tmp_path: Path, luxel: Callable[..., Result]) -> None:
    write_picture(tmp_path / "in/a.png")
    shown = luxel("assess", tmp_path / "in", "--format", "csv", "--out", tmp_path / "out")
    assert shown.exit_code == 0
    assert (tmp_path / "out/results.csv").read_text() == shown.stdout
    (row,) = csv.DictReader(io.StringIO(shown.stdout))
    assert row["path"].endswith("a.png")


def test_parquet_and_maps_go_into_out(tmp_path: Path, luxel: Callable[..., Result]) -> None:
    write_picture(tmp_path / "in/a.png")
    out = tmp_path / "out"
    flags = ("--heatmap", "--overlay", "--residual")
    shown = luxel("assess", tmp_path / "in", "--format", "parquet", "--out", out, *flags)
    assert shown.exit_code == 0
    assert shown.stdout == ""
    table = pq.read_table(out / "results.parquet").to_pylist()
    assert table[0]["heatmap"] == "a.heatmap.jpg"
    written = {"a.heatmap.jpg", "a.overlay.jpg", "a.residual.png", "results.jsonl", "results.parquet"}
    assert {path.name for path in out.iterdir()} == written


def test_a_second_run_does_not_assess_the_maps_of_the_first(tmp_path: Path, luxel: Callable[..., Result]) -> None:
    write_picture(tmp_path / "a.png")
    for _ in range(2):
        shown = luxel("assess", tmp_path, "--recursive", "--out", tmp_path, "--heatmap", "--residual", "--json")
        assert len(shown.stdout.splitlines()) == 1


@pytest.mark.parametrize("palette", sorted(heatmap.PALETTES))
def test_palette_reaches_the_map(tmp_path: Path, luxel: Callable[..., Result], palette: str) -> None:
    write_picture(tmp_path / "a.png", 0)
    luxel("assess", tmp_path / "a.png", "--out", tmp_path / "out", "--heatmap", "--palette", palette)
    shown = images.read(tmp_path / "out/a.heatmap.jpg").pixels
    expected = heatmap.colours(palette)[1024]  # r = 0.5, the limit
    assert np.abs(shown[10, shown.shape[1] // 2].astype(int) - expected).max() <= 6


# Exit codes ---------------------------------------------------------------------------------------------------------


def test_some_failed_is_exit_code_1_and_a_row_with_the_reason(tmp_path: Path, luxel: Callable[..., Result]) -> None:
    write_picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    shown = luxel("assess", tmp_path)
    assert shown.exit_code == 1
    assert "1 could not be assessed" in shown.stdout
    rows = [json.loads(line) for line in luxel("assess", tmp_path, "--json").stdout.splitlines()]
    assert [bool(row["error"]) for row in rows] == [False, True]


def test_one_bad_picture_alone_is_one_clear_line(tmp_path: Path, luxel: Callable[..., Result]) -> None:
    shown = luxel("assess", tmp_path / "gone.jpg")
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert len(shown.stderr.strip().splitlines()) == 1
    assert "gone.jpg" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--heatmap"], "give --out DIR"),
        (["--resume"], "give --out DIR"),
        (["--format", "parquet"], "add --out DIR"),
        (["--json", "--format", "csv"], "cannot be used together"),
        (["--threshold", "1.5"], "not between 0 and 1"),
        (["--jobs", "-1"], "--jobs"),
        (["--palette", "rainbow"], "red-blue"),
        (["--backend", "tpu"], "onnxruntime"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_usage_is_exit_code_2_with_the_remedy(
    tmp_path: Path, luxel: Callable[..., Result], arguments: list[str], words: str
) -> None:
    shown = luxel("assess", write_picture(tmp_path / "a.png"), *arguments)
    assert shown.exit_code == 2
    assert words in shown.stderr
    assert "Traceback" not in shown.output


def test_errors_of_ours_are_one_line_without_traceback(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments in (
        ("assess", tmp_path / "empty"),
        ("assess", tmp_path / "*.jpg"),
        ("assess", write_picture(tmp_path / "a.png"), "--weights", tmp_path / "gone.onnx"),
        ("assess", tmp_path / "a.png", "--out", tmp_path / "a.png"),
        ("demo", "--out", tmp_path / "a.png", "--weights", tmp_path / "gone.onnx"),
    ):
        ended = subprocess.run(command_line(*arguments), capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        assert ended.stdout == ""
        assert len(ended.stderr.splitlines()) == 1
        assert ended.stderr.startswith("luxel: ")


# Stopping and resuming ----------------------------------------------------------------------------------------------


COUNT = 12


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for n in range(COUNT):
        write_picture(tmp_path / f"in/{n:02}.png", 20 * n, (200, 300))
    return tmp_path


@pytest.fixture(scope="session")
def slow_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that looks far and takes its time, so that a run is still going when it is stopped."""
    return grey_target(tmp_path_factory.mktemp("weights") / "slow.onnx", size=151)


def arguments(folder: Path, weights: Path) -> list[str]:
    kinds = ("--heatmap", "--residual", "--json")
    return ["assess", str(folder / "in"), "--out", str(folder / "out"), "--weights", str(weights), *kinds]


def start(folder: Path, weights: Path, jobs: int) -> "subprocess.Popen[str]":
    """A run over `folder`/in, in its own process group, that has stored at least two rows and is not done."""
    command = command_line(*arguments(folder, weights), "--jobs", jobs)
    # A shell's background job ignores Ctrl-C, and so would a program started by tests that run in one.
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    journal = folder / "out" / "results.jsonl"
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 2):
        time.sleep(0.01)
    return process


def stored_rows(folder: Path) -> list[dict[str, object]]:
    """The rows of lines that were written whole."""
    lines = (folder / "out" / "results.jsonl").read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def assert_all_gone(group: int) -> None:
    """No process of the group is left, after a while for those that finish a picture."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    pytest.fail("worker processes outlived the run")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_any_point_it_loses_only_what_was_in_flight(many: Path, slow_weights: Path, jobs: int) -> None:
    process = start(many, slow_weights, jobs)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert_all_gone(process.pid)
    done = len(stored_rows(many))
    assert 2 <= done < COUNT
    assert done <= len(list((many / "out").glob("*.heatmap.jpg"))) <= done + 2 * jobs

    command = command_line(*arguments(many, slow_weights), "--resume")
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{done} of {COUNT} pictures were done before" in again.stderr
    rows = [json.loads(line) for line in again.stdout.splitlines()]
    assert [Path(row["path"]).name for row in rows] == [f"{n:02}.png" for n in range(COUNT)]
    assert [row["path"] for row in stored_rows(many)] == [row["path"] for row in rows]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_stops_cleanly_and_says_how_to_resume(many: Path, slow_weights: Path, jobs: int) -> None:
    process = start(many, slow_weights, jobs)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    (line,) = err.splitlines()
    assert re.search(rf"stopped after \d+ of {COUNT} pictures; resume with: luxel assess .* --resume$", line)
    assert all(json.loads(text)["error"] is None for text in out.splitlines())
    assert_all_gone(process.pid)
    assert not list((many / "out").glob(".*")), "nothing half-written stays"
    done = len(stored_rows(many))
    resumed = shlex.split(line.split("resume with: luxel ")[1])
    again = subprocess.run(command_line(*resumed), capture_output=True, text=True, check=True)
    assert f"{done} of {COUNT} pictures were done before" in again.stderr
    assert len(again.stdout.splitlines()) == COUNT


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
