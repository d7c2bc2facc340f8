"""`luxel dataset` from the command line: every command on real files, exit codes, and what a missing extra says."""

import importlib.util
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import typer
from typer.testing import CliRunner, Result

from luxel import images
from luxel.cli import app
from luxel.cli.dataset import dataset as group
from luxel.dataset.folder.manifest import read_manifest
from luxel.dataset.prepare import prepare_scene
from luxel.dataset.reference.bracket import frame
from luxel.dataset.reference.reference import ZoneRules
from luxel.dataset.reference.zone_decisions import EvidenceRules, apply_decisions
from luxel.dataset.sources.scan import scan_sources
from luxel.jobs.records import read_json
from luxel.samples.procedural import procedural_scene

COMMANDS = sorted(typer.main.get_command(group).commands)  # type: ignore[attr-defined]
WITHOUT_FAILURES = {"split", "stats", "convert", "taxonomy"}  # 0, or 2 for wrong usage
PAGE = Path(__file__).parents[2] / "docs" / "dataset-build.md"


def luxel(command: str, *arguments: object) -> Result:
    """Runs a command in this process: a time limit would start another."""
    more = ("--timeout", "0") if command in ("scan", "build") else ()
    return CliRunner().invoke(app, ["dataset", command, *map(str, (*arguments, *more))])


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bracket of three frames, an HDR picture and a photograph."""
    folder = tmp_path_factory.mktemp("material")
    rng = np.random.default_rng(4)
    light = procedural_scene(rng, height=96, width=144)
    (folder / "bracket").mkdir()
    lines = ["file,exposure_s"]
    for i, ev in enumerate((-2, 0, 2)):
        images.write(folder / "bracket" / f"f{i}.png", frame(light, ev))
        lines.append(f"f{i}.png,{2.0**ev / 60}")
    (folder / "bracket" / "bracket.csv").write_text("\n".join(lines) + "\n")
    tifffile.imwrite(folder / "light.tif", procedural_scene(rng, height=96, width=144), photometric="rgb")
    images.write(folder / "photo.jpg", frame(procedural_scene(rng, height=96, width=144), 0))
    return folder


@pytest.fixture(scope="session")
def built(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "data"
    shown = luxel("build", material, "--out", out, "--short-side", 96, "--jobs", 1, "--name", "Small set")
    assert shown.exit_code == 0, shown.output
    assert "3 scenes built, 0 kept, 0 failed" in shown.stdout
    return out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_whose_options_exist(command: str) -> None:
    shown = CliRunner().invoke(app, ["dataset", command, "--help"], env={"COLUMNS": "200"}).stdout
    options = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", shown, re.MULTILINE))
    examples = re.findall(rf"^ *(luxel dataset {command} .*)$", shown, re.MULTILINE)
    assert "Exit code:" in shown or command in WITHOUT_FAILURES
    assert examples
    for example in examples:
        assert set(re.findall(r"--[a-z][a-z-]*", example)) <= options, example
        assert shlex.split(example)


def test_the_page_names_every_command() -> None:
    text = PAGE.read_text()
    for command in COMMANDS:
        assert f"`luxel dataset {command} " in text


def test_scan_lists_scenes(material: Path) -> None:
    shown = luxel("scan", material)
    assert shown.exit_code == 0, shown.output
    kinds = [line.split()[1] for line in shown.stdout.splitlines()[2:]]
    assert sorted(kinds) == ["bracket", "hdr", "photo"]
    facts = [json.loads(line) for line in luxel("scan", material, "--json").stdout.splitlines()]
    assert {len(source["frames"]) for source in facts if source["kind"] == "bracket"} == {3}


def test_scan_of_nothing_says_what_to_do(tmp_path: Path) -> None:
    shown = luxel("scan", tmp_path)
    assert shown.exit_code == 2
    assert "no picture in" in shown.stderr
    assert luxel("scan", tmp_path / "nowhere").exit_code == 2


def test_align_writes_frames_and_says_how_well(material: Path, tmp_path: Path) -> None:
    shown = luxel("align", material / "bracket", "--out", tmp_path / "out", "--short-side", 96)
    assert shown.exit_code == 0, shown.output
    assert "the others are placed on it" in shown.stdout
    assert len(list((tmp_path / "out").glob("*/*.png"))) == 3
    alone = luxel("align", material / "photo.jpg", "--out", tmp_path / "out")
    assert alone.exit_code == 2
    assert "no bracket" in alone.stderr


def test_align_drops_what_cannot_be_used_and_aligns_the_rest(material: Path, tmp_path: Path) -> None:
    """As build does: a corrupt frame or one of another size costs itself, not the bracket."""
    place = tmp_path / "bracket"
    shutil.copytree(material / "bracket", place)
    data = (place / "f0.png").read_bytes()
    (place / "cut.png").write_bytes(data[: len(data) // 2])
    images.write(place / "small.png", images.read(place / "f0.png").pixels[:80])
    (place / "bracket.csv").write_text("file\ncut.png\nf0.png\nsmall.png\nf1.png\nf2.png\n")
    shown = luxel("align", place, "--out", tmp_path / "out", "--short-side", 96)
    assert shown.exit_code == 1
    lines = shown.stdout.splitlines()[2:]
    assert [line.split()[1] for line in lines] == ["cut.png", "f0.png", "small.png", "f1.png", "f2.png"]
    assert ["dropped" in line for line in lines] == [True, False, True, False, False]
    assert "truncated" in lines[0]
    assert "is 144 x 80 pixels" in lines[2]
    assert {file.name for file in (tmp_path / "out").glob("*/*.png")} == {"f0.png", "f1.png", "f2.png"}


def test_align_says_which_frames_show_too_little(tmp_path: Path) -> None:
    light = procedural_scene(np.random.default_rng(4), height=96, width=144)
    (tmp_path / "in").mkdir()
    for i, ev in enumerate((0, 1, -12)):
        images.write(tmp_path / "in" / f"{i}.png", frame(light, ev))
    (tmp_path / "in" / "bracket.csv").write_text("file\n0.png\n1.png\n2.png\n")
    shown = luxel("align", tmp_path / "in", "--out", tmp_path / "out", "--short-side", 96)
    assert shown.exit_code == 0, shown.output
    assert ["shows too little" in line for line in shown.stdout.splitlines()[2:]] == [False, False, True]
    assert "nan" not in shown.stdout


def test_stored_references_are_what_preparing_a_scene_gives(material: Path, built: Path) -> None:
    """Zone rules with evidence for brackets and HDR light, the plain ones for photographs."""
    for source in scan_sources([material]):
        prepared = prepare_scene(source, short_side=96)
        stored = images.read(built / "scenes" / source.scene_id / "reference.png").pixels
        rules = ZoneRules() if source.kind == "photo" else EvidenceRules()
        made = apply_decisions(prepared.preliminary, prepared.decisions, rules)
        assert np.abs(made.image * 255 - stored).max() < 1.1, source.kind


def test_build_check_stats_split(built: Path) -> None:
    assert luxel("check", built, "--jobs", 1).exit_code == 0
    rows = read_manifest(built / "manifest.parquet")
    assert {row.kind for row in rows} == {"bracket", "hdr", "photo"}
    assert len(rows) == 3 + 9 + 9
    stats = json.loads(luxel("stats", built, "--json").stdout)
    assert (stats["scenes"], stats["frames"], stats["kind"]["photo"]) == (3, 21, 1)
    shown = luxel("split", built, "--seed", 3, "--shares", "0.4,0.3,0.3")
    assert shown.exit_code == 0, shown.output
    assert [line.split() for line in shown.stdout.splitlines()[2:]] == [
        [f"split_{i}", str(3 + i), "1", "1", "1"] for i in range(5)
    ]
    assert luxel("split", built, "--shares", "a,b").exit_code == 2
    assert luxel("split", built, "--shares", "1,1,1").exit_code == 2
    assert luxel("check", built).exit_code == 0


def test_building_again_keeps_and_other_settings_are_rejected(material: Path, built: Path) -> None:
    again = luxel("build", material, "--out", built, "--short-side", 96, "--jobs", 1)
    assert "0 scenes built, 3 kept" in again.stdout
    assert read_json(built / "dataset.json")["name"] == "Small set"
    other = luxel("build", material, "--out", built, "--short-side", 64)
    assert other.exit_code == 2
    assert "short_side 96 instead of 64" in flat(other.stderr)


def test_a_failed_scene_is_reported_and_the_exit_code_says_so(tmp_path: Path) -> None:
    images.write(tmp_path / "in.png", frame(procedural_scene(np.random.default_rng(1), height=64, width=64), 0))
    (tmp_path / "material").mkdir()
    data = (tmp_path / "in.png").read_bytes()
    (tmp_path / "material" / "cut.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "material" / "good.png").write_bytes(data)
    shown = luxel("build", tmp_path / "material", "--out", tmp_path / "out", "--short-side", 64, "--jobs", 1)
    assert shown.exit_code == 1, shown.output
    assert "truncated" in shown.stderr
    assert "1 scenes built, 0 kept, 1 failed" in shown.stdout
    assert luxel("check", tmp_path / "out").exit_code == 0


def test_a_person_changes_a_zone(built: Path) -> None:
    scene = next(row.scene_id for row in read_manifest(built / "manifest.parquet") if row.kind == "photo")
    shown = luxel("reference", built, "--scene", scene, "--zone", "0=2", "--by", "anna")
    assert shown.exit_code == 0, shown.output
    assert "9 residual maps changed" in shown.stdout
    assert read_json(built / "scenes" / scene / "zones.json")["decisions"][0]["decided_by"] == "anna"
    assert luxel("check", built).exit_code == 0
    assert luxel("reference", built, "--zone", "0=2", "--by", "anna").exit_code == 2
    assert luxel("reference", built, "--scene", scene, "--zone", "zero", "--by", "anna").exit_code == 2
    assert "name of the person" in luxel("reference", built, "--scene", scene, "--zone", "0=2").stderr


def test_label_merges_layers_and_stats_tell_agreement(built: Path) -> None:
    from luxel.dataset.labels.layers import Layer, layer_folder, write_layer

    row = read_manifest(built / "manifest.parquet")[0]
    mask = np.zeros((row.height, row.width), dtype=bool)
    mask[:20, :30] = True
    ramp = np.linspace(-0.5, 0.5, mask.size, dtype=np.float32).reshape(mask.shape)
    for expert, offset in (("anna", 0.0), ("ben", 0.1)):
        layer = Layer(
            id=expert,
            expert=expert,
            made="2026-11-23T12:00:00Z",
            mode="set",
            amount=ramp * 4 % 0.5 + offset,
            where=mask,
        )
        write_layer(layer_folder(built, row.scene_id, row.level), layer)
    shown = luxel("label", built, "--scene", row.scene_id)
    assert (shown.exit_code, "1 residual maps changed" in shown.stdout) == (0, True), shown.output
    agreement = json.loads(luxel("stats", built, "--json").stdout)["agreement"][row.name]
    assert agreement["mean_difference"] == pytest.approx(0.1, abs=1e-3)
    assert 0.3 < agreement["icc"] < 0.95
    assert "anna, ben" in luxel("stats", built).stdout
    (layer_folder(built, row.scene_id, row.level) / "anna.json").write_text("{")
    broken = luxel("label", built)
    assert broken.exit_code == 1
    assert "anna.json" in flat(broken.stderr)
    (layer_folder(built, row.scene_id, row.level) / "anna.json").unlink()
    assert luxel("label", built).exit_code == 0


def test_convert_there_and_back(built: Path, tmp_path: Path) -> None:
    there = luxel("convert", built, "--out", tmp_path / "iea", "--to", "iea40k")
    assert there.exit_code == 0, there.output
    assert luxel("check", tmp_path / "iea").exit_code == 0
    twice = luxel("convert", built, "--out", tmp_path / "twice", "--to", "luxel")
    assert (twice.exit_code, "not in the released layout" in flat(twice.stderr)) == (2, True)
    back = luxel("convert", tmp_path / "iea", "--out", tmp_path / "back", "--to", "luxel")
    assert back.exit_code == 0, back.output
    assert luxel("check", tmp_path / "back").exit_code == 0
    assert json.loads(luxel("stats", tmp_path / "iea", "--json").stdout)["frames"] == 21


def test_check_prints_one_problem_a_line(built: Path, tmp_path: Path) -> None:
    luxel("convert", built, "--out", tmp_path / "iea")
    lost = sorted((tmp_path / "iea/IEA_img").iterdir())[:2]
    for place in lost:
        place.unlink()
    shown = luxel("check", tmp_path / "iea")
    assert shown.exit_code == 1
    assert [line.split(": ")[:2] for line in shown.stdout.splitlines()] == [
        ["missing", f"IEA_img/{place.name}"] for place in lost
    ]
    found = [json.loads(line) for line in luxel("check", tmp_path / "iea", "--json").stdout.splitlines()]
    assert [problem["kind"] for problem in found] == ["missing", "missing"]
    assert luxel("check", tmp_path / "nowhere").exit_code == 2


def test_the_table_of_names_is_the_users(material: Path, tmp_path: Path) -> None:
    out, names = tmp_path / "data", tmp_path / "names.toml"
    own = luxel("taxonomy").stdout.replace('"flower", ', '"moss", ')
    names.write_text(own)
    (tmp_path / "tags.csv").write_text("name,scene\nphoto.jpg,moss\n")
    source = (material / "photo.jpg", "--tags", tmp_path / "tags.csv")
    assert "unknown scene 'moss'" in flat(luxel("scan", *source).stderr)
    assert luxel("scan", *source, "--taxonomy", names).exit_code == 0
    build = ("build", *source, "--out", out, "--short-side", 64, "--jobs", 1)
    assert luxel(*build).exit_code == 2
    shown = luxel(*build, "--taxonomy", names)
    assert shown.exit_code == 0, shown.output
    assert json.loads(luxel("stats", out, "--json").stdout)["super-class"] == {"plant": 1}
    assert luxel("taxonomy", out).stdout == own
    assert "1 kept" in luxel(*build).stdout, "the dataset's own table holds without the option"
    assert luxel("check", out).exit_code == 0
    (out / "taxonomy.toml").write_text(own.replace('"moss", ', ""))
    shown = luxel("check", out)
    assert (shown.exit_code, shown.stdout.partition(":")[0]) == (1, "tag")
    assert "'moss'" in shown.stdout
    (out / "taxonomy.toml").write_text("[scenes")
    assert luxel("check", out).stdout.startswith("taxonomy: taxonomy.toml")
    assert luxel("taxonomy", material).exit_code == 2


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"taxonomy"}))
def test_without_the_extra_one_line_says_what_to_install(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "cv2" else find(name, *a))
    needs_out = command in ("build", "align", "convert", "tags")
    shown = luxel(command, tmp_path, *(("--out", tmp_path / "out") if needs_out else ()))
    assert shown.exit_code == 2
    assert f"luxel dataset {command}" in flat(shown.stderr)
    assert "pip install opencv-python-headless" in flat(shown.stderr)
