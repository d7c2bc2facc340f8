"""Runs over many pictures: which files, in which order, what is kept, what a kill or a crash costs."""

import csv
import io
import json
import logging
import os
import stat
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from luxel import images
from luxel.assessment import tables
from luxel.assessment.assessor import Assessor
from luxel.assessment.batch import Run, Settings, assess_one
from luxel.assessment.journal import FILE_NAME, Journal, Row, Stamp
from luxel.cli.assess import print_results
from luxel.draw.files import MAP_KINDS
from luxel.errors import LuxelError, WeightsError
from luxel.jobs.file_list import Found
from luxel.jobs.find import OWN_ENDINGS
from stand_ins.onnx_files import global_mean, grey_target
from stand_ins.searching import images_in


def write_picture(path: Path, level: int = 128, size: tuple[int, int] = (24, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, np.full((*size, 3), level, np.uint8))
    return path


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real network by the contract of exported weights, simple enough to check by hand: residual = 0.5 - Y'."""
    return grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")


@pytest.fixture
def settings(weights: Path) -> Settings:
    return Settings(weights=weights, backend="onnxruntime")


def names(found: list[Found]) -> list[str]:
    return [picture.name for picture in found]


# Finding ------------------------------------------------------------------------------------------------------------


def test_folders_are_searched_in_order_and_deeper_only_when_asked(tmp_path: Path) -> None:
    for file in ("b.png", "A.jpg", "sub/c.tif", "sub/deep/d.webp", "notes.txt", ".hidden.png", ".git/e.png", "._A.jpg"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert names(images_in([str(tmp_path)])) == ["A", "b"]
    assert names(images_in([str(tmp_path)], recursive=True)) == ["A", "b", "sub/c", "sub/deep/d"]


def test_globs_files_and_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("in/x1.png", "in/x2.png", "in/y.png", "in/s/x3.png", "in/odd[1].png", "in/note.txt"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert names(images_in(["in/x*.png"])) == ["x1", "x2"]
    assert names(images_in(["in/**/x?.png"])) == ["s/x3", "x1", "x2"]
    assert names(images_in(["in/y.png", "in", "./in/y.png"])) == ["y", "odd[1]", "x1", "x2"]
    assert names(images_in(["in/odd[1].png"])) == ["odd[1]"]
    assert names(images_in(["in/*"])) == ["odd[1]", "x1", "x2", "y"]
    assert names(images_in(["in/*"], recursive=True)) == ["odd[1]", "s/x3", "x1", "x2", "y"]
    # What the user names is taken as it is: the reader says what is wrong with it.
    assert [str(p.path) for p in images_in(["in/note.txt", "gone.jpg"])] == ["in/note.txt", "gone.jpg"]


def test_what_a_run_wrote_is_never_searched(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    for ending in OWN_ENDINGS:
        (tmp_path / f"a{ending}").touch()
    assert names(images_in([str(tmp_path)])) == ["a"]
    assert names(images_in([str(tmp_path / "*")])) == ["a"]
    assert names(images_in([str(tmp_path / "a.heatmap.jpg")])) == ["a.heatmap"]


def test_a_link_to_the_same_file_counts_once_and_a_loop_ends(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert names(images_in([str(tmp_path)], recursive=True)) == ["a"]


def test_no_two_pictures_share_an_output_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("x/a.jpg", "y/a.jpg", "y/a.PNG", "z/b.jpg", "z/B.png", "z/b-jpg.png", "z/c.jpg"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    found = images_in(["x", "y", "z"])
    assert len({picture.name.lower() for picture in found}) == 7
    assert names(images_in(["x", "y/a.jpg"])) == ["x/a", "y/a"]
    assert names(images_in(["y"])) == ["a-jpg", "a-png"]
    assert names(images_in(["x", "y", "z"])) == names(found), "the same list gives the same names"
    assert all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in names(found))
    above = images_in(["../" + tmp_path.name + "/x/a.jpg", "y/a.jpg"])
    assert all(".." not in Path(name).parts for name in names(above))


def test_nothing_found_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.jpg").touch()
    with pytest.raises(LuxelError, match="add --recursive"):
        images_in([str(tmp_path)])
    with pytest.raises(LuxelError, match="matches no picture; check the pattern"):
        images_in([str(tmp_path / "*.png")])
    warnings: list[str] = []
    assert names(images_in([str(tmp_path / "*.png"), str(tmp_path / "sub")], warn=warnings.append)) == ["a"]
    assert len(warnings) == 1
    assert "matches no picture" in warnings[0]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser enters every folder")
def test_a_folder_that_cannot_be_entered_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "locked").mkdir(mode=0)
    warnings: list[str] = []
    assert names(images_in([str(tmp_path)], recursive=True, warn=warnings.append)) == ["a"]
    (tmp_path / "locked").chmod(stat.S_IRWXU)
    assert "locked" in warnings[0]


# Rows and files -----------------------------------------------------------------------------------------------------


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


# Resuming -----------------------------------------------------------------------------------------------------------


def counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Row], list[str]]:
    """The rows of a run, and the names of the pictures it really assessed."""
    assessed: list[str] = []

    def count(picture: Found, *rest: object) -> Row:
        assessed.append(picture.path.name)
        return assess_one(picture, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("luxel.assessment.batch.assess_one", count)
    return list(run.rows()), assessed


def test_resume_skips_exactly_what_is_unchanged(
    tmp_path: Path, settings: Settings, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    for n in range(4):
        write_picture(folder / f"{n}.png", 40 * n)
    (folder / "bad.png").write_bytes(b"")
    kept = Settings(weights, "onnxruntime", outputs=("heatmap",))

    def go(settings: Settings, resume: bool = True) -> tuple[list[Row], list[str]]:
        return counted(Run(images_in([str(folder)]), settings, out=out, resume=resume), monkeypatch)

    first, assessed = go(kept, resume=False)
    assert len(assessed) == 5
    again, assessed = go(kept)
    assert assessed == ["bad.png"], "failures are tried again"
    assert again == first

    write_picture(folder / "1.png", 200)
    os.utime(folder / "2.png", (1, 1))
    (out / "3.heatmap.jpg").unlink()
    write_picture(folder / "bad.png", 9)
    changed, assessed = go(kept)
    assert assessed == ["1.png", "2.png", "3.png", "bad.png"]
    assert [row["error"] for row in changed] == [None] * 5
    assert changed[1]["score"] != first[1]["score"]
    assert changed[0] == first[0]

    assert len(go(Settings(weights, "onnxruntime", outputs=("heatmap",), threshold=0.3))[1]) == 5
    copy, other = grey_target(tmp_path / "copy.onnx"), global_mean(tmp_path / "other.onnx")
    copy.write_bytes(weights.read_bytes())
    assert go(Settings(copy, "onnxruntime", outputs=("heatmap",), threshold=0.3))[1] == [], "the content counts"
    assert len(go(Settings(other, "onnxruntime", outputs=("heatmap",), threshold=0.3))[1]) == 5
    assert len(go(kept, resume=False)[1]) == 5


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_a_half_written_line_is_repaired(
    tmp_path: Path, settings: Settings, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        write_picture(tmp_path / f"in/{n}.png", 40 * n)
    pictures, out = images_in([str(tmp_path / "in")]), tmp_path / "out"
    whole = list(Run(pictures, settings, out=out).rows())
    journal = out / FILE_NAME
    text = journal.read_bytes()
    journal.write_bytes(text[:-cut])
    rows, assessed = counted(Run(pictures, settings, out=out, resume=True), monkeypatch)
    assert (rows, assessed) == (whole, ["2.png"])
    assert journal.read_bytes() == text

    lines = text.split(b"\n")
    journal.write_bytes(b"\n".join([lines[0], b"\x00\x00 torn", *lines[2:]]))
    rows, assessed = counted(Run(pictures, settings, out=out, resume=True), monkeypatch)
    assert (rows, assessed) == (whole, ["1.png"])
    assert journal.read_bytes() == text


def test_every_row_is_in_the_file_before_the_next_picture(tmp_path: Path, settings: Settings) -> None:
    for n in range(3):
        write_picture(tmp_path / f"in/{n}.png")
    run = Run(images_in([str(tmp_path / "in")]), settings, out=tmp_path / "out").rows()
    for n, _ in enumerate(run, start=1):
        assert (tmp_path / "out" / FILE_NAME).read_bytes().count(b"\n") == n


def test_pictures_from_elsewhere_keep_their_rows_and_files(tmp_path: Path, settings: Settings, weights: Path) -> None:
    out, kept = tmp_path / "out", Settings(weights, "onnxruntime", outputs=("heatmap",))
    write_picture(tmp_path / "x/a.png", 10)
    write_picture(tmp_path / "y/a.png", 250)
    list(Run(images_in([str(tmp_path / "x")]), kept, out=out, resume=True).rows())
    first = (out / "a.heatmap.jpg").read_bytes()
    (row,) = Run(images_in([str(tmp_path / "y")]), kept, out=out, resume=True).rows()
    assert row["outputs"]["heatmap"] == "a-2.heatmap.jpg"
    assert (out / "a.heatmap.jpg").read_bytes() == first
    run = Run(images_in([str(tmp_path / "x"), str(tmp_path / "y")]), kept, out=out, resume=True)
    assert run.earlier == 2
    assert [row["outputs"]["heatmap"] for row in run.rows()] == ["a.heatmap.jpg", "a-2.heatmap.jpg"]


def test_the_journal_file_ends_in_the_order_of_the_pictures(tmp_path: Path) -> None:
    journal = Journal(tmp_path, resume=False)
    for name in ("c", "elsewhere", "a", "b"):
        journal.append(Stamp(name, 1, 1, "s", name), {"path": name, "error": None})
    journal.finish(["a", "b", "c"])
    journal.close()
    lines = (tmp_path / FILE_NAME).read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == ["elsewhere", "a", "b", "c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE_NAME], "nothing temporary stays"


def test_jobs_change_nothing_in_the_results(tmp_path: Path, weights: Path) -> None:
    rng = np.random.default_rng(0)
    for n in range(6):
        path = tmp_path / f"in/{n}.png"
        path.parent.mkdir(exist_ok=True)
        images.write(path, rng.integers(0, 256, (50, 400 if n == 0 else 60, 3), dtype=np.uint8))
    (tmp_path / "in/3.png").write_bytes(b"")
    chosen = Settings(weights, "onnxruntime", outputs=("heatmap",))
    pictures = images_in([str(tmp_path / "in")])
    alone = list(Run(pictures, chosen, out=tmp_path / "alone").rows())
    together = list(Run(pictures, chosen, out=tmp_path / "together", jobs=2).rows())
    assert together == alone
    files = sorted(path.name for path in (tmp_path / "alone").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "together").iterdir())
    for name in files:
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "together" / name).read_bytes()


# Tables -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rows(tmp_path: Path, settings: Settings) -> list[Row]:
    write_picture(tmp_path / 'in/a, "b".png', 30)
    (tmp_path / "in/bad.png").write_bytes(b"")
    return list(Run(images_in([str(tmp_path / "in")]), settings).rows())


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
