"""`luxel criteria`, `luxel light`, saved maps, and the page of criteria."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from luxel import criteria, images
from luxel.errors import ImageError
from luxel.residual_files import encode_residual, is_saved_map, read_saved_map
from stand_ins.score_runs import MINE, rows_of

PAGE = Path(__file__).parents[2] / "docs" / "criteria.md"


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
