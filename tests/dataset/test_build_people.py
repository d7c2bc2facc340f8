"""What people decide in a built dataset: experts' layers, zone decisions, splits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from luxel import images
from luxel.dataset.check.check import check_dataset
from luxel.dataset.folder.manifest import write_json
from luxel.dataset.folder.scene_files import read_blocks
from luxel.dataset.folder.upkeep import decide, relabel, rereference, resplit
from luxel.dataset.iea40k.convert_released import export_released
from luxel.dataset.iea40k.layout import read_frame
from luxel.dataset.labels.layers import Layer, blocks_fingerprint, layer_folder, write_layer
from luxel.errors import DatasetError
from luxel.jobs.records import read_json
from luxel.photometry import lightness
from stand_ins.built_datasets import kinds, make, rows_of, sources_of
from stand_ins.dataset_scenes import write_source

NOW = "2026-11-23T12:00:00+00:00"


def a_layer(dataset: Path, scene: str, expert: str, amount: float, blocks: tuple[int, ...] = (0, 1)) -> Layer:
    labels = read_blocks(dataset / "scenes" / scene, (48, 72))
    return Layer(
        id=f"{expert}-{abs(amount)}".replace(".", "-"),
        expert=expert,
        made=NOW,
        mode="set",
        amount=amount,
        where=blocks,
        blocks_sha256=blocks_fingerprint(labels),
    )


def test_experts_layers_are_merged_and_taken_back(dataset: Path) -> None:
    before = {row.name: row for row in rows_of(dataset)}
    folder = layer_folder(dataset, "scene00", "P0")
    for expert, amount in (("anna", -0.9), ("ben", -0.7), ("cleo", 0.3)):
        write_layer(folder, a_layer(dataset, "scene00", expert, amount))
    assert "label" in kinds(dataset)  # laid down, not merged yet
    assert relabel(dataset) == (1, [])
    rows = {row.name: row for row in rows_of(dataset)}
    row = rows["scene00/P0"]
    _, residual, confidence = read_frame(dataset, row)
    touched = read_blocks(dataset / "scenes/scene00", (48, 72)) <= 1
    np.testing.assert_allclose(residual[touched], -0.7, atol=1.6e-5)
    assert np.all(confidence[touched] == 1)
    assert row.experts == "anna;ben;cleo"
    assert {name for name in rows if rows[name] != before[name]} == {"scene00/P0"}
    assert check_dataset(dataset).problems == []
    assert relabel(dataset) == (0, [])
    for place in folder.iterdir():
        place.unlink()
    folder.rmdir()
    assert relabel(dataset, ["scene00"]) == (1, [])
    assert rows_of(dataset) == list(before.values())
    assert check_dataset(dataset).problems == []


def test_layers_outlive_a_rebuild_or_are_named(tmp_path: Path) -> None:
    sources = sources_of(tmp_path / "in", 1)
    make(tmp_path / "out", sources)
    folder = layer_folder(tmp_path / "out", "scene00", "P0")
    mask = np.zeros((48, 72), dtype=bool)
    mask[:10] = True
    write_layer(folder, Layer(id="mask", expert="anna", made=NOW, mode="set", amount=0.5, where=mask))
    write_layer(folder, a_layer(tmp_path / "out", "scene00", "ben", 0.1))
    sources[0] = write_source(tmp_path / "in", "scene00", 99)  # another picture: its blocks are others
    outcome = make(tmp_path / "out", sources)[0]
    assert "other blocks" in outcome.notes[0]
    assert rows_of(tmp_path / "out")[1].experts == "anna"
    problems = check_dataset(tmp_path / "out").problems
    assert [(problem.kind, problem.place) for problem in problems] == [("layer", "scene00/P0")]


def test_a_person_decides_a_block_and_everything_follows(dataset: Path) -> None:
    before = {row.name: row for row in rows_of(dataset)}
    reference = images.read(dataset / "scenes/scene00/reference.png").pixels
    assert rereference(dataset) == (0, [])  # no decision changed, no byte changes
    assert rows_of(dataset) == list(before.values())
    decide(dataset, "scene00", {0: 1.0}, by="anna")
    assert "reference" in kinds(dataset)  # decided, not applied yet
    assert rereference(dataset, ["scene00"]) == (3, [])
    block = read_blocks(dataset / "scenes/scene00", (48, 72)) == 0
    darker = lightness(reference) - lightness(images.read(dataset / "scenes/scene00/reference.png").pixels)
    assert darker[block].mean() > 0.1
    assert {name for name, row in before.items() if row not in rows_of(dataset)} == {
        "scene00/N2",
        "scene00/P0",
        "scene00/P2",
    }
    assert check_dataset(dataset).problems == []
    decisions = read_json(dataset / "scenes/scene00/zones.json")["decisions"]
    assert [d["decided_by"] for d in decisions][:2] == ["anna", "rules"]
    with pytest.raises(DatasetError, match="no block 999"):
        decide(dataset, "scene00", {999: 5.0}, by="anna")
    with pytest.raises(DatasetError, match="name of the person"):
        decide(dataset, "scene00", {0: 5.0}, by="")


def test_decisions_of_people_outlive_a_rebuild_or_are_kept_aside(tmp_path: Path) -> None:
    sources = sources_of(tmp_path / "in", 1)
    make(tmp_path / "out", sources)
    decide(tmp_path / "out", "scene00", {0: 1.0}, by="anna")
    zones = tmp_path / "out/scenes/scene00/zones.json"
    sources[0] = replace(sources[0], tags={"scene": "street", "light": "", "tone": ""})  # built again, same blocks
    assert make(tmp_path / "out", sources)[0].state == "built"
    assert read_json(zones)["decisions"][0]["decided_by"] == "anna"
    assert check_dataset(tmp_path / "out").problems == []
    sources[0] = write_source(tmp_path / "in", "scene00", 99)  # another picture: other blocks
    assert "1 zone decisions by people" in make(tmp_path / "out", sources)[0].notes[-1]
    assert read_json(tmp_path / "out/outdated/scene00.zones.json")["decisions"][0]["decided_by"] == "anna"
    assert {d["decided_by"] for d in read_json(zones)["decisions"]} == {"rules"}


def test_long_stages_tell_every_scene_that_is_done(dataset: Path, tmp_path: Path) -> None:
    scenes = sorted(place.parent.name for place in dataset.glob("scenes/*/scene.json"))
    for stage in (relabel, rereference):
        reported: list[str] = []
        stage(dataset, progress=reported.append)
        assert reported == scenes
    reported = []
    export_released(dataset, tmp_path / "there", progress=reported.append)
    assert sorted(reported) == scenes


def test_broken_decisions_are_named(dataset: Path) -> None:
    zones = dataset / "scenes/scene00/zones.json"
    record = read_json(zones)
    write_json(zones, {**record, "decisions": record["decisions"][1:]})
    changed, notes = rereference(dataset)
    assert changed == 0
    assert "zones.json" in notes[0]
    assert "one for each" in notes[0]
    assert any("zones.json" in str(problem) for problem in check_dataset(dataset).problems)


def test_splits_can_be_made_again(dataset: Path) -> None:
    rows = resplit(dataset, seed=7, shares=(0.5, 0.5, 0))
    assert {row.split for row in rows} <= {"train", "val"}
    assert read_json(dataset / "dataset.json")["split"] == {"seed": 7, "shares": [0.5, 0.5, 0]}
    assert check_dataset(dataset).problems == []
    with pytest.raises(DatasetError, match="sum to 1"):
        resplit(dataset, shares=(1, 1, 1))
    with pytest.raises(DatasetError, match="no scene 'nowhere'"):
        relabel(dataset, ["nowhere"])
    with pytest.raises(DatasetError, match="not a luxel dataset"):
        relabel(dataset / "scenes")
