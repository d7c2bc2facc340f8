"""Ratings written beside images, exported ratings, stars."""

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from luxel.cli import app
from luxel.errors import LuxelError
from luxel.report import culling, xmp
from luxel.report.culling import WantedRating, apply, read_ratings
from stand_ins.xmp_texts import ADOBE, BILLION, DARKTABLE, UNRATED, rating_of


def picture(folder: Path, name: str = "IMG_1.CR2") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"the picture's own bytes")
    return path


# Files ----------------------------------------------------------------------------------------------------------------


def test_nothing_is_written_unless_asked_and_never_the_picture(tmp_path: Path) -> None:
    file = picture(tmp_path)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    [change] = apply([WantedRating(file, 4)])
    assert (change.outcome, change.before, change.after) == ("new", None, 4)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before
    assert apply([WantedRating(file, 4)], write=True) == [change]
    assert rating_of((tmp_path / "IMG_1.CR2.xmp").read_bytes()) == 4
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before[file]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["IMG_1.CR2", "IMG_1.CR2.xmp"]
    assert apply([WantedRating(file, 4)], write=True)[0].outcome == "same"


@pytest.mark.parametrize(
    ("style", "names"),
    [
        ("auto", ["IMG_1.CR2.xmp"]),
        ("darktable", ["IMG_1.CR2.xmp"]),
        ("adobe", ["IMG_1.xmp"]),
        ("both", ["IMG_1.CR2.xmp", "IMG_1.xmp"]),
    ],
)
def test_both_naming_styles(tmp_path: Path, style: culling.SidecarStyle, names: list[str]) -> None:
    apply([WantedRating(picture(tmp_path), 3)], style=style, write=True)
    assert sorted(path.name for path in tmp_path.glob("*.xmp")) == names


def test_auto_goes_where_a_sidecar_lies_already(tmp_path: Path) -> None:
    file = picture(tmp_path)
    (tmp_path / "IMG_1.XMP").write_text(UNRATED)
    apply([WantedRating(file, 3)], write=True)
    assert [path.name for path in tmp_path.iterdir() if path != file] == ["IMG_1.XMP"]
    assert rating_of((tmp_path / "IMG_1.XMP").read_bytes()) == 3


def test_an_adobe_sidecar_belongs_to_the_raw_file(tmp_path: Path) -> None:
    raw, jpeg = picture(tmp_path, "IMG_1.CR2"), picture(tmp_path, "IMG_1.JPG")
    (tmp_path / "IMG_1.xmp").write_text(ADOBE)
    changes = apply([WantedRating(jpeg, 5), WantedRating(raw, 4)], style="adobe", overwrite=True, write=True)
    assert [change.outcome for change in changes] == ["rejected", "change"]
    assert "IMG_1.CR2" in changes[0].reason
    assert rating_of((tmp_path / "IMG_1.xmp").read_bytes()) == 4
    assert [c.sidecar.name for c in apply([WantedRating(jpeg, 5)])] == ["IMG_1.JPG.xmp"]


def test_a_persons_rating_stays_unless_replaced_on_request(tmp_path: Path) -> None:
    file = picture(tmp_path)
    sidecar = tmp_path / "IMG_1.CR2.xmp"
    sidecar.write_text(DARKTABLE)
    [change] = apply([WantedRating(file, 5)], write=True)
    assert (change.outcome, change.before, change.after) == ("kept", 3, 3)
    assert sidecar.read_text() == DARKTABLE
    [change] = apply([WantedRating(file, 5)], write=True, overwrite=True)
    assert (change.outcome, change.before, change.after) == ("change", 3, 5)
    assert sidecar.read_text() == DARKTABLE.replace('Rating="3"', 'Rating="5"')


def test_luxels_own_stars_give_way_and_become_a_persons(tmp_path: Path) -> None:
    file = picture(tmp_path)
    sidecar = culling.darktable_name(file)
    apply([WantedRating(file, 3, ours=True)], write=True)
    assert apply([WantedRating(file, 4, ours=True)], write=True)[0].outcome == "change"
    assert xmp.read(sidecar.read_bytes()) == xmp.Sidecar(4, ours=True)
    # The same number from a person is a judgement: no later score may change it.
    assert apply([WantedRating(file, 4)], write=True)[0].outcome == "change"
    assert apply([WantedRating(file, 1, ours=True)], write=True)[0].outcome == "kept"
    assert xmp.read(sidecar.read_bytes()) == xmp.Sidecar(4, ours=False)


