"""Bad and unusual brackets."""

from pathlib import Path

import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel.dataset.prepare import prepare_scene
from luxel.dataset.reference.bracket import frame
from luxel.dataset.sources.scan import scan_sources
from luxel.errors import DatasetError, ImageError
from stand_ins.source_material import FloatArray, light_of, write_jpeg


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
