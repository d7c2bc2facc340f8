"""Scanning: what is a bracket, what is a scene of its own, and what is said about wrong input."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel.dataset.develop import develop_light
from luxel.dataset.prepare import prepare_scene
from luxel.dataset.reference.bracket import frame
from luxel.dataset.sources.scan import SceneSource, scan_sources
from luxel.dataset.sources.taxonomy import TAXONOMY, load_taxonomy, read_tags
from luxel.errors import DatasetError, ImageError
from stand_ins.source_material import FloatArray, light_of, write_dng, write_hdr, write_jpeg


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


# --- bad and unusual brackets ---------------------------------------------------------------------------------------


def shots(folder: Path, evs: tuple[float, ...], light: FloatArray, *, start: float = 0.0, **more: object) -> list[Path]:
    """One JPEG each second, exposed as its EXIF says."""
    return [
        write_jpeg(
            folder / f"{start + i:04.1f}.jpg",
            frame(light, ev),
            seconds=start + i,
            exposure_s=0.01 * 2**ev,
            **more,  # type: ignore[arg-type]
        )
        for i, ev in enumerate(evs)
    ]


def grouped(folder: Path) -> list[list[str]]:
    return sorted(sorted(f.file.name for f in scene.frames) for scene in scan_sources([folder]))


@pytest.fixture(scope="module")
def two_lights() -> tuple[FloatArray, FloatArray]:
    return light_of("astronaut", height=200)[:, :200] * 0.5, light_of("coffee", height=200)[:, :200] * 0.5


def test_two_scenes_interleaved_in_time_are_parted_by_what_they_show(
    tmp_path: Path, two_lights: tuple[FloatArray, FloatArray]
) -> None:
    first, second = (shots(tmp_path, (-2, 0, 2), light, start=0.5 * i) for i, light in enumerate(two_lights))
    scenes = scan_sources([tmp_path])
    assert grouped(tmp_path) == [[f.name for f in first], [f.name for f in second]]
    assert len({scene.group for scene in scenes}) == 2
    assert all(len(prepare_scene(scene, short_side=96).frames) == 3 for scene in scenes)


def test_two_bodies_at_one_time_are_two_brackets(tmp_path: Path, two_lights: tuple[FloatArray, FloatArray]) -> None:
    for i, serial in enumerate(("001", "002")):
        shots(tmp_path, (-2, 0, 2), two_lights[0], start=0.1 * i, serial=serial)
    assert [len(names) for names in grouped(tmp_path)] == [3, 3]
    assert {names[0] for names in grouped(tmp_path)} == {"00.0.jpg", "00.1.jpg"}


def test_an_exposure_that_comes_again_begins_a_bracket_of_the_same_group(
    tmp_path: Path, two_lights: tuple[FloatArray, FloatArray]
) -> None:
    shots(tmp_path, (-2, 0, 2, -2, 0, 2), two_lights[0])
    scenes = scan_sources([tmp_path])
    assert [len(scene.frames) for scene in scenes] == [3, 3]
    assert len({scene.group for scene in scenes}) == 1, "two brackets of one place could be parted by a split"


def test_a_pause_ends_a_bracket(tmp_path: Path, two_lights: tuple[FloatArray, FloatArray]) -> None:
    shots(tmp_path, (-2, 0), two_lights[0])
    shots(tmp_path, (2, 3), two_lights[0], start=7.0)
    assert [len(names) for names in grouped(tmp_path)] == [2, 2]
    assert [len(scene.frames) for scene in scan_sources([tmp_path], gap=10)] == [4]


def test_a_foreign_frame_within_a_bracket_is_dropped_with_the_reason(
    tmp_path: Path, two_lights: tuple[FloatArray, FloatArray]
) -> None:
    shots(tmp_path, (-2, 0, 2), two_lights[0])
    shots(tmp_path, (1,), two_lights[1], start=3.0)
    prepared = prepare_scene(scan_sources([tmp_path])[0], short_side=96)
    assert len(prepared.frames) == 3
    assert [file for file, _ in prepared.dropped] == ["03.0.jpg"]
    assert "shows another scene" in prepared.dropped[0][1]


def test_without_exif_nothing_is_grouped_and_the_scene_says_why(
    tmp_path: Path, two_lights: tuple[FloatArray, FloatArray]
) -> None:
    for i, ev in enumerate((-2, 0, 2)):
        write_jpeg(tmp_path / f"{i}.jpg", frame(two_lights[0], ev))
    scenes = scan_sources([tmp_path])
    assert [scene.kind for scene in scenes] == ["photo"] * 3
    assert all(any("bracket.csv" in note for note in scene.notes) for scene in scenes)
    (tmp_path / "bracket.csv").write_text("file\n" + "".join(f"{i}.jpg\n" for i in range(3)))
    [bracket] = scan_sources([tmp_path])
    prepared = prepare_scene(bracket, short_side=96)
    assert max(prepared.evs) - min(prepared.evs) == pytest.approx(4, abs=0.3), "measured from the pictures alone"
    assert "no exposure is written for any frame: all steps are measured" in prepared.metadata["notes"]


def test_a_photograph_with_exif_is_not_riddle(shoot: Path) -> None:
    [lone] = [scene for scene in scan_sources([shoot]) if scene.kind == "photo"]
    assert not any("bracket.csv" in note for note in lone.notes)


def test_a_bracket_of_one_frame_is_a_single_picture(tmp_path: Path, two_lights: tuple[FloatArray, FloatArray]) -> None:
    write_jpeg(tmp_path / "only.jpg", frame(two_lights[0], 0))
    (tmp_path / "bracket.csv").write_text("file,exposure_s\nonly.jpg,0.01\n")
    [scene] = scan_sources([tmp_path])
    assert (scene.kind, len(scene.frames)) == ("photo", 1)
    assert "names one frame" in scene.notes[0]
    assert len(prepare_scene(scene, short_side=96).frames) == 9


def test_frames_of_another_size_are_dropped_or_alone(tmp_path: Path, two_lights: tuple[FloatArray, FloatArray]) -> None:
    shots(tmp_path, (-2, 0, 2), two_lights[0])
    shots(tmp_path, (1,), two_lights[0][:150], start=3.0)
    assert [len(names) for names in grouped(tmp_path)] == [3, 1]
    (tmp_path / "bracket.csv").write_text("file\n" + "".join(f"{f.name}\n" for f in sorted(tmp_path.glob("*.jpg"))))
    [bracket] = scan_sources([tmp_path])
    prepared = prepare_scene(bracket, short_side=96)
    assert len(prepared.frames) == 3
    assert prepared.dropped == [("03.0.jpg", "is 200 x 150 pixels, the bracket is 200 x 200")]


@pytest.mark.parametrize("damage", ["cut", "empty"])
def test_a_corrupt_frame_costs_only_itself(
    damage: str, tmp_path: Path, two_lights: tuple[FloatArray, FloatArray]
) -> None:
    last = shots(tmp_path, (-2, 0, 2), two_lights[0])[-1]
    (tmp_path / "bracket.csv").write_text("file\n" + "".join(f"{f.name}\n" for f in sorted(tmp_path.glob("*.jpg"))))
    data = last.read_bytes()
    last.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    [bracket] = scan_sources([tmp_path])
    prepared = prepare_scene(bracket, short_side=96)
    assert len(prepared.frames) == 2
    [(file, reason)] = prepared.dropped
    assert file == last.name
    assert reason.startswith("truncated JPEG" if damage == "cut" else "is empty"), "without the path of a machine"


def test_a_bracket_with_one_frame_left_is_rejected_with_all_reasons(
    tmp_path: Path, two_lights: tuple[FloatArray, FloatArray]
) -> None:
    files = shots(tmp_path, (-2, 0, 2), two_lights[0])
    (tmp_path / "bracket.csv").write_text("file\n" + "".join(f"{f.name}\n" for f in files))
    for file in files[1:]:
        file.write_bytes(file.read_bytes()[:2000])
    [bracket] = scan_sources([tmp_path])
    with pytest.raises(DatasetError, match=r"1 of 3 frames can be used") as caught:
        prepare_scene(bracket, short_side=96)
    assert all(file.name in str(caught.value) for file in files[1:])


def test_a_corrupt_picture_alone_is_a_scene_that_fails(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    [scene] = scan_sources([tmp_path])
    assert scene.frames[0].width == 0
    with pytest.raises(ImageError, match="empty"):
        prepare_scene(scene, short_side=96)


# --- camera RAW: a small DNG, read back through LibRaw --------------------------------------------------------------


@pytest.fixture(scope="module")
def ramps() -> FloatArray:
    """Smooth linear light [64, 96, 3], so that demosaicing is exact, with three different channels, below 0.7."""
    x, y = np.linspace(0.02, 0.7, 96)[None, :], np.linspace(0.3, 1, 64)[:, None]
    return np.stack([x * y, (0.1 + 0.5 * x) * y, 0.3 * y * np.ones_like(x)], axis=-1).astype(np.float32)


def developed(path: Path, camera: FloatArray, **facts: object) -> tuple[SceneSource, FloatArray]:
    [source] = scan_sources([write_dng(path, camera, **facts)])  # type: ignore[arg-type]
    return source, develop_light(source, short_side=4096).linear


INSIDE = (slice(4, -4), slice(4, -4))  # demosaicing has no neighbours at the border


@pytest.mark.parametrize(("black", "white"), [(0, 15000), (512, 15000), (2048, 15000), (256, 4095), (512, 65535)])
def test_black_and_white_level_are_taken_off(black: int, white: int, ramps: FloatArray, tmp_path: Path) -> None:
    """One step of the sensor, or of LibRaw's 16 bit, is the whole difference that black and white level may make."""
    _, light = developed(tmp_path / "a.dng", ramps, black=black, white=white)
    assert np.abs(light - ramps)[INSIDE].max() < max(1.5 / (white - black), 1e-4)
    _, dark = developed(tmp_path / "b.dng", np.zeros_like(ramps), black=black, white=white)
    assert dark.max() == 0
    _, full = developed(tmp_path / "c.dng", np.ones_like(ramps), black=black, white=white)
    np.testing.assert_allclose(full, 1, atol=1e-4)