def test_unrated_is_nobodys_rating(tmp_path: Path) -> None:
    file = picture(tmp_path)
    assert apply([WantedRating(file, 0)], write=True)[0].outcome == "same"
    assert not list(tmp_path.glob("*.xmp"))
    culling.darktable_name(file).write_text(DARKTABLE.replace('Rating="3"', 'Rating="0"'))
    assert apply([WantedRating(file, 2)], write=True)[0].outcome == "change"


def test_a_bad_sidecar_is_rejected_and_the_others_continue(tmp_path: Path) -> None:
    bad, good = picture(tmp_path, "a.NEF"), picture(tmp_path, "b.NEF")
    culling.darktable_name(bad).write_text(BILLION)
    changes = apply([WantedRating(bad, 3), WantedRating(tmp_path / "gone.NEF", 3), WantedRating(good, 3)], write=True)
    assert [change.outcome for change in changes] == ["rejected", "rejected", "new"]
    assert "document type" in changes[0].reason
    assert changes[1].reason == "no such picture"
    assert culling.darktable_name(bad).read_text() == BILLION


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    file, store = picture(tmp_path), tmp_path / "store" / "real.xmp"
    store.parent.mkdir()
    store.write_text(UNRATED)
    store.chmod(0o640)
    culling.darktable_name(file).symlink_to(store)
    apply([WantedRating(file, 2)], write=True)
    assert culling.darktable_name(file).is_symlink()
    assert rating_of(store.read_bytes()) == 2
    assert stat.S_IMODE(store.stat().st_mode) == 0o640


def test_a_link_to_something_else_is_rejected(tmp_path: Path) -> None:
    file = picture(tmp_path)
    target = tmp_path / "precious.txt"
    target.write_text(UNRATED)
    culling.darktable_name(file).symlink_to(target)
    assert apply([WantedRating(file, 2)], write=True)[0].outcome == "rejected"
    assert target.read_text() == UNRATED


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    file = picture(tmp_path / "locked")
    file.parent.chmod(0o555)
    try:
        [change] = apply([WantedRating(file, 2)], write=True)
    finally:
        file.parent.chmod(0o755)
    assert change.outcome == "rejected"
    assert "cannot be written" in change.reason


# Exported ratings -----------------------------------------------------------------------------------------------------


def exported(tmp_path: Path, *entries: object, **top: object) -> Path:
    file = tmp_path / "ratings.json"
    file.write_text(json.dumps({"format": "luxel-ratings-1", "ratings": entries} | top))
    return file


def test_stars_rejects_and_picks(tmp_path: Path) -> None:
    file = exported(
        tmp_path,
        {"path": "a.CR2", "rating": 4, "flag": None},
        {"path": "sub/b.CR2", "rating": None, "flag": "reject"},
        {"path": "c.CR2", "rating": None, "flag": "pick"},
        {"path": "d.CR2", "rating": 2, "flag": "reject"},
        {"path": "e.CR2", "rating": 2, "flag": "pick"},
    )

    def wanted(**options: object) -> list[tuple[str, int]]:
        found = read_ratings(file, tmp_path, **options)  # type: ignore[arg-type]
        return [(one.picture.relative_to(tmp_path).as_posix(), one.rating) for one in found]

    assert wanted() == [("a.CR2", 4), ("d.CR2", 2), ("e.CR2", 2)]
    assert wanted(rejects=True, picks=5) == [
        ("a.CR2", 4), ("sub/b.CR2", -1), ("c.CR2", 5), ("d.CR2", -1), ("e.CR2", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"path": "../a.CR2", "rating": 3}, "leads out of the folder"),
        ({"path": "/etc/passwd", "rating": 3}, "leads out of the folder"),
        ({"path": "a/../../b.CR2", "rating": 3}, "leads out of the folder"),
        ({"path": "", "rating": 3}, "is not a path"),
        ({"path": "a\0.CR2", "rating": 3}, "is not a path"),
        ({"path": 7, "rating": 3}, "is not a path"),
        ({"path": "a.CR2", "rating": 9}, "rating '9'"),
        ({"path": "a.CR2", "rating": -1}, "rating '-1'"),
        ({"path": "a.CR2", "rating": True}, "rating 'True'"),
        ({"path": "a.CR2", "rating": "5"}, "rating '5'"),
        ({"path": "a.CR2", "rating": [1]}, "rating"),
        ({"path": "a.CR2", "rating": 3, "flag": "maybe"}, "flag 'maybe'"),
        ("a.CR2", "not a list of objects"),
    ],
)
def test_bad_entries_are_rejected_in_one_line(tmp_path: Path, entry: object, reason: str) -> None:
    with pytest.raises(LuxelError, match=reason) as caught:
        read_ratings(exported(tmp_path, entry), tmp_path)
    assert "\n" not in str(caught.value)


