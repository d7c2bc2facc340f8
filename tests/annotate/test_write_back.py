"""From submissions to the dataset: decisions, layers, agreement; the dataset stays sound."""

import json
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, text

from luxel.annotate.store.database import Database
from luxel.annotate.store.material import current_label
from luxel.annotate.store.tables import Scene
from luxel.annotate.write_back import RECORD, write_back
from luxel.dataset.check.check import check_dataset
from luxel.dataset.folder.manifest import MANIFEST, read_json, read_manifest, scene_folder
from luxel.dataset.folder.scene_files import read_blocks, read_residual, read_zones
from luxel.dataset.labels.layers import layer_folder, read_layers
from luxel.errors import DatasetError
from luxel.residual_files import SCALE
from stand_ins.annotators import annotate, brush, task_of, zones


def scene_of(database: Database, task_id: int) -> str:
    with database.reading() as session:
        scene = task_of(database, task_id).scene_id
        return str(session.scalar(text("SELECT name FROM scene WHERE id = :id"), {"id": scene}))


def test_references_become_zone_decisions(database: Database, dataset: Path) -> None:
    name = ""
    for person, value in (("anna", 3000), ("bert", 5000)):
        name = scene_of(database, annotate(database, dataset, person, [zones([2, 4], value)], "reference").task_id)
    before = read_zones(scene_folder(dataset, name))
    written = write_back(database, dataset)
    assert (written.references, written.notes) == (1, ())
    assert written.changed == 3
    after = read_zones(scene_folder(dataset, name))
    assert [d for d in after if d.block not in (2, 4)] == [d for d in before if d.block not in (2, 4)]
    for block in (2, 4):
        assert after[block].reason == "person"
        assert after[block].decided_by == "anna, bert"
        assert after[block].shift == pytest.approx(4000 / SCALE, abs=0.02)
    assert check_dataset(dataset).problems == []
    again = write_back(database, dataset)
    assert (again.references, again.layers, again.changed) == (0, 0, 0)


def test_decisions_finer_than_blocks_bring_their_segments(database: Database, dataset: Path) -> None:
    submission = annotate(database, dataset, "anna", [zones([0, 7], 4000, "fine")], "reference")
    name = scene_of(database, submission.task_id)
    folder = scene_folder(dataset, name)
    before = read_blocks(folder, (48, 72)).max()
    rules = {d.block: d.shift for d in read_zones(folder)}
    old = read_blocks(folder, (48, 72))
    write_back(database, dataset)
    blocks = read_blocks(folder, (48, 72))
    assert blocks.max() > before
    people = [d for d in read_zones(folder) if d.decided_by == "anna"]
    assert [d.block for d in people] == [0, 7]
    for decision in read_zones(folder):
        if decision.decided_by == "rules":
            (holder,) = np.unique(old[blocks == decision.block])
            assert decision.shift == rules[int(holder)]
    assert check_dataset(dataset).problems == []
    assert write_back(database, dataset).references == 0


def test_maps_become_layers_and_their_median_the_label(database: Database, dataset: Path) -> None:
    for person, value in (("anna", 9000), ("bert", 15_000)):
        submission = annotate(database, dataset, person, [brush(value, radius=9)], "residual")
    name = scene_of(database, submission.task_id)
    written = write_back(database, dataset)
    assert (written.layers, written.changed, written.notes) == (2, 1, ())
    row = next(row for row in read_manifest(dataset / MANIFEST) if row.experts)
    assert (row.scene_id, row.experts) == (name, "anna;bert")
    assert read_residual(dataset / row.residual)[20, 20] == pytest.approx(12_000 / SCALE, abs=1e-4)
    layers = read_layers(layer_folder(dataset, name, row.level))
    assert [layer.expert for layer in layers] == ["anna", "bert"]
    assert check_dataset(dataset).problems == []
    assert write_back(database, dataset).layers == 0


def test_what_is_not_accepted_stays_out(database: Database, dataset: Path) -> None:
    annotate(database, dataset, "anna", [brush(9000)], "residual", accept=False)
    written = write_back(database, dataset)
    assert (written.layers, written.changed) == (0, 0)


def test_agreement_is_stored_beside(database: Database, dataset: Path) -> None:
    for person, value in (
        ("anna", 3000),
        ("bert", 5000),
    ):
        annotate(database, dataset, person, [zones([2, 4], value)], "reference")
    write_back(database, dataset)
    record = read_json(dataset / RECORD)
    (target,) = record["targets"]
    assert target["experts"] == ["anna", "bert"]
    segments = len(target["segments"]["anna"]["raw"])
    print(segments, target["agreement"]["cells"])
    assert 2 <= target["agreement"]["cells"] < segments / 4  # of two blocks; what nobody changed does not count
    assert target["agreement"]["mean_difference"]["value"] == pytest.approx(2000 / SCALE, abs=1e-4)
    assert target["agreement"]["undefined"]["intervals"].startswith("one scene")
    raw = target["segments"]["anna"]["raw"]
    assert round(3000 / SCALE, 5) in raw
    assert record["habits"]["reference"]["bert"]["offset"] > 0 > record["habits"]["reference"]["anna"]["offset"]


@pytest.mark.parametrize("block", [9999, -1, 1], ids=["beyond", "negative", "twice"])
def test_decisions_of_wrong_blocks_are_a_note(block: int, database: Database, dataset: Path) -> None:
    """Block numbers come from a file that a person may have edited: never an index without a look."""
    names = [scene_of(database, annotate(database, dataset, "anna", [zones([2], 3000)], "reference").task_id)]
    annotate(database, dataset, "bert", [brush(9000)], "residual")
    zones_file = scene_folder(dataset, names[0]) / "zones.json"
    record = read_json(zones_file)
    record["decisions"][0]["block"] = block
    zones_file.write_text(json.dumps(record))
    written = write_back(database, dataset)
    assert (written.references, written.layers) == (0, 1)
    assert any("zones.json" in note and "keep exactly one for each" in note for note in written.notes)
    with database.reading() as session:
        scene = session.scalars(select(Scene).where(Scene.name == names[0], Scene.active)).one()
        with pytest.raises(DatasetError, match=r"zones\.json: \d+ decisions for \d+ blocks; keep exactly one"):
            current_label(dataset, scene, None)
