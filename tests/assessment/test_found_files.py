"""Which files a run takes: folders, globs, links, names of outputs."""

import os
import stat
from pathlib import Path

import pytest

from luxel.errors import LuxelError
from luxel.jobs.find import OWN_ENDINGS
from stand_ins.batch_runs import names
from stand_ins.searching import images_in


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
