"""Runs of any length: memory holds the pictures in work, everything else is on disk."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from luxel import images
from luxel.assessment import batch
from luxel.assessment.batch import Run, Settings
from luxel.assessment.journal import FILE_NAME
from luxel.assessment.tables import ParquetFile, RunSummary
from luxel.cli import app
from luxel.jobs.file_list import FileList, Found
from stand_ins.onnx_files import grey_target


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")


@pytest.fixture
def luxel() -> Callable[..., Result]:
    return lambda *arguments, **options: CliRunner().invoke(app, [str(each) for each in arguments], **options)


def png(level: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((24, 32, 3), level, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_kept_rows_between_new_ones_come_in_order(tmp_path: Path, weights: Path) -> None:
    settings = Settings(weights, "onnxruntime")
    for n in range(40):
        images.write(tmp_path / f"{n:02}.png", np.full((24, 32, 3), 6 * n, np.uint8))
    pictures = [Found(tmp_path / f"{n:02}.png", f"{n:02}") for n in range(40)]
    out = tmp_path / "out"
    some = [picture for n, picture in enumerate(pictures) if n % 5 and n not in (39,)]
    list(Run(some, settings, out=out).rows())
    whole = list(Run(pictures, settings).rows())
    run = Run(pictures, settings, out=out, resume=True, jobs=2)
    assert run.earlier == len(some)
    assert list(run.rows()) == whole
    lines = [json.loads(line)["path"] for line in (out / FILE_NAME).read_text().splitlines()]
    assert lines == [str(picture.path) for picture in pictures]


def test_rows_are_passed_on_while_the_list_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2,000 pictures never more than one row is held, and the index and the journal stay on disk."""
    monkeypatch.setattr(batch, "assess_one", lambda picture, *_: {"path": picture.source, "outputs": {}, "error": "x"})
    pictures = FileList(Found(Path(f"{n}.png"), str(n)) for n in range(2000))
    count = 0
    with ParquetFile(tmp_path / "parts", part_rows=300) as table:
        for count, row in enumerate(Run(pictures, Settings(), out=tmp_path / "out").rows(), start=1):
            table.add(row)
            if count == 1000:
                assert [p.name for p in sorted((tmp_path / "parts").glob("*.parquet"))] == [
                    f"part-0000{n}.parquet" for n in range(3)
                ]
    assert count == 2000
    sizes = [pyarrow.parquet.read_metadata(file).num_rows for file in table.files]
    assert sizes == [300] * 6 + [200]
    assert pyarrow.parquet.read_table(tmp_path / "parts")["path"].to_pylist() == [f"{n}.png" for n in range(2000)]
    with ParquetFile(tmp_path / "parts", part_rows=300) as table:
        table.add({"path": "a", "outputs": {}, "error": "x"})
    assert [p.name for p in (tmp_path / "parts").iterdir()] == ["part-00000.parquet"], "no part of an earlier run stays"


def test_a_stopped_table_leaves_whole_parts_only(tmp_path: Path) -> None:
    def stopped() -> None:
        with ParquetFile(tmp_path / "parts", part_rows=2) as table:
            for name in "abc":
                table.add({"path": name, "outputs": {}, "error": "x"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [p.name for p in (tmp_path / "parts").iterdir()] == ["part-00000.parquet"]


def test_the_summary_counts_without_rows() -> None:
    summary = RunSummary()
    for score in (1.0, 4.0, 2.0):
        summary.add({"score": score, "error": None})
    summary.add({"error": "x"})
    assert str(summary) == "4 pictures; score median 2.00, 1.00 to 4.00; 1 could not be assessed"


def test_urls_are_assessed_and_resumed(tmp_path: Path, weights: Path, luxel: Callable[..., Result]) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs luxel[remote]")
    system = fsspec.filesystem("memory")
    system.pipe("/long/dark.png", png(20))
    system.pipe("/long/bad.png", b"no picture")
    (tmp_path / "list.csv").write_text(
        "n,url\n1,memory://long/dark.png\n2,memory://long/bad.png\n3,memory://long/gone.png\n"
    )
    flags = ("--weights", weights, "--backend", "onnxruntime", "--jobs", "1", "--timeout", "0", "--json")
    command = ("assess", "--files-from", tmp_path / "list.csv", "--out", tmp_path / "out", *flags)
    shown = luxel(*command)
    assert shown.exit_code == 1
    dark, bad, gone = map(json.loads, shown.stdout.splitlines())
    (tmp_path / "dark.png").write_bytes(png(20))
    (local,) = Run([Found(tmp_path / "dark.png", "dark")], Settings(weights, "onnxruntime")).rows()
    assert dark == {**local, "path": "memory://long/dark.png"}
    assert bad["error"].startswith("is not a picture")
    assert gone["error"].startswith("cannot be read: ")
    system.rm("/long/dark.png")
    again = luxel(*command, "--resume")
    assert "1 of 3 pictures were done before" in again.stderr
    assert json.loads(again.stdout.splitlines()[0]) == dark


def test_lists_from_stdin_and_shards_make_the_whole(
    tmp_path: Path, weights: Path, luxel: Callable[..., Result]
) -> None:
    names = [str(tmp_path / f"{n}.png") for n in range(7)]
    for n, name in enumerate(names):
        Path(name).write_bytes(png(30 * n))
    (tmp_path / "list.txt").write_text("\n".join(names))
    flags = ("--weights", weights, "--jobs", "1", "--timeout", "0", "--format", "csv")
    whole = luxel("assess", "--files-from", tmp_path / "list.txt", *flags).stdout.splitlines()
    parts = [luxel("assess", "--files-from", tmp_path / "list.txt", "--shard", f"{n}/2", *flags) for n in (1, 2)]
    assert [part.exit_code for part in parts] == [0, 0]
    rows = [line for part in parts for line in part.stdout.splitlines()[1:]]
    assert sorted(rows) == sorted(whole[1:])
    assert len(rows) == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name files, folders, globs or URLs, or give --files-from"),
        (("a.png", "--shard", "3/2"), "give I/N with I from 1 to N"),
        (("a.png", "--shard", "x"), "give I/N"),
        (("a.png", "--part-rows", "5"), "only Parquet is written in parts"),
        (("--files-from", "gone.txt"), "gone.txt: cannot be read"),
    ],
)
def test_wrong_sources_are_exit_code_2(luxel: Callable[..., Result], arguments: tuple[str, ...], words: str) -> None:
    shown = luxel("assess", *arguments)
    assert shown.exit_code == 2
    assert words in " ".join(shown.stderr.split())
