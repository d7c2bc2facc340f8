"""What a network's maps imply of the labels it was trained on, and the table that measures against it."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs luxel[train]")
pytest.importorskip("cv2", reason="needs luxel[dataset]")

import cv2  # noqa: E402

from luxel.benchmark.tables.implied_table import against_implied, implied_markdown, scene_files, scene_light  # noqa: E402
from luxel.dataset.reference.bracket import LEVELS  # noqa: E402
from luxel.errors import DatasetError  # noqa: E402
from luxel.model.released import SIDE, Released  # noqa: E402
from luxel.photometry import as_unit_float, lightness  # noqa: E402
from luxel.samples.implied import implied_reference, implied_scenes, stored_implied_reference, with_detail  # noqa: E402
from luxel.samples.scenes import Source, render_store  # noqa: E402


def test_a_perfect_network_implies_its_own_reference() -> None:
    rng = np.random.default_rng(0)
    reference = rng.uniform(0.2, 0.8, (20, 30)).astype(np.float32)
    linear = rng.uniform(0, 1.5, (20, 30, 3)).astype(np.float32)
    implied = implied_reference(lambda images: reference - lightness(images), linear)
    np.testing.assert_allclose(implied, reference, atol=1e-5)


def test_clipped_and_black_frames_hardly_count() -> None:
    """A network that errs only where a frame is black or white is forgiven."""
    linear = np.full((8, 8, 3), 0.18, np.float32)

    def predict(images: np.ndarray) -> np.ndarray:
        y = lightness(images)
        return np.where((y < 0.02) | (y > 0.99), 0.5, 0.0).astype(np.float32) + (0.47 - y)

    assert np.abs(implied_reference(predict, linear) - 0.47).max() < 0.02


class Dark(torch.nn.Module):
    """In place of the released network: the same map for every image."""

    def __init__(self) -> None:
        super().__init__()
        self.level = torch.nn.Parameter(torch.tensor(0.3), requires_grad=False)

    def forward(self, images: torch.Tensor, alone: bool = False) -> torch.Tensor:
        return self.level.expand(len(images), 1, SIDE, SIDE)


def test_table_has_every_map_and_level_and_its_cache_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    folder.mkdir()
    picture = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(picture).save(folder / "a.png")
    files = scene_files([folder])
    cache = tmp_path / "cache"
    light = scene_light(files[0], -0.5)
    assert light.shape == (SIDE, SIDE, 3)
    # The stored answer of a network that was never loaded: were it computed, this network would give another.
    released = Released(Dark(), ())  # type: ignore[arg-type]
    cache.mkdir()
    stored_implied_reference(released.predict_alone, light, cache)
    [stored] = cache.glob("*.npy")
    np.save(stored, np.full((SIDE, SIDE), 0.47, np.float32))
    ideal = {"ideal": lambda image: 0.47 - lightness(as_unit_float(image))}
    maps, references = against_implied(released, ideal, files, level_zero=-0.5, cache=cache)
    assert {row.level for row in maps if row.predictor == "ideal"} == set(LEVELS)
    assert max(row.mae for row in maps if row.predictor == "ideal") < 1e-5
    assert {row.reference: row.distance for row in references}["constant 0.475"] == pytest.approx(0.005, abs=1e-5)
    assert "| ideal | 0.0000 |" in implied_markdown(maps, references)


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no folder with pictures"):
        scene_files([tmp_path / "missing"])


def test_implied_target_has_the_low_band_of_one_and_the_detail_of_the_other() -> None:
    rng = np.random.default_rng(3)
    texture = rng.normal(0, 0.02, (120, 180)).astype(np.float32)
    slope = np.linspace(-0.1, 0.1, 180, dtype=np.float32)[None].repeat(120, 0)
    reference = 0.5 + texture
    made = with_detail(0.55 + slope[::2, ::2], reference)
    np.testing.assert_allclose(cv2.blur(made, (25, 25)), cv2.blur(0.55 + slope, (25, 25)), atol=0.01)
    assert np.corrcoef(np.diff(made).ravel(), np.diff(reference).ravel())[0, 1] > 0.99
    np.testing.assert_allclose(with_detail(reference, reference), reference, atol=1e-5)


def test_training_scenes_take_what_is_implied_once(tmp_path: Path) -> None:
    sources = [Source("procedural", "", seed) for seed in range(3)]
    store = render_store(tmp_path, sources, tmp_path, short_side=64)
    asked = []

    def predict(images: np.ndarray) -> np.ndarray:
        asked.append(images.shape)
        return 0.6 - lightness(images)

    scenes = implied_scenes(store, predict, tmp_path / "implied", count=2, evs=(-3, 0, 3))
    assert len(scenes) == 2
    assert asked == [(3, SIDE, SIDE, 3)] * 2
    assert len(implied_scenes(store, predict, tmp_path / "implied", count=2, evs=(-3, 0, 3))) == 2
    assert len(asked) == 2, "what is stored is not computed again"
    assert len(implied_scenes(store, predict, tmp_path / "implied")) == 3, "every scene, with every level"
    assert asked[2:] == [(9, SIDE, SIDE, 3)] * 3
    again = pickle.loads(pickle.dumps(scenes))
    for i in range(2):
        own = store[store.names.index(scenes.names[i])]
        np.testing.assert_array_equal(again[i].linear, own.linear)
        assert abs(again[i].reference.mean() - 0.6) < 0.01
        part = scenes.window(i, slice(8, 40), slice(0, 32))[1]
        np.testing.assert_array_equal(part, scenes[i].reference[8:40, :32])
    with pytest.raises(DatasetError, match="only 3 are there"):
        implied_scenes(store, predict, tmp_path / "implied", count=4)
