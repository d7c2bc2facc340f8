"""One damaged record of a dataset is a line and exit code 1; the other scenes are labelled, referenced and split."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("cv2", reason="needs luxel[dataset]")

from luxel.cli import app
from luxel.dataset.build import build_dataset
from luxel.dataset.folder.manifest import read_manifest
from luxel.dataset.folder.upkeep import BuildSettings
from luxel.dataset.labels.layers import Layer, layer_folder, write_layer
from stand_ins.dataset_scenes import prepare, write_source


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes, a and b; an expert changed P0 of b since it was labelled."""
    place = tmp_path_factory.mktemp("damaged")
    sources = [write_source(place / "in", name, seed) for seed, name in enumerate("ab")]
    build_dataset(sources, place / "data", settings=BuildSettings(short_side=32), prepare=prepare)
    where, amount = np.ones((32, 48), dtype=bool), np.full((32, 48), 0.25, dtype=np.float32)
    layer = Layer(id="l", expert="anna", made="2026-11-27T12:00:00+00:00", mode="add", amount=amount, where=where)
    write_layer(layer_folder(place / "data", "b", "P0"), layer)
    return place / "data"


def edited(place: Path, change: Callable[[dict], object]) -> None:  # type: ignore[type-arg]
    record = json.loads(place.read_text())
    change(record)
    place.write_text(json.dumps(record))


ALL, MAPS, ZONES = {"split", "label", "reference"}, {"label", "reference"}, {"reference"}
DAMAGE: dict[str, tuple[str, set[str], Callable[[Path], object]]] = {
    "not JSON": ("scene.json", ALL, lambda f: f.write_text("{")),
    "5,000 levels": ("scene.json", ALL, lambda f: f.write_text('{"rows":' + "[" * 5000 + "]" * 5000 + "}")),
    "a list": ("scene.json", ALL, lambda f: f.write_text("[]")),
    "NaN": ("scene.json", ALL, lambda f: edited(f, lambda r: r["rows"][0].update(score=float("nan")))),
    "rows of text": ("scene.json", ALL, lambda f: edited(f, lambda r: r.update(rows=["x"]))),
    "another format": ("scene.json", ALL, lambda f: edited(f, lambda r: r.update(format=99))),
    "another scene": ("scene.json", ALL, lambda f: edited(f, lambda r: r.update(scene_id="c"))),
    "a folder": ("scene.json", ALL, lambda f: (f.unlink(), f.mkdir())),
    "no image": ("P0.png", MAPS, lambda f: f.unlink()),
    "half an image": ("N2.png", MAPS, lambda f: f.write_bytes(f.read_bytes()[:60])),
    "no reference": ("reference.png", {"label"}, lambda f: f.unlink()),
    "blocks of 8 bit": ("blocks.png", MAPS, lambda f: shutil.copy(f.with_name("evidence.png"), f)),
    "zones of text": ("zones.json", ZONES, lambda f: edited(f, lambda r: r["decisions"].__setitem__(0, "x"))),
    "too few zones": ("zones.json", ZONES, lambda f: edited(f, lambda r: r["decisions"].pop())),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_other_scenes_are_done(damage: str, sound: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "data"))
    file, concerned, spoil = DAMAGE[damage]
    spoil(folder / "scenes/a" / file)
    for command in ("split", "label", "reference"):
        shown = CliRunner().invoke(app, ["dataset", command, str(folder)])
        assert shown.exit_code == int(command in concerned), (command, shown.output)
        lines = [line for line in shown.stderr.splitlines() if line]
        assert len(lines) == int(command in concerned), lines
        assert all("scenes/a" in line.replace(str(folder), "") for line in lines)
        if command == "label":
            assert "1 residual maps changed" in shown.stdout
    rows = {row.name: row for row in read_manifest(folder / "manifest.parquet")}
    assert rows["b/P0"].experts == "anna"
    assert ("a/P0" in rows) == (file != "scene.json")


@pytest.mark.parametrize(("file", "text"), [("report.json", "[" * 5000), ("taxonomy.toml", "a = [")])
def test_a_damaged_page_of_the_dataset_is_said(file: str, text: str, sound: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "data"))
    (folder / file).write_text(text)
    for command in ("split", "label"):
        shown = CliRunner().invoke(app, ["dataset", command, str(folder)])
        assert shown.exit_code == 1
        (line,) = [line for line in shown.stderr.splitlines() if line]
        assert file in line
    assert {row.name: row for row in read_manifest(folder / "manifest.parquet")}["b/P0"].experts == "anna"


def test_without_a_scene_that_can_be_read_nothing_is_written(sound: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "data"))
    for name in "ab":
        (folder / f"scenes/{name}/scene.json").write_text("{")
    before = (folder / "manifest.parquet").read_bytes()
    shown = CliRunner().invoke(app, ["dataset", "split", str(folder)])
    assert shown.exit_code == 2
    assert "no scene can be read" in shown.stderr
    assert (folder / "manifest.parquet").read_bytes() == before


def test_check_names_a_damaged_manifest(sound: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "data"))
    (folder / "manifest.parquet").write_bytes(b"PAR1" + bytes(40) + b"PAR1")
    shown = CliRunner().invoke(app, ["dataset", "check", str(folder)])
    assert shown.exit_code == 1
    assert "run luxel dataset split" in shown.stdout
    assert CliRunner().invoke(app, ["dataset", "split", str(folder)]).exit_code == 0
    assert "manifest" not in CliRunner().invoke(app, ["dataset", "check", str(folder)]).stdout
