"""Scanning: what is a bracket, what is a scene of its own, and what is said about wrong input."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel.dataset.bracket import frame
from luxel.dataset.prepare import prepare_scene
from luxel.dataset.scan import scan
from luxel.dataset.taxonomy import load_taxonomy, read_tags
from luxel.errors import DatasetError
from source_material import light_of, write_dng, write_hdr, write_jpeg


@pytest.fixture
def shoot(tmp_path: Path) -> Path:
    """A bracket of three by EXIF, a lone photograph an hour later, and an HDR picture."""
    light = light_of("astronaut", height=160) * 0.5
    for i, (ev, seconds) in enumerate([(0, 0.01), (-2, 0.0025), (2, 0.04)]):
        write_jpeg(tmp_path / f"b{i}.jpg", frame(light, ev), seconds=float(i), exposure_s=seconds)
    write_jpeg(tmp_path / "lone.jpg", frame(light_of("coffee", height=160), 0), seconds=3600.0, exposure_s=0.01)
    write_hdr(tmp_path / "light.hdr", light_of("coffee", height=160) * 4)
    return tmp_path


def test_exif_groups_a_bracket_and_leaves_single_pictures_alone(shoot: Path) -> None:
    scenes = {scene.scene_id: scene for scene in scan([shoot])}
    sizes = sorted(len(scene.frames) for scene in scenes.values())
    assert sizes == [1, 1, 3]
    [bracket] = [scene for scene in scenes.values() if len(scene.frames) == 3]
    assert bracket.kind == "bracket"
    assert {scene.kind for scene in scenes.values()} >= {"bracket", "photo"}
    assert all(f.exposure_s for f in bracket.frames)


def test_a_bracket_becomes_frames_a_reference_and_decisions(shoot: Path) -> None:
    [bracket] = [scene for scene in scan([shoot]) if len(scene.frames) == 3]
    prepared = prepare_scene(bracket, short_side=128)
    assert len(prepared.frames) == len(prepared.evs) == 3
    assert max(prepared.evs) - min(prepared.evs) == pytest.approx(4, abs=0.2)
    assert len(prepared.decisions) == len(prepared.reference.shift)
    assert all(f.shape == prepared.reference.image.shape for f in prepared.frames)
    brightness = [f.mean() for f in prepared.frames]
    assert np.argsort(brightness).tolist() == np.argsort(prepared.evs).tolist()


def test_bracket_csv_is_believed(tmp_path: Path) -> None:
    light = light_of("astronaut", height=120) * 0.5
    for i, ev in enumerate((-1, 1)):
        write_jpeg(tmp_path / f"{i}.jpg", frame(light, ev))
    (tmp_path / "bracket.csv").write_text("file,exposure_s\n0.jpg,0.01\n1.jpg,0.04\n")
    [scene] = scan([tmp_path])
    assert scene.kind == "bracket"
    (tmp_path / "bracket.csv").write_text("file,exposure_s\n0.jpg,0.01\nmissing.jpg,0.04\n")
    with pytest.raises(DatasetError, match=r"missing\.jpg"):
        scan([tmp_path])


def test_raw_is_a_scene_with_simulated_levels(tmp_path: Path) -> None:
    write_dng(tmp_path / "shot.dng", light_of("coffee", height=128) * 0.5)
    [scene] = scan([tmp_path])
    prepared = prepare_scene(scene, short_side=96)
    assert prepared.levels == ["N4", "N3", "N2", "N1", "P0", "P1", "P2", "P3", "P4"]
    assert prepared.linear is not None


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere"):
        scan([tmp_path / "nowhere"])


def test_the_taxonomy_is_the_papers_size() -> None:
    taxonomy = load_taxonomy()
    assert len(taxonomy.scenes) == 8
    assert sum(len(v) for v in taxonomy.scenes.values()) >= 50
    assert len(taxonomy.light) == 17
    assert len(taxonomy.tone) == 3


def test_an_unknown_tag_gets_a_suggestion(tmp_path: Path) -> None:
    taxonomy = load_taxonomy()
    light = next(iter(taxonomy.light))
    table = tmp_path / "tags.csv"
    table.write_text(f"file,light\na.jpg,{light}x\n")
    with pytest.raises(DatasetError, match=str(light)):
        read_tags(table, taxonomy)
