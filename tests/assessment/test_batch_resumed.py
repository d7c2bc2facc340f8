"""A run that resumes, and its journal."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from luxel import images
from luxel.assessment.batch import Run, Settings, assess_one
from luxel.assessment.journal import FILE_NAME, Journal, Row, Stamp
from luxel.jobs.file_list import Found
from stand_ins.batch_runs import write_picture
from stand_ins.onnx_files import global_mean, grey_target
from stand_ins.searching import images_in


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