def test_bad_files_are_rejected_in_one_line(tmp_path: Path) -> None:
    def rejected(file: Path, reason: str, folder: Path = tmp_path) -> None:
        with pytest.raises(LuxelError, match=reason) as caught:
            read_ratings(file, folder)
        assert "\n" not in str(caught.value)

    rejected(tmp_path / "gone.json", "No such file")
    rejected(exported(tmp_path), "no such folder", tmp_path / "gone")
    rejected(exported(tmp_path, format="something"), "not a luxel-ratings-1 file")
    rejected(exported(tmp_path, ratings={}), "not a list of objects")
    broken = tmp_path / "broken.json"
    for content in ("", "[1, 2", "[]", "\x00", "[" * 100_000):
        broken.write_text(content)
        rejected(broken, "broken.json")


# Stars ----------------------------------------------------------------------------------------------------------------


def test_stars_of_scores() -> None:
    scores = [8, 7.5, 7.2, 7.1, 6.2, 6.1, 5.0, 4.9, 3.0, 2.9, 0]
    assert [culling.stars(score) for score in scores] == [5, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    assert culling.checked_bounds("9,8, 7,6") == (9, 8, 7, 6)


@pytest.mark.parametrize(
    "text", ["", "9", "9,8,7", "7,8,9,9.5", "9,8,8,7", "11,9,8,7", "9,8,7,0", "a,b,c,d", "9,8,7,nan"]
)
def test_bad_bounds(text: str) -> None:
    with pytest.raises(LuxelError, match="four decreasing scores"):
        culling.checked_bounds(text)


# Command --------------------------------------------------------------------------------------------------------------


def test_the_command_lists_then_writes(tmp_path: Path) -> None:
    shoot = tmp_path / "shoot"
    file = picture(shoot)
    digest = hashlib.sha256(file.read_bytes()).digest()
    ratings = exported(tmp_path, {"path": "IMG_1.CR2", "rating": 5, "flag": "pick"})
    runner = CliRunner()
    result = runner.invoke(app, ["xmp", str(ratings), str(shoot)])
    assert result.exit_code == 0
    assert "1 sidecar to write" in result.output
    assert "--write" in result.output
    assert sorted(path.name for path in shoot.iterdir()) == ["IMG_1.CR2"]
    result = runner.invoke(app, ["xmp", str(ratings), str(shoot), "--write", "--style", "both"])
    assert result.exit_code == 0
    assert "2 sidecars written" in result.output
    assert {rating_of(path.read_bytes()) for path in shoot.glob("*.xmp")} == {5}
    assert hashlib.sha256(file.read_bytes()).digest() == digest


def test_the_command_tells_what_it_cannot_do(tmp_path: Path) -> None:
    runner = CliRunner()
    ratings = exported(tmp_path, {"path": "gone.CR2", "rating": 5})
    result = runner.invoke(app, ["xmp", str(ratings), str(tmp_path), "--write"])
    assert result.exit_code == 1
    assert "no such picture" in result.output
    result = runner.invoke(app, ["xmp", str(tmp_path / "gone.json"), str(tmp_path)])
    assert result.exit_code == 2
    assert result.output.startswith("luxel: ")
    assert result.output.count("\n") == 1
    result = runner.invoke(app, ["xmp", str(exported(tmp_path, {"path": "a.CR2", "flag": "reject"})), str(tmp_path)])
    assert result.exit_code == 0
    assert "--rejects" in result.output
