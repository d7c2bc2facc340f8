"""Building a dataset: what is in it, building again, bad scenes, settings."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from luxel import images
from luxel.dataset.build import build_dataset
from luxel.dataset.check.check import check_dataset
from luxel.dataset.iea40k.layout import read_frame
from luxel.dataset.labels.label import Flag, LabelRules
from luxel.dataset.reference.reference import apply_zones
from luxel.dataset.sources.scan import SceneSource
from luxel.errors import DatasetError
from luxel.jobs.lock import locked
from luxel.jobs.records import read_json
from luxel.photometry import lightness
from luxel.residual import mean_residual_score
from stand_ins.built_datasets import SMALL, kinds, make, rows_of, sources_of, times
from stand_ins.dataset_scenes import prepare, write_source


def test_a_dataset_is_whole_and_sound(pristine: Path) -> None:
    result = check_dataset(pristine)
    assert result.problems == []
    assert (result.layout, result.scenes, result.frames) == ("luxel", 3, 9)
    for name in ("README.md", "croissant.json", "coverage.html", "report.json", "dataset.json", "manifest.parquet"):
        assert (pristine / name).stat().st_size > 0


def test_a_stored_label_is_reference_minus_image_where_no_rule_says_otherwise(pristine: Path) -> None:
    for row in rows_of(pristine):
        image, residual, confidence = read_frame(pristine, row)
        reference = images.read(pristine / row.reference).pixels
        flags = images.read(pristine / str(row.flags)).pixels[..., 0]
        plain = (flags & (Flag.SEVERE | Flag.CLEANED)) == 0
        np.testing.assert_allclose(residual[plain], (lightness(reference) - lightness(image))[plain], atol=1.6e-5)
        assert row.score == pytest.approx(mean_residual_score(residual), abs=1e-6)
        assert confidence.mean() == pytest.approx(row.confidence_mean, abs=1e-6)
        assert np.all(flags[:2, :2] & Flag.MOVING)


def test_darker_frames_read_as_underexposed(pristine: Path) -> None:
    rows = {row.name: row for row in rows_of(pristine)}
    for scene in ("scene00", "scene01", "scene02"):
        assert rows[f"{scene}/N2"].under > rows[f"{scene}/P2"].under
        assert rows[f"{scene}/P2"].over > rows[f"{scene}/N2"].over


def test_facts_of_the_source_reach_the_rows(pristine: Path) -> None:
    row = rows_of(pristine)[0]
    assert (row.device, row.licence, row.tone, row.iso) == ("Test camera", "CC0-1.0", "dark", 100.0)
    assert row.exposure_s == pytest.approx(1 / 240)


def test_a_reference_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(fused: np.ndarray, *more: object) -> np.ndarray:
        made.append(fused.shape)
        return apply_zones(fused, *more)  # type: ignore[arg-type]

    monkeypatch.setattr("luxel.dataset.reference.reference.apply_zones", counted)
    make(tmp_path / "out", sources_of(tmp_path / "in", 2))
    assert len(made) == 2


def test_building_again_does_nothing_twice(tmp_path: Path) -> None:
    sources = sources_of(tmp_path / "in", 2)
    make(tmp_path / "out", sources)
    before, manifest = times(tmp_path / "out"), (tmp_path / "out/manifest.parquet").read_bytes()
    outcomes = make(tmp_path / "out", sources)
    assert [outcome.state for outcome in outcomes] == ["kept", "kept"]
    assert times(tmp_path / "out") == before
    assert (tmp_path / "out/manifest.parquet").read_bytes() == manifest


def test_a_later_build_adds_scenes_and_removes_none(tmp_path: Path) -> None:
    first, second = sources_of(tmp_path / "in", 2)
    make(tmp_path / "out", [first])
    make(tmp_path / "out", [second])
    assert {row.scene_id for row in rows_of(tmp_path / "out")} == {"scene00", "scene01"}


def test_a_changed_source_is_built_again_and_only_that(tmp_path: Path) -> None:
    sources = sources_of(tmp_path / "in", 2)
    make(tmp_path / "out", sources)
    before = times(tmp_path / "out")
    sources[1] = write_source(tmp_path / "in", "scene01", 77)
    assert [outcome.state for outcome in make(tmp_path / "out", sources)] == ["kept", "built"]
    after = times(tmp_path / "out")
    assert (before["scene00"] == after["scene00"], before["scene01"] == after["scene01"]) == (True, False)
    assert check_dataset(tmp_path / "out").problems == []


def test_a_lost_file_is_made_again(dataset: Path, pristine: Path) -> None:
    (dataset / rows_of(dataset)[0].residual).unlink()
    sources = sources_of(pristine.parent / "in", 3)
    assert [outcome.state for outcome in make(dataset, sources)] == ["built", "kept", "kept"]
    assert check_dataset(dataset).problems == []


def test_one_bad_scene_is_a_row_with_the_reason(tmp_path: Path) -> None:
    sources = [
        write_source(tmp_path / "in", name, 1 + i) for i, name in enumerate(("good", "broken", "bug", "dropped"))
    ]
    outcomes = {outcome.scene_id: outcome for outcome in make(tmp_path / "out", sources)}
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "good": "built",
        "broken": "failed",
        "bug": "failed",
        "dropped": "built",
    }
    assert "truncated HDR" in outcomes["broken"].reason
    assert "ZeroDivisionError" in outcomes["bug"].reason
    report = read_json(tmp_path / "out/report.json")["outcomes"]
    assert report == json.loads(json.dumps([asdict(outcomes[source.scene_id]) for source in sources]))
    page = (tmp_path / "out/coverage.html").read_text()
    assert "truncated HDR" in page
    assert "SSIM 0.21" in page
    assert str(tmp_path) not in page + (tmp_path / "out/report.json").read_text(), "a machine's path is published"
    assert check_dataset(tmp_path / "out").problems == []


def test_a_failed_scene_is_tried_again(tmp_path: Path) -> None:
    sources = [write_source(tmp_path / "in", "broken", 1)]
    assert make(tmp_path / "out", sources)[0].state == "failed"
    calls = []

    def prepare_with_fix(source: SceneSource, **settings: object) -> object:
        calls.append(source)
        return prepare(replace(source, frames=(replace(source.frames[0], file=other),)), **settings)  # type: ignore[arg-type]

    other = tmp_path / "in" / "fixed.hdr"
    other.write_text("1")
    outcome = build_dataset(sources, tmp_path / "out", settings=SMALL, prepare=prepare_with_fix)[0]  # type: ignore[arg-type]
    assert (outcome.state, len(calls)) == ("built", 1)


def test_other_settings_are_rejected_or_rebuilt_never_mixed(tmp_path: Path) -> None:
    sources = sources_of(tmp_path / "in", 2)
    make(tmp_path / "out", sources)
    other = replace(SMALL, rules=LabelRules(severe=-0.8))
    with pytest.raises(DatasetError, match=r"severe -0\.9 instead of -0\.8.*--rebuild"):
        build_dataset(sources, tmp_path / "out", settings=other, prepare=prepare)
    # A rebuild that reached one scene only: check says so, and the next build does the rest.
    build_dataset(sources[:1], tmp_path / "out", settings=other, prepare=prepare, rebuild=True)
    assert "settings" in kinds(tmp_path / "out")
    outcomes = build_dataset(sources, tmp_path / "out", settings=other, prepare=prepare)
    assert [outcome.state for outcome in outcomes] == ["kept", "built"]
    assert check_dataset(tmp_path / "out").problems == []


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(DatasetError, match=r"holiday\.jpg"):
        make(tmp_path, [])
    assert [place.name for place in tmp_path.iterdir()] == ["holiday.jpg"]


def test_two_builds_do_not_work_in_one_folder(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from luxel.jobs.lock import locked
with locked(Path({str(tmp_path / "out")!r})):
    print("held", flush=True)
    input()
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(DatasetError, match="another luxel"):
        make(tmp_path / "out", [])
    process.kill()
    process.wait()
    with locked(tmp_path / "out"):
        pass


def test_two_sources_of_one_name_are_rejected(tmp_path: Path) -> None:
    source = write_source(tmp_path / "in", "a", 1)
    with pytest.raises(DatasetError, match="named 'a'"):
        make(tmp_path / "out", [source, source])
