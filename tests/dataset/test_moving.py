"""Brackets with moving subjects: one car, not two; the best frame stays; what cannot be aligned is simulated."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from luxel import images
from luxel.dataset.align.motion import moving_pixels
from luxel.dataset.build import build_dataset
from luxel.dataset.check.check import check_dataset
from luxel.dataset.folder.manifest import read_manifest, read_scene
from luxel.dataset.folder.upkeep import BuildSettings
from luxel.dataset.prepare import MAX_MOVING, PreparedScene, prepare_scene, still_frames
from luxel.dataset.reference.bracket import frame
from luxel.dataset.reference.deghost import deghosted
from luxel.dataset.reference.reference import preliminary_of_bracket
from luxel.dataset.sources.scan import SceneSource, scan_sources
from luxel.photometry import lightness
from stand_ins.source_material import light_of

EVS = (-2.0, -1.0, 0.0, 1.0, 2.0)
CAR = (30, 44)  # height and width
TOP = 110


def street() -> npt.NDArray[np.float32]:
    """A still scene with a plain road, 200 lines high, with headroom."""
    light = light_of("coffee", height=200) * 0.3
    light[100:150] = 0.1
    return light


def with_car(light: npt.NDArray[np.float32], left: int) -> npt.NDArray[np.float32]:
    light = light.copy()
    light[TOP : TOP + CAR[0], left : left + CAR[1]] = (0.30, 0.03, 0.03)
    return light


def crossing() -> tuple[list[npt.NDArray[np.uint8]], list[int]]:
    """A bracket through which a red car drives, and where it is in each frame."""
    lefts = [10, 60, 110, 160, 210]
    return [frame(with_car(street(), left), ev) for left, ev in zip(lefts, EVS, strict=True)], lefts


def redness(image: npt.NDArray[np.floating], left: int) -> float:
    """How red the middle of a car's place is."""
    inner = image[TOP + 8 : TOP + CAR[0] - 8, left + 8 : left + CAR[1] - 8]
    return float((inner[..., 0] - inner[..., 1]).mean())


def write_bracket(folder: Path, frames: list[npt.NDArray[np.uint8]], evs: tuple[float, ...] = EVS) -> SceneSource:
    folder.mkdir(parents=True)
    for i, picture in enumerate(frames):
        images.write(folder / f"{i}.png", picture)
    lines = "".join(f"{i}.png,{ev}\n" for i, ev in enumerate(evs))
    (folder / "bracket.csv").write_text(f"file,ev\n{lines}")
    [source] = scan_sources([folder])
    return source


def test_one_car_drives_through_the_fused_bracket() -> None:
    frames, lefts = crossing()
    moving = np.logical_or.reduce(moving_pixels(frames))
    steady = deghosted(frames, EVS, moving)
    before = preliminary_of_bracket(frames, EVS).fused
    after = preliminary_of_bracket(steady.frames, EVS).fused
    ghosts, cars = ([redness(image, left) for left in lefts] for image in (before, after))
    print([f"{g:.2f}" for g in ghosts], [f"{c:.2f}" for c in cars])
    assert sum(g > 0.08 for g in ghosts) >= 2, "the bracket shows no ghosts, so this test proves nothing"
    assert sorted(c > 0.03 for c in cars) == [False, False, False, False, True]


def test_a_deghosted_bracket_is_the_bracket_of_one_moment() -> None:
    """Every frame is what it would have been, had the car stood still."""
    frames, lefts = crossing()
    steady = deghosted(frames, EVS, np.logical_or.reduce(moving_pixels(frames)))
    [source] = set(steady.deciding[steady.deciding >= 0].tolist())
    for made, ev in zip(steady.frames, EVS, strict=True):
        truth = frame(with_car(street(), lefts[source]), ev)
        off = np.abs(lightness(made) - lightness(truth))
        assert off.mean() < 0.005
        assert np.quantile(off, 0.999) < 0.06


def test_nothing_is_changed_where_nothing_moved() -> None:
    frames = [frame(street(), ev) for ev in EVS]
    still = deghosted(frames, EVS, np.zeros(frames[0].shape[:2], dtype=bool))
    for before, after in zip(frames, still.frames, strict=True):
        np.testing.assert_array_equal(before, after)
    frames, _ = crossing()
    moved = deghosted(frames, EVS, np.logical_or.reduce(moving_pixels(frames)))
    far = np.ones(frames[0].shape[:2], dtype=bool)
    far[80:170] = False
    for before, after in zip(frames, moved.frames, strict=True):
        np.testing.assert_array_equal(before[far], after[far])


