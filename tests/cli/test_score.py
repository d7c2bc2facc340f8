"""`luxel score`: images, saved maps, regions, criteria."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from stand_ins.score_runs import rows_of


def test_pictures_are_assessed_and_scored(run: Callable[..., Result], folder: Path, weights: Path) -> None:
    result = run("score", folder / "photos", "--weights", weights, "--json")
    assert result.exit_code == 0, result.output
    fine, sky = rows_of(result)
    assert (fine["score"], sky["score"]) == (100, 40)
    assert sky["measured"]["either"] == pytest.approx(1 / 3, abs=0.02)
    assert (fine["error"], fine["needs"], fine["regions"]) == (None, [], [])
    table = run("score", folder / "photos", "--weights", weights).stdout
    assert "slightly high / low, or 30 % over / under" in table
    assert "Fig. 9" in table


def test_saved_maps_need_no_weights(run: Callable[..., Result], folder: Path) -> None:
    result = run("score", folder / "maps", "--maps", "--json")
    assert [(Path(row["path"]).name, row["score"]) for row in rows_of(result)] == [
        ("fine.residual.png", 100),
        ("sky.npy", 40),
    ]
    by_name = run("score", folder / "maps" / "sky.npy", folder / "maps" / "fine.residual.png", "--json")
    assert [row["score"] for row in rows_of(by_name)] == [40, 100]
    globbed = run("score", folder / "maps" / "*.npy", "--maps", "--json")
    assert [row["score"] for row in rows_of(globbed)] == [40]


def test_regions_from_a_folder_and_their_lines(run: Callable[..., Result], folder: Path, weights: Path) -> None:
    arguments = (folder / "photos", "--regions", folder / "regions", "--weights", weights)
    sky = rows_of(run("score", *arguments, "--json"))[1]
    by_name = {region["name"]: region for region in sky["regions"]}
    assert set(by_name) == {"land", "sky"}
    assert by_name["sky"]["over"] == pytest.approx(1, abs=0.05)
    assert by_name["sky"]["criteria_score"] == 0
    assert by_name["land"]["criteria_score"] == 100
    assert "sky: 100 % overexposed (0)" in run("score", *arguments).stdout
    own = rows_of(run("score", *arguments, "--criteria", folder / "mine.toml", "--json"))
    assert [row["score"] for row in own] == [10, 5]
    assert own[1]["regions"][0]["criteria_score"] is None, "these criteria are about the whole with its regions"


def test_maps_find_the_regions_of_their_pictures(run: Callable[..., Result], folder: Path) -> None:
    arguments = ("--maps", "--regions", folder / "regions", "--criteria", folder / "mine.toml", "--json")
    assert [row["score"] for row in rows_of(run("score", folder / "maps", *arguments))] == [10, 5]


def test_what_only_a_person_can_say(run: Callable[..., Result], folder: Path) -> None:
    residual = np.full((60, 80), 0.5, dtype=np.float32)
    np.save(folder / "maps" / "fine.npy", residual)
    arguments = (folder / "maps" / "fine.npy", "--criteria", folder / "mine.toml", "--regions", folder / "regions")
    shown = run("score", *arguments)
    assert "a person must answer: mood" in shown.stdout
    assert "mood: Is it meant? (--answer mood=yes)" in shown.stdout
    assert rows_of(run("score", *arguments, "--json"))[0]["needs"][0]["kind"] == "person"
    assert rows_of(run("score", *arguments, "--json", "--answer", "mood=yes"))[0]["score"] == 8
    wrong = run("score", *arguments, "--answer", "moood=yes")
    assert wrong.exit_code == 2
    assert "mine has no question 'moood'; its questions: mood" in wrong.stderr
    assert "write QUESTION=yes" in run("score", *arguments, "--answer", "mood").stderr


def test_without_regions_the_row_says_what_is_missing(run: Callable[..., Result], folder: Path) -> None:
    result = run("score", folder / "maps" / "sky.npy", "--criteria", folder / "mine.toml")
    assert result.exit_code == 1
    assert "no score, it needs: sky" in result.stdout


def test_superpixels(run: Callable[..., Result], folder: Path, weights: Path) -> None:
    pytest.importorskip("skimage")
    row = rows_of(run("score", folder / "photos" / "sky.png", "--superpixels", 8, "--weights", weights, "--json"))[0]
    assert sum(region["area"] for region in row["regions"]) == pytest.approx(1)
    maps = run("score", folder / "maps" / "sky.npy", "--superpixels", 8, "--json")
    assert "superpixels need the picture" in rows_of(maps)[0]["error"]
    assert maps.exit_code == 1


def test_many_regions_are_cut_on_a_terminal_the_worst_first(run: Callable[..., Result], folder: Path) -> None:
    labels = np.repeat(np.arange(1, 21, dtype=np.uint8), 4)[None].repeat(60, axis=0)
    Image.fromarray(labels).save(folder / "many.png")
    shown = run("score", folder / "maps" / "sky.npy", "--regions", folder / "many.png").stdout
    assert shown.count("region ") == 12
    assert "and 8 more regions, see --json" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("maps/gone.npy",), 1, "no such file"),
        (("maps/sky.npy", "--criteria", "nigth"), 2, "did you mean 'night'?"),
        (("maps/sky.npy", "--criteria", "gone.toml"), 2, "gone.toml: cannot be read"),
        (("maps/sky.npy", "--regions", "gone.png"), 2, "gone.png: no such region file or folder"),
        (("maps/sky.npy", "--regions", "photos/sky.png"), 1, "one channel of numbers"),
        (("maps/sky.npy", "--regions", "maps"), 1, "no regions of this picture; looked for sky{.png"),
        (("maps/sky.npy", "--regions", "regions", "--superpixels", "9"), 2, "cannot be used together"),
        (("maps/sky.npy", "--names", "gone.json"), 2, "--names needs --regions"),
        (("photos", "--maps"), 2, "no saved map (*.residual.png, *.npy) in this folder"),
        (("photos/sky.png", "--maps"), 1, "a saved map is PNG of 16 bit"),
        (
            ("maps/sky.npy", "--regions", "regions", "--criteria", "portrait"),
            1,
            "names region 'face', which is not given",
        ),
    ],
)
def test_bad_input_is_one_line(
    run: Callable[..., Result],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    expected: str,
) -> None:
    monkeypatch.chdir(folder)
    result = run("score", *arguments)
    assert result.exit_code == code, result.output
    assert expected in " ".join(result.output.split())
    assert "Traceback" not in result.output
    if code == 1:
        error = rows_of(run("score", *arguments, "--json"))[0]["error"]
        assert expected in error
        assert "\n" not in error


def test_one_bad_file_does_not_stop_the_others(run: Callable[..., Result], folder: Path, weights: Path) -> None:
    (folder / "photos" / "a.jpg").write_text("no picture")
    result = run("score", folder / "photos", "--weights", weights, "--json")
    assert result.exit_code == 1
    assert [row.get("score") for row in rows_of(result)] == [None, 100, 40]
