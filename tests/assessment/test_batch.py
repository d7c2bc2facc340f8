"""A run over many files: rows, files, errors, tables."""

import csv
import io
import json
import logging
import os
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from luxel import images
from luxel.assessment import tables
from luxel.assessment.assessor import Assessor
from luxel.assessment.batch import Run, Settings
from luxel.assessment.journal import Row
from luxel.cli.assess import print_results
from luxel.draw.files import MAP_KINDS
from luxel.errors import LuxelError, WeightsError
from luxel.jobs.file_list import Found
from stand_ins.batch_runs import write_picture
from stand_ins.searching import images_in


def test_rows_say_what_the_assessor_says(tmp_path: Path, settings: Settings) -> None:
    path = write_picture(tmp_path / "grey.png", 51)  # Y' = 0.2, so r = 0.3 everywhere
    (row,) = Run(images_in([str(path)]), settings).rows()
    assert row["path"] == str(path)
    assert row["error"] is None
    assert row["outputs"] == {}
    assert (row["width"], row["height"]) == (32, 24)
    assert row["score"] == pytest.approx(8 - 14 * 0.3, abs=1e-4)
    assert (row["over"], row["under"]) == (0.0, 1.0)
    assert row["score"] == Assessor(settings.weights, backend="onnxruntime").assess(path).score
    assert json.loads(tables.json_line(row)) == row


