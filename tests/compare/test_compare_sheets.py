"""Sheets, tables, the page and the command of a comparison."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from luxel import images
from luxel.cli import app
from luxel.compare.compare import (
    Case,
    Comparison,
    Figures,
    Panel,
    ranking,
)
from luxel.compare.results import page, pictures_csv, ranking_csv
from luxel.compare.sheet import Sheets, sheet
from luxel.draw import heatmap
from stand_ins.comparisons import comparison, write


def panel(level: float, size: tuple[int, int] = (60, 90)) -> Panel:
    return Panel(np.full((*size, 3), 128, np.uint8), np.full(size, level, np.float32))


def test_all_maps_of_a_sheet_share_one_scale() -> None:
    levels = {"original": 0.25, "a": -0.25, "b": 0.0, "portrait": 0.5}
    panels = {name: panel(r, (90, 60) if name == "portrait" else (60, 90)) for name, r in levels.items()}
    figures = {name: Figures(abs(r), 0, 0, 10) for name, r in levels.items()}
    for limit in (1.0, 0.5):
        drawn = sheet(panels, figures, limit=limit)
        assert drawn.dtype == np.uint8
        for level in levels.values():
            colour = heatmap.render(np.full((1, 1), level, np.float32), limit=limit)[0, 0]
            assert np.count_nonzero((drawn == colour).all(axis=-1)) >= 60 * 90
    assert sheet(panels, figures, limit=0.5).shape == drawn.shape


def test_sheets_of_many_versions_with_long_names_stay_within_reason() -> None:
    panels = {f"a method with a very long name, number {n}": panel(0.1, (400, 600)) for n in range(9)}
    drawn = sheet(panels, dict.fromkeys(panels, Figures(0.1, 0, 0, 9)))
    assert 2000 < drawn.shape[1] < 3400


def test_the_sheets_kept_are_those_that_differ_most(tmp_path: Path) -> None:
    sheets = Sheets(tmp_path, 2)
    for name, spread in (("a", 0.1), ("b", 0.4), ("c", 0.1), ("d", 0.2)):
        figures = {"original": Figures(0.5, 0, 0, 5), "m": Figures(0.5 - spread, 0, 0, 5)}
        case = Case(name, {})
        sheets.add(case, figures, {version: panel(0.1) for version in figures})
    assert list(sheets.files()) == ["b", "d"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.compare.png", "d.compare.png"]
    none = Sheets(tmp_path, 0)
    none.add(case, figures, {version: panel(0.1) for version in figures})
    assert none.files() == {}


# Tables and page ------------------------------------------------------------------------------------------------------


def test_csv_holds_every_figure() -> None:
    result = comparison(np.array([[0.4, 0.1], [0.3, 0.2]]))
    ranks = ranking(result)
    rows = list(csv.DictReader(io.StringIO(ranking_csv(result, ranks))))
    assert [row["version"] for row in rows] == ["method 1", "original"]
    assert float(rows[0]["residual"]) == pytest.approx(0.15)
    assert float(rows[0]["change"]) == pytest.approx(-0.2)
    assert rows[1]["change"] == ""
    assert float(rows[0]["residual_low"]) <= 0.15 <= float(rows[0]["residual_high"])
    rows = list(csv.DictReader(io.StringIO(pictures_csv(result))))
    assert [(row["picture"], row["version"], float(row["residual"])) for row in rows] == [
        ("picture 0", "original", 0.4), ("picture 0", "method 1", 0.1),
        ("picture 1", "original", 0.3), ("picture 1", "method 1", 0.2),
    ]  # fmt: skip


def test_the_page_escapes_every_name_and_needs_nothing_else(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>&amp;<img src=x onerror=alert(2)>'
    row = {"original": Figures(0.4, 0.1, 0.1, 6), evil: Figures(0.1, 0, 0, 9)}
    result = Comparison(("original", evil), 0.1, {evil: row, "b": row}, [evil])
    drawn = write(tmp_path / "b.compare.png")
    text = page(result, ranking(result), {evil: drawn, "b": drawn}, [evil], weights=evil)
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;" in text
    assert text.count("<img ") == 2
    assert "http" not in text.replace("http-equiv", "")


# Command --------------------------------------------------------------------------------------------------------------


def test_the_command_prints_and_writes(tmp_path: Path, weights: Path) -> None:
    for name, level in (("a", 20), ("b", 40), ("c", 60)):
        write(tmp_path / "in" / f"{name}.png", level)
        write(tmp_path / "fec" / f"{name}.png", level + 60)
    write(tmp_path / "in/only.png")
    out = tmp_path / "out"
    command = ["compare", str(tmp_path / "in"), str(tmp_path / "fec"), "--weights", str(weights), "--out", str(out)]
    result = CliRunner().invoke(app, [*command, "--sheets", "2"])
    assert result.exit_code == 0
    assert "only.png: left out, because fec lacks it" in result.output
    assert "2 *.compare.png of 3 pictures (--sheets)" in result.output
    assert re.search(r"1 +fec .*\n.*2 +original ", result.stdout)
    assert sorted(path.name for path in out.iterdir()) == [
        "a.compare.png", "b.compare.png", "compare.html", "pictures.csv", "ranking.csv",
    ]  # fmt: skip
    assert images.read(out / "a.compare.png").pixels.ndim == 3
    assert "2 of 3 pictures" in (out / "compare.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["in", "gone"], "gone: no such file"),
        (["in", "fec", "--out", "fec"], "choose another --out"),
        (["in", "fec", "--out", "in/a.png"], "cannot be written: File exists"),
        (["in", "fec", "--limit", "0"], "--limit"),
        (["in", "fec", "--threshold", "1.5"], "threshold"),
        (["in", "fec", "--weights", "gone.onnx"], "no such weights file"),
        (["in"], "Missing argument"),
    ],
)
def test_bad_usage_is_reported(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("in/a.png"))
    write(Path("fec/a.png"))
    extra = [] if "--weights" in arguments else ["--weights", str(weights)]
    result = CliRunner().invoke(app, ["compare", *arguments, *extra])
    assert result.exit_code == 2
    assert reason in result.output
    assert "Traceback" not in result.output


def test_a_picture_that_fails_gives_exit_code_1(tmp_path: Path, weights: Path) -> None:
    for file in ("in/a.png", "in/b.png", "fec/a.png"):
        write(tmp_path / file)
    (tmp_path / "fec/b.png").write_bytes(b"no picture")
    result = CliRunner().invoke(
        app, ["compare", str(tmp_path / "in"), str(tmp_path / "fec"), "--weights", str(weights)]
    )
    assert result.exit_code == 1
    assert "b is left out" in result.output
    assert "no interval" in result.output
