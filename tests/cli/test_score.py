"""`luxel score`, `luxel criteria`, `luxel light` as people and programs meet them; saved maps; docs/criteria.md."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from luxel import criteria, images
from luxel.cli import app
from luxel.errors import ImageError
from luxel.residual_files import encode_residual, is_saved_map, read_saved_map
from stand_ins.onnx_files import grey_target

PAGE = Path(__file__).parents[2] / "docs" / "criteria.md"
MINE = """
scale = [0, 10]
[thresholds]
over = 0.2
under = 0.2
[regions]
sky = "x"
[questions]
mood = "Is it meant?"
[[band]]
score = 10
label = "fine"
when = "sky.either < 10 % and either < 10 %"
[[band]]
score = 8
label = "meant"
when = "mood and under > 10 %"
[[band]]
score = 5
label = "sky off"
when = "sky.over > 30 %"
[otherwise]
label = "look at it"
"""


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")


@pytest.fixture
def run() -> Callable[..., Result]:
    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures (grey fine.png, white-skied sky.png), their maps, and regions of the sky."""
    fine, sky = (np.full((60, 80, 3), 128, dtype=np.uint8) for _ in range(2))
    sky[:20] = 255
    for place in ("photos", "maps", "regions"):
        (tmp_path / place).mkdir()
    images.write(tmp_path / "photos" / "fine.png", fine)
    images.write(tmp_path / "photos" / "sky.png", sky)
    residual = np.zeros((60, 80), dtype=np.float32)
    images.write(tmp_path / "maps" / "fine.residual.png", encode_residual(residual))
    residual[:20] = -0.5
    np.save(tmp_path / "maps" / "sky.npy", residual)
    labels = np.zeros((60, 80), dtype=np.uint8)
    labels[:20] = 1
    for name in ("fine", "sky"):
        Image.fromarray(labels).save(tmp_path / "regions" / f"{name}.png")
        (tmp_path / "regions" / f"{name}.json").write_text('["land", "sky"]')
    (tmp_path / "mine.toml").write_text(MINE)
    return tmp_path


def rows_of(result: Result) -> list[dict]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


# --- luxel score ----------------------------------------------------------------------------------------------------


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


# --- luxel criteria -------------------------------------------------------------------------------------------------


def test_criteria_list_and_show(run: Callable[..., Result], tmp_path: Path) -> None:
    listed = run("criteria", "list").stdout
    assert [line.split()[0] for line in listed.splitlines()] == criteria.names()
    shown = run("criteria", "show", "night").stdout
    (tmp_path / "again.toml").write_text(shown)
    assert criteria.load(tmp_path / "again.toml").bands == criteria.load("night").bands
    assert run("criteria", "show", "nigth").exit_code == 2


def test_criteria_check(run: Callable[..., Result], folder: Path) -> None:
    good = run("criteria", "check", folder / "mine.toml", "fig9")
    assert good.exit_code == 0
    assert (
        "mine.toml: valid: 3 bands; over beyond 0.2; under beyond 0.2; regions sky; a person must answer mood"
        in good.stdout
    )
    (folder / "bad.toml").write_text(MINE.replace("sky.over", "sea.over"))
    bad = run("criteria", "check", folder / "bad.toml", "fig9")
    assert bad.exit_code == 1
    assert re.search(r"bad\.toml:21: when: unknown region 'sea'.*\[regions\] has sky", bad.stderr)
    assert "fig9: valid" in bad.stdout


def test_criteria_explain(run: Callable[..., Result], folder: Path, weights: Path) -> None:
    result = run("criteria", "explain", "fig9", folder / "photos" / "sky.png", "--weights", weights)
    assert result.exit_code == 0
    assert "fig9: 40, slightly high / low, or 30 % over / under (line 62)" in result.stdout
    assert re.search(r"line 51 +60 +no +either < 30 % \(3[23]\.\d %\)", result.stdout)
    assert re.search(r"line 62 +40 +yes +either < 40 %", result.stdout)
    own = run("criteria", "explain", folder / "mine.toml", folder / "maps" / "sky.npy")
    assert own.exit_code == 1
    assert "needs region 'sky': no regions were given" in own.stdout
    missing = run("criteria", "explain", "fig9", folder / "gone.npy")
    assert missing.exit_code == 1
    assert "no such file" in missing.stdout


# --- luxel light ----------------------------------------------------------------------------------------------------


def test_light_prints_numbers_and_draws(run: Callable[..., Result], folder: Path, weights: Path) -> None:
    out = folder / "out"
    drawings = ("--out", out, "--false-colour", "--zebra", "--zones", "--palette", "safe")
    result = run("light", folder / "photos", "--weights", weights, "--json", *drawings)
    assert result.exit_code == 0, result.output
    fine, sky = rows_of(result)
    assert sky["clipped_high"]["R"] == pytest.approx(1 / 3)
    assert sky["zones"]["VII"] == pytest.approx(1 / 3)
    assert sky["bracket"]["at_least"] is True
    assert fine["bracket"]["frames"] == [0.0]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        f"{name}.{kind}.png" for name in ("fine", "sky") for kind in ("false-colour", "zebra", "zones")
    )
    for file in sky["outputs"]:
        assert images.read(file).pixels.shape[0] > 60
    shown = run("light", folder / "photos" / "sky.png", "--weights", weights).stdout
    assert "highlights R 33.3%" in shown


