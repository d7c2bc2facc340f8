"""The store of a built dataset's frames, and what is drawn from it."""

import pickle
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from luxel import images
from luxel.dataset.folder.manifest import write_manifest
from luxel.dataset.folder.upkeep import resplit
from luxel.dataset.iea40k.convert_released import export_released
from luxel.dataset.iea40k.layout import read_frame, read_rows
from luxel.errors import DatasetError, LuxelError
from luxel.photometry import lightness
from luxel.samples.built import BuiltFrame, BuiltStore, draw_built_samples, frames_of, open_built, shrink_frame, spread
from luxel.samples.draw import SampleRules, smallest_side
from luxel.samples.simulate import CameraRules

# Training.

torch = pytest.importorskip("torch", reason="needs luxel[train]")
pytest.importorskip("lightning_fabric", reason="needs luxel[train]")


RULES = SampleRules(crop=32, camera=CameraRules(jpeg_share=0.0))


@pytest.fixture(scope="module")
def train_store(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltStore:
    return open_built(tmp_path_factory.mktemp("cache"), [dataset], "train", short_side=64)


# The store.


def test_a_store_gives_frames_back_as_they_are(dataset: Path, train_store: BuiltStore) -> None:
    rows = [row for row in read_rows(dataset) if row.split == "train"]
    assert len(train_store) == len(rows) == 18
    for i, row in enumerate(rows):
        image, residual, confidence = read_frame(dataset, row)
        stored = train_store.window(i)
        np.testing.assert_array_equal(stored.image, image)
        np.testing.assert_array_equal(stored.residual, residual)
        np.testing.assert_allclose(stored.confidence, confidence, atol=1e-6)
    assert smallest_side(train_store) == 64


def test_a_store_has_a_checksum_for_the_facts_of_weights(train_store: BuiltStore) -> None:
    pytest.importorskip("torch", reason="needs luxel[train]")
    pytest.importorskip("lightning_fabric", reason="needs luxel[train]")
    from luxel.train.export import store_checksum

    facts = store_checksum(train_store)
    assert facts["frames"] == 18
    assert len(facts["sha256"]) == 64


def test_shrinking_keeps_picture_and_map_in_step(dataset: Path) -> None:
    row = read_rows(dataset)[4]
    image, residual, confidence = read_frame(dataset, row)
    reference = images.read(dataset / row.reference).pixels
    plain = BuiltFrame(image, (lightness(reference) - lightness(image)).astype(np.float32), confidence)
    small = shrink_frame(plain, 40)
    assert small.image.shape == (40, 60, 3)
    whole = shrink_frame(replace(plain, image=reference), 40).image
    assert np.abs(lightness(whole) - lightness(small.image) - small.residual).max() <= 1.01 / 255
    assert small.residual.mean() == pytest.approx(plain.residual.mean(), abs=1e-4)
    assert shrink_frame(BuiltFrame(image, residual, confidence), 200).image is image


def test_a_store_is_made_once_and_again_when_labels_change(dataset: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(dataset, tmp_path / "data")
    first = open_built(tmp_path / "cache", [copy], "val", short_side=64)
    written = (first.folder / "index.json").stat().st_mtime_ns
    again = open_built(tmp_path / "cache", [copy], "val", short_side=64)
    assert (again.folder / "index.json").stat().st_mtime_ns == written
    rows = read_rows(copy)
    write_manifest(copy / "manifest.parquet", [replace(row, residual_sha256=row.residual_sha256[::-1]) for row in rows])
    assert open_built(tmp_path / "cache", [copy], "val", short_side=64).folder != first.folder
    assert open_built(tmp_path / "cache", [copy], "val", short_side=70).folder != first.folder


def test_a_store_that_fails_leaves_nothing(dataset: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(dataset, tmp_path / "data")
    last = [row for row in read_rows(copy) if row.split == "train"][-1]
    (copy / last.residual).write_bytes(b"")
    with pytest.raises(LuxelError, match=last.level):
        open_built(tmp_path / "cache", [copy], "train", short_side=64)
    assert not list((tmp_path / "cache").iterdir())


def test_another_process_gets_the_folder_not_the_pixels(train_store: BuiltStore) -> None:
    sent = pickle.dumps(train_store)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent).window(3).image, train_store.window(3).image)


# What is drawn.


def test_only_frames_of_the_train_split_are_drawn(dataset: Path, train_store: BuiltStore) -> None:
    """Of every frame outside the train split no window is ever seen: each drawn one lies in a train frame."""
    rows = {row.name: row for row in read_rows(dataset)}
    assert {e["scene"] for e in train_store.entries} == {row.scene_id for row in rows.values() if row.split == "train"}
    others = [read_frame(dataset, row)[0] for row in rows.values() if row.split != "train"]
    held_out = {window.tobytes() for image in others for window in every_window(image)}
    rng, rules = np.random.default_rng(0), SampleRules(crop=32, camera=CameraRules(jpeg_share=0.0))
    own = {w.tobytes() for i in range(len(train_store)) for w in every_window(train_store.window(i).image)}
    for _ in range(200):
        drawn = draw_built_samples(train_store, rng, rules, 1)[0].image[:8, :8]
        looks = [np.rot90(m, turns).tobytes() for m in (drawn, drawn[:, ::-1]) for turns in range(4)]
        assert any(look in own for look in looks)
        if drawn.std() > 2:  # a black or white corner may look the same anywhere
            assert not any(look in held_out for look in looks)


def every_window(image: np.ndarray) -> list[np.ndarray]:
    windows = np.lib.stride_tricks.sliding_window_view(image, (8, 8), axis=(0, 1))
    return list(np.moveaxis(windows, 2, -1).reshape(-1, 8, 8, 3))


def test_every_frame_is_equally_likely(train_store: BuiltStore, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: Counter[int] = Counter()
    window = BuiltStore.window

    def counted(store: BuiltStore, i: int, *cut: slice) -> BuiltFrame:
        drawn[i] += 1
        return window(store, i, *cut)

    monkeypatch.setattr(BuiltStore, "window", counted)
    rng = np.random.default_rng(1)
    for _ in range(3600):
        draw_built_samples(train_store, rng, RULES, 1)
    assert len(drawn) == 18
    assert max(abs(count - 200) for count in drawn.values()) < 5 * np.sqrt(200)


@pytest.mark.parametrize("jpeg_share", [0.0, 1.0])
def test_picture_and_map_stay_in_step(jpeg_share: float) -> None:
    """The reference, picture plus map, is the same constant whatever was cut, turned or compressed."""
    rng = np.random.default_rng(2)
    picture = np.kron(rng.integers(60, 200, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    flat = BuiltFrame(picture, np.float32(0.5) - lightness(picture), lightness(picture))

    class OneFrame(BuiltStore):
        def __init__(self) -> None:
            self.entries = [{"height": 64, "width": 64}]

        def window(self, i: int, rows: slice = slice(None), columns: slice = slice(None)) -> BuiltFrame:
            return BuiltFrame(*(part[rows, columns] for part in (flat.image, flat.residual, flat.confidence)))

    for _ in range(30):
        sample = draw_built_samples(
            OneFrame(), rng, SampleRules(crop=32, camera=CameraRules(jpeg_share=jpeg_share)), 1
        )[0]
        np.testing.assert_allclose(lightness(sample.image) + sample.residual, 0.5, atol=1e-6)
        if not jpeg_share:
            np.testing.assert_allclose(sample.confidence, lightness(sample.image), atol=1e-6)
        assert sample.residual.dtype == sample.confidence.dtype == np.float32


def test_whole_frames_are_mirrored_at_most(train_store: BuiltStore) -> None:
    frames = [train_store.window(i).image for i in range(len(train_store))]
    whole = SampleRules(crop="whole", camera=CameraRules(jpeg_share=0.0))
    drawn = draw_built_samples(train_store, np.random.default_rng(0), whole, 12)
    assert len({frame.image.shape for frame in drawn}) == 1
    height, width = drawn[0].residual.shape
    for sample in drawn:
        found = [
            np.array_equal(image[top : top + height, left : left + width], sample.image)
            for frame in frames
            for image in (frame, frame[:, ::-1], *(np.rot90(f, k) for f in (frame, frame[:, ::-1]) for k in (1, 2, 3)))
            for top in range(image.shape[0] - height + 1)
            for left in range(image.shape[1] - width + 1)
        ]
        assert any(found)


def test_some_validation_frames_are_always_the_same(train_store: BuiltStore) -> None:
    names = [[(scene, level) for scene, _, level, _ in spread(train_store, n)] for n in (5, 5, 99, None)]
    assert names[0] == names[1]
    assert len(set(names[0])) == 5
    assert len(names[2]) == len(names[3]) == 18


# Which frames may be used.


def test_the_released_layout_trains_as_well(dataset: Path, train_store: BuiltStore, tmp_path: Path) -> None:
    export_released(dataset, tmp_path / "iea")
    store = open_built(tmp_path / "cache", [tmp_path / "iea"], "train", short_side=64)
    ours = {(e["scene"], e["level"]): i for i, e in enumerate(train_store.entries)}
    assert len(store) == len(ours)
    for i, entry in enumerate(store.entries):
        a, b = store.window(i), train_store.window(ours[entry["scene"], entry["level"]])
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_allclose(a.residual, b.residual, atol=0.51 / 255)
        assert a.confidence.min() == 1  # the layout has none


def test_a_picture_in_two_splits_of_two_datasets_is_rejected(dataset: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(dataset, tmp_path / "data")
    resplit(copy, seed=3, shares=(0.6, 0.2, 0.2))
    with pytest.raises(DatasetError, match="the same picture in another split"):
        frames_of([dataset, copy], "train")
    assert len(frames_of([dataset], "train")) == 18


def test_scenes_of_held_out_files_are_left_out(dataset: Path) -> None:
    first = frames_of([dataset], "train")[0][1].group
    left = frames_of([dataset], "train", leave_out=[first])
    assert {row.group for _, row in left} == {r.group for _, r in frames_of([dataset], "train")} - {first}
    # A scene's group begins with the folder it was scanned in.
    groups = frames_of([dataset], "train", leave_out=[first[-2:]])
    assert len(groups) == 18
    with pytest.raises(DatasetError, match="no frame in the split 'none'"):
        frames_of([dataset], "none")