def test_the_cameras_white_balance_makes_grey_grey(ramps: FloatArray, tmp_path: Path) -> None:
    neutral = (0.5, 1.0, 0.7)
    _, light = developed(tmp_path / "a.dng", ramps * np.float32(neutral), neutral=neutral)
    assert np.abs(light - ramps)[INSIDE].max() < 1e-3
    _, raw = developed(tmp_path / "b.dng", ramps * np.float32(neutral))
    assert np.abs(raw - ramps)[INSIDE].max() > 0.1, "the test could not fail"


@pytest.mark.parametrize(("orientation", "quarters"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_raw_stands_upright_in_scan_and_picture(
    orientation: int, quarters: int, ramps: FloatArray, tmp_path: Path
) -> None:
    source, light = developed(tmp_path / "a.dng", ramps, orientation=orientation)
    assert (source.frames[0].height, source.frames[0].width) == light.shape[:2]
    assert np.abs(light - np.rot90(ramps, quarters))[INSIDE].max() < 1e-3


def test_half_the_light_is_half_the_number(ramps: FloatArray, tmp_path: Path) -> None:
    whole, half = (developed(tmp_path / f"{n}.dng", ramps / n)[1] for n in (1, 2))
    assert np.abs(2 * half - whole).max() < 1e-3


def test_raw_says_how_it_was_taken(ramps: FloatArray, tmp_path: Path) -> None:
    source, _ = developed(tmp_path / "a.dng", ramps, exposure=(1, 60), f_number=8.0, iso=200)
    assert source.metadata["device"] == "luxel test camera"
    assert source.metadata["exposure_s"] == pytest.approx(1 / 60)
    assert (source.metadata["f_number"], source.metadata["iso"]) == (8, 200)


def test_raw_files_taken_as_a_bracket_are_one(ramps: FloatArray, tmp_path: Path) -> None:
    light = light_of("astronaut", height=128)
    for i, ev in enumerate((-2, 0, 2)):
        camera = np.clip(light * 2.0**ev, 0, 1)
        write_dng(tmp_path / f"{i}.dng", camera, exposure=(round(1000 * 2.0**ev), 100_000), seconds=float(i))
    write_jpeg(
        tmp_path / "0.jpg", frame(light, -2), seconds=0.4, exposure_s=0.0025, make="luxel", model="luxel test camera"
    )
    [bracket] = scan_sources([tmp_path])
    assert (bracket.kind, len(bracket.frames)) == ("bracket", 3)
    assert "0.jpg left out: the same shot as 0.dng" in bracket.notes
    prepared = prepare_scene(bracket, short_side=96)
    assert np.diff(prepared.evs) == pytest.approx([2, 2], abs=0.01)


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
