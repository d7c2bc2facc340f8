"""Training on built datasets: a mix with simulated scenes, batches, confidence in the loss."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from luxel.dataset.iea40k.layout import read_frame, read_rows
from luxel.errors import DatasetError
from luxel.samples.built import BuiltFrame, BuiltStore, draw_built_samples

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