def test_a_region_that_the_deciding_frame_clips_is_decided_by_another() -> None:
    light = np.full((80, 120, 3), 0.15, np.float32)
    light[:30] = 2.0  # sky, clipped at EV 0
    frames = [frame(light, ev) for ev in (-3.0, 0.0)]
    moving = np.zeros((80, 120), dtype=bool)
    moving[5:15, 20:40] = moving[50:70, 20:100] = True
    deciding = deghosted(frames, (-3.0, 0.0), moving).deciding
    assert deciding[10, 30] == 0
    assert deciding[60, 60] == 1


def test_the_best_exposed_frame_stays_however_much_moved() -> None:
    rng = np.random.default_rng(0)
    blocks = [rng.random((6, 10, 3)).repeat(20, 0).repeat(20, 1).astype(np.float32) * 0.25 for _ in range(3)]
    frames = [frame(light, ev) for light, ev in zip(blocks, (-1, 0, 1), strict=True)]
    stay, moving, gone = still_frames(frames, 1)
    assert 1 in stay
    assert all(share > MAX_MOVING for _, share in gone)
    assert gone
    assert sorted([*stay, *(i for i, _ in gone)]) == [0, 1, 2]
    assert moving.keys() == set(stay)


def test_one_frame_that_moved_does_not_cost_its_neighbours() -> None:
    still = street()
    other = np.roll(still, 83, axis=1)[:, ::-1]
    frames = [frame(still, -1), frame(other, 0), frame(still, 1), frame(still, 2)]
    stay, _, gone = still_frames(frames, 2)
    assert stay == [0, 2, 3]
    assert [i for i, _ in gone] == [1]


def prepared_crossing(tmp_path: Path) -> PreparedScene:
    return prepare_scene(write_bracket(tmp_path / "car", crossing()[0]), short_side=200)


def test_a_scene_with_a_car_keeps_all_frames_and_says_who_decided(tmp_path: Path) -> None:
    scene = prepared_crossing(tmp_path)
    assert scene.kind == "bracket"
    assert not scene.dropped
    assert len(scene.frames) == 5
    [name] = scene.metadata["moving_from"]
    assert name in {f"{i}.png" for i in range(5)}
    cars = [redness(scene.preliminary.fused, left) > 0.03 for left in crossing()[1]]
    assert sum(cars) == 1
    assert scene.moving[TOP + 10, 30]


@pytest.fixture
def unalignable(tmp_path: Path) -> SceneSource:
    """Two frames of different scenes, and the better exposed one first."""
    frames = [
        frame(light_of("astronaut", height=120)[:, :120], 0.0),
        frame(light_of("coffee", height=120)[:, :120], 2.5),
    ]
    return write_bracket(tmp_path / "in" / "pair", frames, (0.0, 2.5))


def test_what_cannot_be_aligned_is_simulated_from_the_best_frame(unalignable: SceneSource) -> None:
    scene = prepare_scene(unalignable, short_side=120)
    assert scene.kind == "still"
    assert scene.levels == ["N4", "N3", "N2", "N1", "P0", "P1", "P2", "P3", "P4"]
    assert scene.metadata["simulated"] is True
    assert scene.metadata["simulated_from"] == "0.png"
    assert [name for name, _ in scene.dropped] == ["1.png"]
    assert any("cannot be aligned" in note for note in scene.metadata["notes"])
    np.testing.assert_array_equal(scene.frames[4], images.read(unalignable.frames[0].file).pixels)


def test_such_scenes_are_marked_in_the_dataset(unalignable: SceneSource, tmp_path: Path) -> None:
    out = tmp_path / "data"
    [outcome] = build_dataset([unalignable], out, settings=BuildSettings(short_side=96))
    assert outcome.state == "built"
    rows = read_manifest(out / "manifest.parquet")
    assert {row.kind for row in rows} == {"still"}
    _, facts, _ = read_scene(out / "scenes" / rows[0].scene_id)
    assert facts.kind == "still"
    assert any("cannot be aligned" in note for note in facts.notes)
    assert check_dataset(out).problems == []