def test_light_bad_input(run: Callable[..., Result], folder: Path, weights: Path) -> None:
    assert "add --out DIR" in run("light", folder / "photos", "--zebra").stderr
    assert "say which pictures" in run("light", folder / "photos", "--out", folder).stderr
    (folder / "photos" / "a.jpg").write_text("no picture")
    result = run("light", folder / "photos", "--weights", weights, "--json")
    assert result.exit_code == 1
    assert [row["error"] is None for row in rows_of(result)] == [False, True, True]
    (folder / "file").write_text("x")
    blocked = run("light", folder / "photos" / "sky.png", "--weights", weights, "--out", folder / "file", "--zones")
    assert blocked.exit_code == 2
    assert "choose another" in blocked.stderr


# --- saved maps -----------------------------------------------------------------------------------------------------


def test_saved_maps_come_back(tmp_path: Path) -> None:
    residual = np.random.default_rng(2).uniform(-1, 1, (9, 13)).astype(np.float32)
    images.write(tmp_path / "a.residual.png", encode_residual(residual))
    np.save(tmp_path / "a.npy", residual.astype(np.float64))
    np.save(tmp_path / "released.npy", np.rint(255 * residual).astype(np.int16))
    assert np.abs(read_saved_map(tmp_path / "a.residual.png") - residual).max() < 2e-5
    assert np.array_equal(read_saved_map(tmp_path / "a.npy"), residual)
    assert np.abs(read_saved_map(tmp_path / "released.npy") - residual).max() <= 0.5 / 255 + 1e-6
    assert is_saved_map(tmp_path / "a.RESIDUAL.png")
    assert not is_saved_map("photo.png")


def test_files_that_are_not_maps(tmp_path: Path) -> None:
    def fails(expected: str, path: Path) -> None:
        with pytest.raises(ImageError, match=expected) as caught:
            read_saved_map(path)
        assert "\n" not in str(caught.value)

    def saved(name: str, array: np.ndarray) -> Path:
        np.save(tmp_path / name, array)
        return tmp_path / name

    fails("no such file", tmp_path / "gone.npy")
    fails("no such file", tmp_path / "gone.png")
    (tmp_path / "text.npy").write_text("hello")
    fails("cannot be read as a NumPy array", tmp_path / "text.npy")
    fails(r"is float64 of shape \(4,\)", saved("flat.npy", np.zeros(4)))
    fails(r"is uint8 of shape \(4, 4\)", saved("unsigned.npy", np.zeros((4, 4), dtype=np.uint8)))
    fails("values run from 0 to 2", saved("large.npy", np.array([[0.0, 2.0]])))
    fails("values run from nan", saved("nan.npy", np.array([[0.0, np.nan]])))
    np.savez(tmp_path / "bundle", a=np.zeros((4, 4)))
    (tmp_path / "bundle.npz").rename(tmp_path / "bundle.npy")
    fails("a bundle of arrays", tmp_path / "bundle.npy")
    images.write(tmp_path / "8bit.residual.png", np.zeros((4, 4), dtype=np.uint8))
    fails("a saved map is PNG of 16 bit", tmp_path / "8bit.residual.png")
    colours = np.random.default_rng(0).integers(0, 65536, (4, 4, 3)).astype(np.uint16)
    images.write(tmp_path / "colour.residual.png", colours)
    fails("a picture in colour", tmp_path / "colour.residual.png")


# --- the page -------------------------------------------------------------------------------------------------------


def test_the_files_on_the_page_are_sound(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    whole = [block for block in blocks if "[thresholds]" in block and "[[band]]" in block]
    assert len(whole) >= 2
    for number, block in enumerate(whole):
        (tmp_path / f"{number}.toml").write_text(block)
        criteria.load(tmp_path / f"{number}.toml")


def test_the_page_names_every_measure_key_and_shipped_file() -> None:
    from luxel.criteria.condition import METRICS
    from luxel.criteria.reading import _KEYS

    text = PAGE.read_text(encoding="utf-8")
    for word in (*METRICS, *criteria.names(), *(key for keys in _KEYS.values() for key in keys)):
        assert re.search(rf"`[^`]*\b{word}\b[^`]*`", text), f"docs/criteria.md does not name {word}"


def test_the_errors_on_the_page_are_what_luxel_says(tmp_path: Path) -> None:
    """The table of the page: a condition, and what it is answered."""
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(when = \"[^`]*\")` \| (.*?) \|$", text, re.MULTILINE)
    assert len(rows) >= 5
    head = "scale = [0, 100]\n[thresholds]\nover = 0.2\nunder = 0.2\n[levels]\nslightly = 0.1\n"
    for when, expected in rows:
        (tmp_path / "x.toml").write_text(f'{head}[[band]]\nscore = 1\nlabel = "x"\n{when}\n[otherwise]\nlabel = "y"\n')
        with pytest.raises(criteria.CriteriaError) as caught:
            criteria.load(tmp_path / "x.toml")
        assert expected.replace("\\|", "|") in str(caught.value)
