"""Datasets of scores without maps: SPAQ's folder and spreadsheet, IEA40K's lists."""

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("cv2", reason="the benchmark needs the extra luxel[train]")
pytest.importorskip("openpyxl", reason="SPAQ's spreadsheet needs the extra luxel[spreadsheet]")

from luxel.benchmark.protocol.data import open_frames, prepare_frames
from luxel.benchmark.protocol.scored import is_scored, read_scored
from luxel.cli import app
from luxel.errors import DatasetError, LuxelError
from stand_ins.same_process import SameProcess
from stand_ins.scored_images import SPAQ_HEADER, SPREADSHEET, iea40k_lists, photo, spaq, spaq_lines


@pytest.mark.parametrize("suffix", [".xlsx", ".csv"])
def test_spaq_is_read_as_published(tmp_path: Path, suffix: str) -> None:
    folder = spaq(tmp_path, suffix=suffix)
    listed = folder / "Annotations" / f"{SPREADSHEET}{suffix}"
    for data in (folder, listed):
        found = read_scored(data)
        assert is_scored(data)
        assert [image.name for image in found] == [line[0] for line in spaq_lines(20)]
        assert [image.score for image in found] == pytest.approx([0.4 * i for i in range(1, 21)])
        assert len({image.group for image in found}) == 20
        assert all(image.path.is_file() for image in found)


def test_iea40k_lists_need_no_maps(tmp_path: Path) -> None:
    folder = iea40k_lists(tmp_path)
    found = read_scored(folder)
    assert len(found) == 16
    assert {image.group for image in found} == {f"a{scene:04d}" for scene in range(8)}
    assert [image.score for image in found[:4]] == [0, 0, 1, 1]
    assert len(read_scored(folder / "train_256.csv")) == 12


def test_iea40k_images_may_lie_beside_the_list(tmp_path: Path) -> None:
    assert len(read_scored(iea40k_lists(tmp_path, images="."))) == 16


@pytest.mark.parametrize("make", [spaq, iea40k_lists])
def test_frames_have_five_splits_and_no_maps(tmp_path: Path, make: object) -> None:
    folder = make(tmp_path / "data")  # type: ignore[operator]
    frames = open_frames(prepare_frames(str(folder), 32, tmp_path / "cache", task="score"))
    assert frames.images.shape == (len(frames.entries), 32, 32, 3)
    assert frames.residuals is None
    assert frames.score_source == "given"
    for split in range(5):
        parts = [set(frames.scenes(split, name)) for name in ("train", "val", "test")]
        assert all(parts)
        assert len(set.union(*parts)) == sum(map(len, parts))
    assert len({frames.scenes(split, "test") for split in range(5)}) > 1
    with pytest.raises(LuxelError, match="has scores but no maps"):
        _ = frames.maps


def test_frames_hold_the_image_of_their_entry(tmp_path: Path) -> None:
    frames = open_frames(prepare_frames(str(spaq(tmp_path / "data")), 32, tmp_path / "cache", task="score"))
    means = [frames.images[i].mean() for i in range(len(frames.entries))]
    assert np.corrcoef(means, frames.scores)[0, 1] > 0.99  # the stand-ins are brighter the higher their score


def test_maps_are_asked_for_before_anything_is_decoded(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no maps; give --task score"):
        prepare_frames(str(spaq(tmp_path / "data")), 32, tmp_path / "cache", task="pixel")
    assert not (tmp_path / "cache").exists()


def test_other_scores_are_other_data(tmp_path: Path) -> None:
    folder = spaq(tmp_path / "data", suffix=".csv")
    first = prepare_frames(str(folder), 32, tmp_path / "cache", task="score")
    assert prepare_frames(str(folder), 32, tmp_path / "cache", task="score") == first
    listed = folder / "Annotations" / f"{SPREADSHEET}.csv"
    listed.write_text(listed.read_text().replace("50.25,4.0,", "50.25,5.0,"))
    assert prepare_frames(str(folder), 32, tmp_path / "cache", task="score") != first


def _rewrite(folder: Path, lines: list[tuple[object, ...]]) -> None:
    with (folder / "Annotations" / f"{SPREADSHEET}.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([SPAQ_HEADER], "no lines"),
        ([("Image name", "MOS"), ("00001.jpg", 3)], "no column 'Brightness'; it has Image name, MOS"),
        ([SPAQ_HEADER, ("00001.jpg", 1, 101)], "line 2: score '101' is not a number from 0 to 100"),
        ([SPAQ_HEADER, ("00001.jpg", 1, "nan")], "line 2: score 'nan'"),
        ([SPAQ_HEADER, ("00001.jpg", 1)], "line 2: score 'None'"),
        ([SPAQ_HEADER, ("99999.jpg", 1, 5)], "line 2: no file named"),
        ([SPAQ_HEADER, ("../00001.jpg", 1, 5)], "the name '../00001.jpg' leaves its folder"),
        ([SPAQ_HEADER, ("00001.jpg", 1, 5), ("00001.jpg", 1, 6)], "has the scores 0.5 and 0.6"),
    ],
)
def test_a_damaged_list_is_named_with_its_line(tmp_path: Path, lines: list[tuple[object, ...]], message: str) -> None:
    folder = spaq(tmp_path, count=3, suffix=".csv")
    _rewrite(folder, lines)
    with pytest.raises(DatasetError, match=message):
        read_scored(folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"Image name,Brightness\n"])
def test_a_file_that_is_not_a_spreadsheet(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{SPREADSHEET}.xlsx"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read as a spreadsheet"):
        read_scored(path)


def test_a_folder_of_photos_is_not_a_dataset(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 3)
    (tmp_path / "list.csv").write_text("name,score\na.png,3\n")
    assert not is_scored(tmp_path)
    with pytest.raises(DatasetError, match="no list of scores"):
        read_scored(tmp_path)


def test_a_run_trains_and_measures_on_spaq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from luxel.benchmark.protocol import run
    from luxel.benchmark.protocol.settings import BenchmarkSettings
    from luxel.benchmark.protocol.training import Budget

    monkeypatch.setattr(run, "Pool", SameProcess)
    frames = prepare_frames(str(spaq(tmp_path / "SPAQ")), 32, tmp_path / "cache", task="score")
    settings = BenchmarkSettings(frames=frames, out=tmp_path / "rows", budget=Budget.parse("8"), tiny=True)
    trained, measured = run.run_rows([run.Job("mslt", "score", 0, 0), run.Job("torres", "score", 0, 0)], settings)
    assert (trained.status, trained.reason, trained.images_seen) == ("ok", "", 8)
    assert trained.data.startswith("SPAQ, 32 px")
    assert measured.srcc is not None


def test_the_command_asks_for_the_score_task(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    arguments = ["benchmark", "run", "--data", str(spaq(tmp_path / "SPAQ")), "--out", str(tmp_path / "rows")]
    asked = CliRunner().invoke(app, arguments)
    assert asked.exit_code == 2
    assert "has scores but no maps" in asked.output
