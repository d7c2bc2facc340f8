"""A benchmark's rows as files: atomic, named when damaged."""

import itertools
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from luxel.benchmark.protocol.results import has_row, read_errors, read_row, read_rows, write_row
from luxel.errors import LuxelError
from luxel.jobs.atomic import leftovers
from stand_ins.benchmark_rows import PICTURES, SCENES, errors, row


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    values = errors(0.1)
    stored = write_row(tmp_path / "new", row(mae=0.1, params=12, seconds_trained=3.5), values)
    assert stored.scenes == SCENES
    assert read_row(tmp_path / "new", "pieanet", "pixel", 0, 0) == stored
    assert read_rows(tmp_path / "new") == [stored]
    np.testing.assert_array_equal(read_errors(tmp_path / "new", stored), values)
    assert stored == row(mae=0.1, params=12, seconds_trained=3.5)


def test_every_row_has_a_file_of_its_own(tmp_path: Path) -> None:
    names = ["pieanet", "pieanet-l2", "luxel shipped", "luxel-shipped", "luxel%20shipped", "a.b", "a/b", "a_b"]
    wanted = [row(*key, scenes=()) for key in itertools.product(names, ("pixel", "score"), (0, 1), (0, 7))]
    for one in wanted:
        write_row(tmp_path, one)
    assert sorted(map(str, read_rows(tmp_path))) == sorted(map(str, wanted))


def test_a_row_replaces_the_one_before_it_with_its_errors(tmp_path: Path) -> None:
    write_row(tmp_path, row(mae=0.2), errors(0.2))
    again = write_row(tmp_path, row(status="failed", reason="out of memory"))
    assert read_rows(tmp_path) == [again]
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]
    with pytest.raises(LuxelError, match="no errors by picture; make it again"):
        read_errors(tmp_path, again)


def test_a_row_killed_while_it_is_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_row(tmp_path, row(mae=0.2), errors(0.2))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        write_row(tmp_path, row(mae=0.1), errors(0.1))
    monkeypatch.undo()
    assert read_rows(tmp_path) == [first]
    np.testing.assert_array_equal(read_errors(tmp_path, first), errors(0.2))
    assert not leftovers(tmp_path)


def test_resuming_asks_which_rows_are_there(tmp_path: Path) -> None:
    write_row(tmp_path, row("zero", mae=0.1))
    write_row(tmp_path, row("released", status="failed", reason="no file"))
    assert has_row(tmp_path, "zero", "pixel", 0, 0)
    assert not has_row(tmp_path, "zero", "pixel", 1, 0)
    assert not has_row(tmp_path, "zero", "score", 0, 0)
    assert has_row(tmp_path, "released", "pixel", 0, 0)
    assert not has_row(tmp_path, "released", "pixel", 0, 0, failed=False)


def test_a_measure_that_is_not_defined_is_none_and_an_infinite_one_an_error(tmp_path: Path) -> None:
    write_row(tmp_path, row(mae=0.1, sign=float("nan")))
    assert read_row(tmp_path, "pieanet", "pixel", 0, 0).sign is None
    with pytest.raises(LuxelError, match="psnr is infinite"):
        write_row(tmp_path, row(psnr=float("inf")))


@pytest.mark.parametrize("bad", [[0.1, float("nan")], [0.1, -0.2], [0.1, float("inf")]])
def test_errors_by_picture_that_are_not_errors_are_rejected(tmp_path: Path, bad: list[float]) -> None:
    with pytest.raises(LuxelError, match="1 of 2 errors are negative, nan or infinite"):
        write_row(tmp_path, row(scenes=("a", "b")), bad)


def test_every_error_has_a_scene(tmp_path: Path) -> None:
    with pytest.raises(LuxelError, match="40 errors for pictures of 2 scenes"):
        write_row(tmp_path, row(scenes=("a", "b")), errors(0.1))


def test_a_failed_row_says_why(tmp_path: Path) -> None:
    with pytest.raises(LuxelError, match="a failed row without a reason"):
        write_row(tmp_path, row(status="failed", reason=" "))


def _change(path: Path, **values: object) -> None:
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "REMOVED"}))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"mae": "small"}, "mae: input should be a valid number"),
        ({"status": "great"}, "status: input should be 'ok' or 'failed'"),
        ({"version": "REMOVED"}, "version: field required"),
        ({"colour": 1}, "colour: unexpected keyword argument"),
        ({"split": 1.5}, "split: input should be a valid integer"),
    ],
)
def test_a_damaged_row_is_named_with_its_file_and_field(
    tmp_path: Path, change: dict[str, object], expected: str
) -> None:
    write_row(tmp_path, row(mae=0.1))
    (path,) = tmp_path.glob("*.json")
    _change(path, **change)
    with pytest.raises(LuxelError, match=re.escape(f"{path}: is not a benchmark row ({expected}")) as caught:
        read_rows(tmp_path)
    assert "delete the row's files and run again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_off_row_is_named(tmp_path: Path) -> None:
    write_row(tmp_path, row(mae=0.1))
    (path,) = tmp_path.glob("*.json")
    path.write_text(path.read_text()[:50])
    with pytest.raises(LuxelError, match="is not a benchmark row"):
        has_row(tmp_path, "pieanet", "pixel", 0, 0)


def test_a_row_under_another_name_is_rejected(tmp_path: Path) -> None:
    write_row(tmp_path, row(mae=0.1))
    (path,) = tmp_path.glob("*.json")
    path.rename(path.with_name("zero.pixel.split0.seed0.json"))
    with pytest.raises(LuxelError, match="holds the row of pieanet, pixel, split 0, seed 0"):
        read_rows(tmp_path)


def test_errors_that_do_not_fit_their_row_are_named(tmp_path: Path) -> None:
    stored = write_row(tmp_path, row(mae=0.1), errors(0.1))
    (path,) = tmp_path.glob("*.npy")
    np.save(path, np.zeros(3, np.float32))
    with pytest.raises(LuxelError, match=rf"\(3,\) for {PICTURES} pictures; delete"):
        read_errors(tmp_path, stored)
    path.write_bytes(b"nothing")
    with pytest.raises(LuxelError, match="cannot be read"):
        read_errors(tmp_path, stored)
    path.unlink()
    with pytest.raises(LuxelError, match="cannot be read"):
        read_errors(tmp_path, stored)


def test_folders_without_rows_are_named(tmp_path: Path) -> None:
    with pytest.raises(LuxelError, match="no such folder"):
        read_rows(tmp_path / "none")
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(LuxelError, match="has no benchmark rows"):
        read_rows(tmp_path)


def test_a_row_that_cannot_be_written_names_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LuxelError, match="cannot be written"):
        write_row(tmp_path / "file", row())
