"""Finding the scenes of a folder: brackets, tags, tables, files that are missing."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel.dataset.prepare import prepare_scene
from luxel.dataset.reference.bracket import frame
from luxel.dataset.sources.scan import scan_sources
from luxel.dataset.sources.taxonomy import TAXONOMY, load_taxonomy, read_tags
from luxel.errors import DatasetError
from stand_ins.source_material import light_of, write_dng, write_jpeg


def test_exif_groups_a_bracket_and_leaves_single_pictures_alone(shoot: Path) -> None:
    scenes = {scene.scene_id: scene for scene in scan_sources([shoot])}
    sizes = sorted(len(scene.frames) for scene in scenes.values())
    assert sizes == [1, 1, 3]
    [bracket] = [scene for scene in scenes.values() if len(scene.frames) == 3]
    assert bracket.kind == "bracket"
    assert {scene.kind for scene in scenes.values()} >= {"bracket", "photo"}
    assert all(f.exposure_s for f in bracket.frames)


def test_a_bracket_becomes_frames_a_reference_and_decisions(shoot: Path) -> None:
    [bracket] = [scene for scene in scan_sources([shoot]) if len(scene.frames) == 3]
    prepared = prepare_scene(bracket, short_side=128)
    assert len(prepared.frames) == len(prepared.evs) == 3
    assert max(prepared.evs) - min(prepared.evs) == pytest.approx(4, abs=0.2)
    assert len(prepared.decisions) == prepared.preliminary.blocks
    assert all(f.shape == prepared.preliminary.fused.shape for f in prepared.frames)
    brightness = [f.mean() for f in prepared.frames]
    assert np.argsort(brightness).tolist() == np.argsort(prepared.evs).tolist()


def test_bracket_csv_is_believed(tmp_path: Path) -> None:
    light = light_of("astronaut", height=120) * 0.5
    for i, ev in enumerate((-1, 1)):
        write_jpeg(tmp_path / f"{i}.jpg", frame(light, ev))
    (tmp_path / "bracket.csv").write_text("file,exposure_s\n0.jpg,0.01\n1.jpg,0.04\n")
    [scene] = scan_sources([tmp_path])
    assert scene.kind == "bracket"


def test_raw_is_a_scene_with_simulated_levels(tmp_path: Path) -> None:
    write_dng(tmp_path / "shot.dng", light_of("coffee", height=128) * 0.5)
    [scene] = scan_sources([tmp_path])
    prepared = prepare_scene(scene, short_side=96)
    assert prepared.levels == ["N4", "N3", "N2", "N1", "P0", "P1", "P2", "P3", "P4"]
    assert prepared.linear is not None


# --- places, tags and taxonomy --------------------------------------------------------------------------------------


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere"):
        scan_sources([tmp_path / "nowhere"])


def test_a_file_named_alone_keeps_what_its_folders_index_says(shoot: Path) -> None:
    (shoot / "index.csv").write_text("file,licence,light\nlone.jpg,CC0-1.0,overcast\n")
    [scene] = scan_sources([shoot / "lone.jpg"])
    assert (scene.metadata["licence"], scene.tags["light"]) == ("CC0-1.0", "overcast")


def test_the_taxonomy_is_the_papers_size() -> None:
    taxonomy = load_taxonomy()
    assert len(taxonomy.scenes) == 8
    assert sum(len(v) for v in taxonomy.scenes.values()) >= 50
    assert len(taxonomy.light) == 17
    assert len(taxonomy.tone) == 3


def test_a_table_of_ones_own_replaces_the_names(tmp_path: Path) -> None:
    text = TAXONOMY.read_text().replace('"dark", "clear", "neutral"', '"gloomy"').replace('"flower", ', '"moss", ')
    own = tmp_path / "names.toml"
    own.write_text(text)
    taxonomy = load_taxonomy(own)
    assert taxonomy.super_class("moss") == "plant"
    assert taxonomy.tone == ("gloomy",)
    table = tmp_path / "tags.csv"
    table.write_text("name,scene,tone\na.jpg,moss,gloomy\n")
    assert read_tags(table, taxonomy)["a.jpg"] == {"scene": "moss", "tone": "gloomy"}
    with pytest.raises(DatasetError, match=r"tags\.csv, line 2: unknown scene 'moss'.*--taxonomy"):
        read_tags(table, load_taxonomy())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[scenes]\nplant = ['moss', 'moss']\n[light]\nnames = []\n[tone]\nnames = []", "'moss' is listed twice"),
        ("[scenes]\n[light]\nnames = []", "missing or wrong: 'tone'"),
        ("[scenes", "not valid TOML"),
    ],
)
def test_a_wrong_table_is_named(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "names.toml").write_text(text)
    with pytest.raises(DatasetError, match=reason) as caught:
        load_taxonomy(tmp_path / "names.toml")
    assert "names.toml" in str(caught.value)


def test_an_unknown_tag_gets_a_suggestion(tmp_path: Path) -> None:
    taxonomy = load_taxonomy()
    light = next(iter(taxonomy.light))
    table = tmp_path / "tags.csv"
    table.write_text(f"file,light\na.jpg,{light}x\n")
    with pytest.raises(DatasetError, match=str(light)):
        read_tags(table, taxonomy)


def test_a_frame_that_is_not_there_costs_its_bracket_that_frame(tmp_path: Path) -> None:
    light = light_of("astronaut", height=120) * 0.5
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for i, ev in enumerate((-2, 0, 2)):
            write_jpeg(tmp_path / name / f"f{i}.jpg", frame(light, ev))
        (tmp_path / name / "bracket.csv").write_text("file,ev\nf0.jpg,-2\nf1.jpg,0\nf2.jpg,2\n")
    (tmp_path / "one" / "f2.jpg").unlink()
    said: list[str] = []
    one, two = scan_sources([tmp_path], warn=said.append)
    assert (len(one.frames), len(two.frames)) == (3, 3)
    assert len(said) == 1
    assert "f2.jpg" in said[0]
    prepared = prepare_scene(one, short_side=64)
    assert len(prepared.frames) == 2
    [(file, reason)] = prepared.dropped
    assert file == "f2.jpg"
    assert "no such file" in reason
