"""Training on built datasets: what is drawn, from which split, in what mix, and that a network learns from it."""

import pickle
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from luxel import images
from luxel.dataset.build import build_dataset
from luxel.dataset.folder.manifest import write_manifest
from luxel.dataset.folder.upkeep import BuildSettings, resplit
from luxel.dataset.iea40k.convert_released import export_released
from luxel.dataset.iea40k.layout import read_frame, read_rows
from luxel.errors import DatasetError, LuxelError
from luxel.photometry import lightness
from luxel.samples.built import BuiltFrame, BuiltStore, draw_built_samples, frames_of, open_built, shrink_frame, spread
from luxel.samples.draw import SampleRules, smallest_side
from luxel.samples.simulate import CameraRules
from stand_ins.dataset_scenes import prepare, write_source

RULES = SampleRules(crop=32, camera=CameraRules(jpeg_share=0.0))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten scenes of three frames, 64 x 96."""
    folder = tmp_path_factory.mktemp("built")
    sources = [write_source(folder / "in", f"scene{i:02}", i) for i in range(10)]
    build_dataset(sources, folder / "data", settings=BuildSettings(short_side=64), prepare=prepare)  # type: ignore[arg-type]
    resplit(folder / "data", shares=(0.6, 0.2, 0.2))
    return folder / "data"


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


# Training.

torch = pytest.importorskip("torch", reason="needs luxel[train]")
pytest.importorskip("lightning_fabric", reason="needs luxel[train]")

from luxel.errors import RecipeError  # noqa: E402
from luxel.model.losses import gradient_loss, pixel_loss, ssim_loss  # noqa: E402
from luxel.train.checkpoint import load_checkpoint  # noqa: E402
from luxel.train.data import Batches, TrainingData, batches, open_stores  # noqa: E402
from luxel.train.loop import train  # noqa: E402
from luxel.train.recipe import Recipe, load_recipe  # noqa: E402

TINY = Path(__file__).parents[2] / "recipes" / "pieanet-tiny.toml"
QUIET = {"report": lambda line: None}


def recipe_on(dataset: Path, folder: Path, *more: str) -> Recipe:
    changes = [f'data.built=["{dataset}"]', "data.built_share=1", f"output.folder={folder}", "train.threads=1"]
    changes += ["train.phases=[{share=1.0,crop=32,batch=8}]", "train.warmup=5", "train.steps=10", "data.short_side=64"]
    return load_recipe(TINY, [*changes, "data.scenes=4", "validate.every=1000", *more])


def test_it_learns_from_a_built_dataset(dataset: Path, tmp_path: Path) -> None:
    recipe = recipe_on(dataset, tmp_path / "run", "train.steps=60", "train.ema=0.9")
    losses: list[float] = []
    progress = train(recipe, cache=tmp_path / "cache", on_step=lambda step, loss: losses.append(loss), **QUIET)
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])
    held_out = [read_frame(dataset, row)[1] for row in read_rows(dataset) if row.split == "val"]
    assert progress.best_mae < 0.7 * np.mean([np.abs(residual).mean() for residual in held_out])
    assert sorted(p.name.rsplit("-", 1)[0] for p in (tmp_path / "cache").iterdir()) == ["built-train", "built-val"]


def test_resuming_on_a_mix_is_exact(dataset: Path, tmp_path: Path) -> None:
    straight, stopped = (recipe_on(dataset, tmp_path / n, "data.built_share=0.5", "train.steps=8") for n in "ab")
    train(straight, cache=tmp_path / "cache", **QUIET)
    assert train(stopped, cache=tmp_path / "cache", stop_at=3, **QUIET).step == 3
    assert train(stopped, cache=tmp_path / "cache", **QUIET).step == 8
    a, b = (load_checkpoint(tmp_path / name / "checkpoint.pt") for name in "ab")
    for part in ("network", "average"):
        assert all(torch.equal(a[part][k], b[part][k]) for k in a[part])


def test_the_mix_has_the_stated_share(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_on(dataset, tmp_path, "data.built_share=0.3", "train.steps=100")
    training_data, validation = open_stores(recipe.data, tmp_path / "cache")
    assert not isinstance(validation, BuiltStore)
    drawn = []

    def counted(*arguments: object) -> list[BuiltFrame]:
        frames = draw_built_samples(*arguments)  # type: ignore[arg-type]
        drawn.extend(frames)
        return frames

    monkeypatch.setattr("luxel.train.data.draw_built_samples", counted)
    made = Batches(training_data, recipe)
    for step in range(50):
        made[step]
    expected, spread_of_it = 400 * 0.3, np.sqrt(400 * 0.3 * 0.7)
    assert abs(len(drawn) - expected) < 3 * spread_of_it


def test_a_batch_of_whole_pictures_has_one_size_and_source(dataset: Path, tmp_path: Path) -> None:
    recipe = recipe_on(dataset, tmp_path, "data.built_share=0.5", "train.phases=[{share=1.0,crop='whole',batch=8}]")
    training_data, _ = open_stores(recipe.data, tmp_path / "cache")
    image, residual, confidence = Batches(training_data, recipe)[0]
    assert confidence is not None
    assert image.shape[-2:] == residual.shape[-2:] == confidence.shape[-2:]
    assert image.shape[-1] % 32 == image.shape[-2] % 32 == 0
    sources = {bool((Batches(training_data, recipe)[step][2] == 1).all()) for step in range(6)}  # type: ignore[union-attr]
    assert sources == {True, False}  # simulated pictures are certain everywhere, built ones are not


def test_a_batch_is_the_same_wherever_it_is_made(dataset: Path, tmp_path: Path) -> None:
    recipe = recipe_on(dataset, tmp_path, "data.built_share=0.5", "train.steps=6", "data.workers=1")
    training_data, _ = open_stores(recipe.data, tmp_path / "cache")
    here = Batches(training_data, recipe)
    for step, batch in zip(range(4, 6), batches(training_data, recipe, start=4), strict=True):
        for a, b in zip(here[step], batch, strict=True):
            assert a is not None
            assert b is not None
            assert torch.equal(a, b)


def test_simulated_samples_are_what_they_were_without_built_datasets(tmp_path: Path) -> None:
    recipe = load_recipe(TINY, ["data.scenes=4", "train.phases=[{share=1.0,crop=32,batch=4}]"])
    training_data, _ = open_stores(recipe.data, tmp_path)
    assert training_data.built is None
    assert training_data.scenes is not None
    assert Batches(training_data, recipe)[3][2] is None
    assert pickle.loads(pickle.dumps(TrainingData(training_data.scenes, None))).scenes.names


def test_recipes_that_cannot_be_meant(dataset: Path, tmp_path: Path) -> None:
    for change in ("data.built_share=0", "data.built=[]"):
        with pytest.raises(RecipeError, match="give both or neither"):
            recipe_on(dataset, tmp_path, change)
    large = recipe_on(dataset, tmp_path, "train.phases=[{share=1.0,crop=96,batch=8}]")
    with pytest.raises(DatasetError, match="side of 64 pixels"):
        train(large, cache=tmp_path / "cache", **QUIET)
    with pytest.raises(DatasetError, match="neither a luxel dataset"):
        train(recipe_on(tmp_path, tmp_path), cache=tmp_path / "cache", **QUIET)


# The loss.


def test_pixels_without_confidence_do_not_count() -> None:
    a, b = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    sure = torch.ones_like(a)
    sure[:, :, :, 5:] = 0
    spoiled = torch.where(sure > 0, b, torch.full_like(b, -1.0))
    for kind in ("l1", "l2", "smooth_l1"):
        assert pixel_loss(a, spoiled, kind, sure) == pytest.approx(float(pixel_loss(a[..., :5], b[..., :5], kind)))
        assert pixel_loss(a, b, kind, torch.ones_like(a)) == pytest.approx(float(pixel_loss(a, b, kind)))
        assert pixel_loss(a, b, kind, torch.zeros_like(a)) == 0
    assert gradient_loss(a, spoiled, sure) == pytest.approx(float(gradient_loss(a[..., :5], b[..., :5])), rel=1e-5)
    assert gradient_loss(a, b, torch.ones_like(a)) == pytest.approx(float(gradient_loss(a, b)), rel=1e-5)


def test_windows_with_a_pixel_without_confidence_do_not_count_in_ssim() -> None:
    a, b = torch.rand(2, 1, 16, 24), torch.rand(2, 1, 16, 24)
    sure = torch.ones_like(a)
    sure[..., 15:] = 0
    spoiled = torch.where(sure > 0, b, torch.full_like(b, -1.0))
    assert ssim_loss(a, spoiled, sure) == pytest.approx(float(ssim_loss(a[..., :15], b[..., :15])), rel=1e-4)
    assert ssim_loss(a, b, torch.ones_like(a)) == pytest.approx(float(ssim_loss(a, b)), rel=1e-5)