def test_a_bad_picture_is_a_row_and_the_run_continues(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    write_picture(tmp_path / "c.jpg")
    rows = list(Run(images_in([str(tmp_path), str(tmp_path / "gone.jpg")]), settings, out=tmp_path / "out").rows())
    assert [bool(row["error"]) for row in rows] == [True, True, False, True]
    for row in rows:
        if row["error"]:
            assert "\n" not in row["error"]
            assert not row["error"].startswith(row["path"]), "the path has its own column"
            assert "score" not in row


def test_an_unexpected_error_on_one_picture_is_reported_and_ends_no_run(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Assessor, path: Path, **options: bool) -> None:
        raise MemoryError if path.stem == "a" else ZeroDivisionError("by zero")

    monkeypatch.setattr(Assessor, "assess", fail)
    caplog.set_level(logging.DEBUG)
    pictures = [Found(tmp_path / "a.jpg", "a"), Found(tmp_path / "b.jpg", "b")]
    memory, other = Run(pictures, settings).rows()
    assert "not enough memory" in memory["error"]
    assert other["error"] == "unexpected ZeroDivisionError: by zero"
    assert "Traceback" in caplog.text


def test_every_kind_of_output_is_written_and_named_in_the_row(tmp_path: Path, settings: Settings) -> None:
    write_picture(tmp_path / "in/x/a.png", 20, (1200, 1700))
    write_picture(tmp_path / "in/y/a.png", 240)
    out = tmp_path / "out"
    chosen = Settings(settings.weights, "onnxruntime", outputs=tuple(MAP_KINDS))
    rows = list(Run(images_in([str(tmp_path / "in")], recursive=True), chosen, out=out).rows())
    assert rows[0]["outputs"]["heatmap"] == "x/a.heatmap.jpg"
    assert rows[1]["outputs"]["heatmap"] == "y/a.heatmap.jpg"
    for row in rows:
        assert row["outputs"].keys() == MAP_KINDS.keys()
        for file in row["outputs"].values():
            assert images.read(out / file).pixels.size > 0
    assert images.read(out / "x/a.heatmap.jpg").pixels.shape[1] == 1600
    assert images.read(out / "x/a.residual.png").pixels.shape[:2] == (1200, 1700)
    maps = [images.read(out / name / "a.heatmap.jpg").pixels.astype(int) for name in "xy"]
    blue, red = (pixels[5, pixels.shape[1] // 2] for pixels in maps)
    assert blue[2] > blue[0] + 30
    assert red[0] > red[2] + 30
    full = Settings(settings.weights, "onnxruntime", outputs=("heatmap",), full_size=True)
    list(Run(images_in([str(tmp_path / "in/x")]), full, out=tmp_path / "full").rows())
    assert images.read(tmp_path / "full/a.heatmap.jpg").pixels.shape[1] == 1700


def test_outputs_never_replace_a_picture(tmp_path: Path, weights: Path) -> None:
    a = write_picture(tmp_path / "a.jpg")
    b = write_picture(tmp_path / "a.heatmap.jpg")
    chosen = Settings(weights, outputs=("heatmap",))
    with pytest.raises(LuxelError, match="would be overwritten"):
        Run(images_in([str(a), str(b)]), chosen, out=tmp_path)
    assert len(list(Run(images_in([str(a), str(b)]), chosen, out=tmp_path / "out").rows())) == 2


def test_what_cannot_continue_ends_the_run(tmp_path: Path, settings: Settings) -> None:
    a = write_picture(tmp_path / "a.jpg")
    with pytest.raises(WeightsError):
        Run(images_in([str(a)]), Settings(weights=tmp_path / "gone.onnx"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists(), "unusable weights must not touch an earlier run's folder"
    with pytest.raises(LuxelError, match="give --out"):
        Run(images_in([str(a)]), Settings(settings.weights, outputs=("heatmap",)))
    with pytest.raises(LuxelError, match="give --out"):
        Run(images_in([str(a)]), settings, resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(LuxelError, match="choose another place"):
        Run(images_in([str(a)]), settings, out=tmp_path / "file")
    blocked = Settings(settings.weights, outputs=("heatmap",))
    (tmp_path / "out2/a.heatmap.jpg").mkdir(parents=True)
    (row,) = Run(images_in([str(a)]), blocked, out=tmp_path / "out2").rows()
    assert "cannot be written" in row["error"], "only this picture has no place there"


def write_table(file: tables.TableFile, rows: list[Row]) -> None:
    with file:
        for row in rows:
            file.add(row)


def test_csv_and_parquet_hold_the_same_values(tmp_path: Path, rows: list[Row]) -> None:
    write_table(tables.CsvFile(tmp_path / "r.csv"), rows)
    write_table(tables.ParquetFile(tmp_path / "r.parquet"), rows)
    from_csv = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text(encoding="utf-8"))))
    table = pq.read_table(tmp_path / "r.parquet")
    assert table.column_names == list(tables.COLUMNS) == list(from_csv[0])
    for row, text, values in zip(rows, from_csv, table.to_pylist(), strict=True):
        assert values == tables.flat(row)
        assert {column: str(value) if value is not None else "" for column, value in values.items()} == text
    assert table["score"].null_count == 1
    assert table["error"][1].as_py()


def test_the_table_names_the_shared_folder_once(capsys: pytest.CaptureFixture[str]) -> None:
    def shown(*paths: str) -> list[str]:
        print_results([{"path": path, "outputs": {}, "error": "broken"} for path in paths], shorten=True)
        return [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.rstrip().endswith("broken")]

    assert shown("/p/q/a.jpg", "/p/q/b.jpg") == ["a.jpg", "b.jpg"]
    assert shown("/p/q/a.jpg", "/p/r/a.jpg") == ["q/a.jpg", "r/a.jpg"]
    assert shown("q/a.jpg", "/p/q/a.jpg") == ["q/a.jpg", "/p/q/a.jpg"]
    assert shown("a.jpg", "b.jpg") == ["a.jpg", "b.jpg"]
    assert shown("/p/q/[red]a.jpg") == ["/p/q/[red]a.jpg"]


def test_all_failed_still_gives_typed_columns(tmp_path: Path) -> None:
    write_table(tables.ParquetFile(tmp_path / "r.parquet"), [{"path": "a", "outputs": {}, "error": "no"}])
    assert str(pq.read_schema(tmp_path / "r.parquet").field("score").type) == "double"


def test_a_failed_write_leaves_the_old_table(tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(tables.CsvFile(tmp_path / "r.csv"), rows)
    before = (tmp_path / "r.csv").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for file in (tables.CsvFile(tmp_path / "r.csv"), tables.ParquetFile(tmp_path / "r.parquet")):
        with pytest.raises(LuxelError, match="No space left"):
            write_table(file, rows[:1])
    assert (tmp_path / "r.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "r.csv"]


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_a_file_name_that_is_not_text_goes_through(tmp_path: Path, settings: Settings) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        write_picture(tmp_path / "in" / name)
    except OSError:
        pytest.skip("this file system takes valid text only")
    run = partial(Run, images_in([str(tmp_path / "in")]), settings, out=tmp_path / "out")
    (row,) = run().rows()
    assert row["error"] is None
    assert run(resume=True).earlier == 1
    write_table(tables.ParquetFile(tmp_path / "r.parquet"), [row])
    assert pq.read_table(tmp_path / "r.parquet")["path"][0].as_py().endswith("caf\\xe9.png")
