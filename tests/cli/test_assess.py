"""`luxel assess`: results, exit codes."""

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import Result

from luxel import images
from luxel.draw import heatmap
from stand_ins.assess_runs import command_line, write_picture


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
