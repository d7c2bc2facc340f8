"""Which files become one bracket, by EXIF alone and by what frames show; what stays in one split; how fast."""

import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")

from luxel.dataset.develop import develop_bracket
from luxel.dataset.folder.splits import assign
from luxel.dataset.sources.scan import SceneSource, scan_sources
from luxel.photometry import to_srgb
from stand_ins.exif_files import TAG, clock, save_with_exif, shots


def grouped(folder: Path, **options: float) -> list[list[str]]:
    return sorted([f.file.name for f in scene.frames] for scene in scan_sources([folder], **options))


def sizes(folder: Path, **options: float) -> list[int]:
    return sorted((len(names) for names in grouped(folder, **options)), reverse=True)


def groups(scenes: list[SceneSource]) -> set[str]:
    return {scene.group for scene in scenes}


def show(seed: int, ev: float = 0.0, *, height: int = 96, width: int = 128) -> np.ndarray:
    """A scene of smooth blobs, other ones for each seed, exposed at so many stops."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    light = np.full((height, width), 0.02)
    for _ in range(25):
        cy, cx, r = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(4, 16)
        light += rng.uniform(0.05, 0.4) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / r**2)
    encoded = to_srgb(np.clip(light * 2.0**ev, 0, 1).astype(np.float32))
    return np.repeat(np.rint(encoded * 255).astype(np.uint8)[..., None], 3, axis=2)


# Sets of exposures.


@pytest.mark.parametrize(
    ("evs", "expected"),
    [
        ((0, -2, 2), [3]),
        ((0, -2, 2) * 4, [3, 3, 3, 3]),
        ((0, -2, 2, 0, -2), [3, 2]),
        ((0, 0, -2, 2), [4]),
        ((-2, 0, 2, -2), [4]),
        ((0, 0, -1, 1, -2, 2, 3) * 2, [7, 7]),
        ((-2, -2, 0, 0, 2, 2), [6]),
        ((0, -1 / 3, 1 / 3), [3]),
        ((0, 0, 0, 0), [1, 1, 1, 1]),
        ((0, 0, 0, 0, 0, -2, 2, 0, -2, 2), [3, 3, 1, 1, 1, 1]),
    ],
)
def test_exposures_that_come_again(evs: tuple[float, ...], expected: list[int], tmp_path: Path) -> None:
    shots(tmp_path, [2.0**ev / 100 for ev in evs], pixels=show(1))
    assert sizes(tmp_path) == expected
    assert len(groups(scan_sources([tmp_path]))) == 1, "all of one place"


@pytest.mark.parametrize(
    "times", [(1 / 80, 1 / 60, 1 / 50), (1 / 15, 1 / 13, 1 / 10), (1 / 4, 0.3, 0.4), (1 / 45, 1 / 60, 1 / 90)]
)
def test_nominal_times_a_third_or_half_of_a_stop_apart(times: tuple[float, ...], tmp_path: Path) -> None:
    shots(tmp_path, times)
    assert sizes(tmp_path) == [3]


def test_a_pause_parts_sets_of_other_exposures(tmp_path: Path) -> None:
    shots(tmp_path, [0.01, 0.0025, 0.04], pixels=show(1))
    shots(tmp_path, [0.02, 0.01, 0.04, 0.005], start=6.0, pixels=show(1))
    assert sizes(tmp_path) == [4, 3]


def test_sets_of_several_places_have_groups_of_their_own(tmp_path: Path) -> None:
    for place in range(4):
        for i, ev in enumerate((0.0, -2.0, 2.0)):
            shots(tmp_path, [2.0**ev / 100], start=3.0 * place + i, pixels=show(place, ev))
    scenes = scan_sources([tmp_path])
    assert [len(s.frames) for s in scenes] == [3] * 4
    assert len(groups(scenes)) == 4


def test_interleaved_scenes_are_parted_by_what_they_show(tmp_path: Path) -> None:
    for i, ev in enumerate((0.0, -2.0, 2.0)):
        for seed in (1, 2):
            shots(tmp_path, [2.0**ev / 100], start=i + 0.5 * (seed - 1), pixels=show(seed, ev))
    assert grouped(tmp_path) == [["1.jpg", "3.jpg", "5.jpg"], ["2.jpg", "4.jpg", "6.jpg"]]


@pytest.mark.parametrize("times", [(1, 4, 15, 30), (30, 15, 4, 1), (8, 10, 13)])
@pytest.mark.parametrize("at_end", [False, True])
def test_long_exposures_with_dark_frames_between(times: tuple[float, ...], at_end: bool, tmp_path: Path) -> None:
    """After each exposure a dark frame as long; the time stated is that of the beginning or the end."""
    now = 0.0
    for seconds in times:
        shots(tmp_path, [seconds], start=now + seconds * at_end)
        now += 2 * seconds + 1
    assert sizes(tmp_path) == [len(times)]


def test_a_longer_pause_is_an_option(tmp_path: Path) -> None:
    shots(tmp_path, [0.01, 0.0025, 0.04], step=20, pixels=show(1))
    assert sizes(tmp_path) == [1, 1, 1]
    assert sizes(tmp_path, gap=30) == [3]


def test_exposure_compensation_is_the_last_resort(tmp_path: Path) -> None:
    for i, ev in enumerate((0.0, -2.0, 2.0)):
        save_with_exif(tmp_path / f"{i}.jpg", show(1, ev), {TAG.DateTimeOriginal: clock(i), TAG.ExposureBiasValue: ev})
    [scene] = scan_sources([tmp_path])
    assert [f.ev for f in scene.frames] == [0, -2, 2]
    assert any("exposure compensation" in note for note in scene.notes)


def test_times_of_files_alone_are_checked_by_what_frames_show(tmp_path: Path) -> None:
    """Software writes the time of an export, a second each, into frames of any scenes."""
    for i, (seed, exposure) in enumerate(((1, 0.01), (2, 0.0025), (3, 0.04))):
        exif = {TAG.ExposureTime: exposure}
        save_with_exif(tmp_path / f"{i}.jpg", show(seed), exif, {TAG.DateTime: clock(i)})
    assert sizes(tmp_path) == [1, 1, 1]


# Frames that lie differently.


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_frame_whose_orientation_the_camera_mistook(orientation: int, tmp_path: Path) -> None:
    for i, ev in enumerate((0.0, -2.0, 2.0)):
        exif = {TAG.DateTimeOriginal: clock(i), TAG.ExposureTime: 2.0**ev / 100}
        turn = {TAG.Orientation: orientation if i == 2 else 1}
        save_with_exif(tmp_path / f"{i}.png", show(1, ev), exif, turn)
    [scene] = scan_sources([tmp_path])
    assert len(scene.frames) == 3
    _, [frames], dropped = develop_bracket(scene, [4096])
    assert not dropped
    np.testing.assert_array_equal(frames[2], show(1, 2.0))


def test_a_camera_that_was_turned_makes_two_brackets(tmp_path: Path) -> None:
    for i, (ev, orientation) in enumerate((e, o) for o in (1, 6) for e in (0.0, -2.0, 2.0)):
        exif = {TAG.DateTimeOriginal: clock(i), TAG.ExposureTime: 2.0**ev / 100}
        save_with_exif(tmp_path / f"{i}.jpg", show(orientation, ev), exif, {TAG.Orientation: orientation})
    assert grouped(tmp_path) == [["0.jpg", "1.jpg", "2.jpg"], ["3.jpg", "4.jpg", "5.jpg"]]


# Splits.


def test_lone_frames_of_a_minute_and_folder_share_a_group(tmp_path: Path) -> None:
    for i, second in enumerate((0, 20, 40, 75)):
        shots(tmp_path / "a", [0.01], start=second)
        shots(tmp_path / "b", [0.01], start=second + 1000 * i)
    scenes = scan_sources([tmp_path])
    names = {s.frames[0].file.relative_to(tmp_path).as_posix(): s.group for s in scenes}
    assert len({names[f"a/{i}.jpg"] for i in (1, 2, 3)}) == 1
    assert names["a/4.jpg"] != names["a/1.jpg"]
    assert len({names[f"b/{i}.jpg"] for i in (1, 2, 3, 4)}) == 4
    splits = assign(groups(scenes), seed=0)
    assert len({splits[names[f"a/{i}.jpg"]] for i in (1, 2, 3)}) == 1


def test_a_frame_beside_a_bracket_shares_its_group(tmp_path: Path) -> None:
    shots(tmp_path, [0.01, 0.0025, 0.04], pixels=show(1))
    exif = {TAG.DateTimeOriginal: clock(30), TAG.ExposureTime: 0.01}
    save_with_exif(tmp_path / "telephone.jpg", show(1), exif, {TAG.Model: "P9"})
    assert len(groups(scan_sources([tmp_path]))) == 1


def test_one_name_in_two_folders_keeps_groups_apart(tmp_path: Path) -> None:
    for i in range(2):
        shots(tmp_path / str(i) / "x", [0.01, 0.0025, 0.01, 0.0025], start=100 * i, pixels=show(1))
    scenes = scan_sources([tmp_path / "0" / "x", tmp_path / "1" / "x"])
    assert len({s.scene_id for s in scenes}) == 4
    assert len(groups(scenes)) == 2
    assert groups(scenes) <= {s.scene_id for s in scenes}


# Files.


def test_names_are_in_natural_order(tmp_path: Path) -> None:
    for i in (1, 2, 3, 10):
        exif = {TAG.DateTimeOriginal: clock(0), TAG.ExposureTime: 0.001 * 2.0**i}
        save_with_exif(tmp_path / f"IMG_{i}.jpg", show(1), exif)
    assert grouped(tmp_path) == [["IMG_1.jpg", "IMG_2.jpg", "IMG_3.jpg", "IMG_10.jpg"]]


def test_links_are_followed_once_and_named(tmp_path: Path) -> None:
    shots(tmp_path / "real", [0.01, 0.0025])
    shots(tmp_path / "elsewhere", [0.01, 0.04], start=500)
    scanned = tmp_path / "real"
    (scanned / "again.jpg").symlink_to(scanned / "1.jpg")
    (scanned / "loop").symlink_to(scanned)
    (scanned / "more").symlink_to(tmp_path / "elsewhere")
    (scanned / "lost.jpg").symlink_to(scanned / "gone.jpg")
    said: list[str] = []
    scenes = scan_sources([scanned], warn=said.append)
    assert sorted(len(s.frames) for s in scenes) == [2, 2]
    endings = {Path(line.split(": ")[0]).name: line.rsplit(maxsplit=2)[-1] for line in said}
    assert endings == {"again.jpg": "out", "loop": "out", "more": "followed", "lost.jpg": "out"}


@pytest.mark.parametrize(("model", "seconds", "count"), [("T1", 0.5, 1), ("P9", 0.5, 2), ("T1", 600.0, 2)])
def test_a_jpeg_is_a_raw_files_twin_by_device_and_time(model: str, seconds: float, count: int, tmp_path: Path) -> None:
    from stand_ins.source_material import write_dng

    write_dng(tmp_path / "IMG_1.dng", np.full((64, 96, 3), 0.3))
    exif = {TAG.DateTimeOriginal: clock(seconds), TAG.ExposureTime: 1 / 60}
    first = {TAG.Make: "luxel", TAG.Model: "luxel test camera" if model == "T1" else model}
    save_with_exif(tmp_path / "IMG_1.jpg", show(1), exif, first)
    assert len(scan_sources([tmp_path])) == count


def test_a_jpeg_without_facts_stays_with_the_raw_file_of_its_name(tmp_path: Path) -> None:
    from PIL import Image

    from stand_ins.source_material import write_dng

    write_dng(tmp_path / "IMG_1.dng", np.full((64, 96, 3), 0.3))
    Image.fromarray(show(1)).save(tmp_path / "IMG_1.jpg")
    scenes = scan_sources([tmp_path])
    assert (len(scenes), len(groups(scenes))) == (2, 1)


# Time.


@pytest.mark.parametrize("evs", [(0.0,), (0.0, 2.0)])
def test_many_shots_cost_little(evs: tuple[float, ...], tmp_path: Path) -> None:
    """300 shots of one camera; comparing each with all others would take minutes."""
    first = shots(tmp_path, [0.01] * len(evs), pixels=show(1))
    frames = [path.read_bytes() for path in first]
    steps: list[str] = []
    for i in range(300):
        text = frames[i % len(evs)].replace(clock(i % len(evs)).encode(), clock(i).encode())
        (tmp_path / f"{i}.jpg").write_bytes(text)
    begin = time.perf_counter()
    scan_sources([tmp_path], progress=lambda step, file, total: steps.append(step))
    assert time.perf_counter() - begin < 6
    assert steps.count("reading headers") >= 300
