"""Laws of the camera, the panorama renderer, the reference and the samples."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel.dataset.reference.bracket import LEVELS, frame, metered
from luxel.dataset.sources.panorama import USABLE_ELEVATION, random_view, render_view
from luxel.errors import DatasetError
from luxel.photometry import FloatArray, lightness, luminance, to_linear, to_srgb
from luxel.samples.draw import SampleRules, draw_samples
from luxel.samples.procedural import procedural_scene
from luxel.samples.scenes import SceneStore, Source, data_root, list_sources, load_scene, render_store
from luxel.samples.simulate import Camera, CameraRules, capture, random_camera, tone_curve
from luxel.samples.validation import validation_pictures


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SceneStore:
    folder = tmp_path_factory.mktemp("cache")
    sources = [Source("procedural", "", i) for i in range(4)]
    return render_store(folder, sources, folder, short_side=96)


def test_more_exposure_never_darkens(rng: np.random.Generator) -> None:
    linear = procedural_scene(rng, height=48, width=64)
    frames = [frame(linear, ev).astype(int) for ev in LEVELS.values()]
    assert all((brighter >= darker).all() for darker, brighter in pairwise(frames))


def test_one_stop_doubles_the_light(rng: np.random.Generator) -> None:
    linear = rng.uniform(0.02, 0.2, (32, 32, 3)).astype(np.float32)
    bright, dark = (to_linear(capture(linear, Camera(ev=ev), rng) / 255) for ev in (1.0, 0.0))
    assert float(np.median(bright / dark)) == pytest.approx(2.0, rel=0.02)


def test_clipping_is_true_and_clean(rng: np.random.Generator) -> None:
    linear = np.full((16, 16, 3), 3.0, np.float32)
    assert (capture(linear, Camera(ev=0, shot=1e-3, read=1e-3), rng) == 255).all()


def test_noise_grows_with_light_and_keeps_the_mean(rng: np.random.Generator) -> None:
    camera = Camera(ev=0, shot=1e-3, read=1e-4)
    levels = [to_linear(capture(np.full((200, 200, 3), v, np.float32), camera, rng) / 255) for v in (0.1, 0.4)]
    assert levels[1].std() > 1.7 * levels[0].std()
    assert float(levels[0].mean()) == pytest.approx(0.1, rel=0.01)
    assert float(levels[0].std()) == pytest.approx(np.sqrt(1e-3 * 0.1), rel=0.1)


def test_tone_curve_is_monotone_and_keeps_its_fixed_points() -> None:
    v = np.linspace(0, 1, 257, dtype=np.float32)
    for contrast in (-0.25, 0.0, 0.35):
        curve = tone_curve(v, contrast)
        assert (np.diff(curve) > 0).all()
        assert curve[[0, 128, 256]] == pytest.approx([0, 0.5, 1], abs=1e-6)


def test_random_camera_is_reproducible_and_in_range() -> None:
    cameras = [random_camera(np.random.default_rng(i)) for i in range(900)]
    assert cameras[5] == random_camera(np.random.default_rng(5))
    levels, counts = np.unique(np.rint([c.ev for c in cameras]), return_counts=True)
    assert levels.tolist() == list(LEVELS.values())  # every level is as likely as the next, the outermost too
    assert np.abs(counts - 100).max() < 4 * np.sqrt(100)
    assert 0.3 < np.mean([c.jpeg is not None for c in cameras]) < 0.5


def test_camera_rules_change_what_they_name_and_nothing_else() -> None:
    def cameras(**rules: float) -> list[Camera]:
        return [random_camera(np.random.default_rng(i), CameraRules(**rules)) for i in range(200)]  # type: ignore[arg-type]

    plain = cameras()
    assert cameras(noise=False) == [replace(c, shot=0.0, read=0.0) for c in plain]
    assert [replace(c, jpeg=None) for c in plain] == cameras(jpeg_share=0.0)
    assert [replace(c, contrast=0.0) for c in plain] == cameras(contrast=0.0)
    assert max(abs(c.ev) for c in cameras(max_ev=1.0)) <= 1.0 < max(abs(c.ev) for c in plain)


def test_metering_puts_the_log_mean_at_mid_grey(rng: np.random.Generator) -> None:
    linear = 37.0 * rng.lognormal(0, 0.5, (64, 64, 1)).astype(np.float32).repeat(3, axis=2)
    assert float(np.exp(np.log(luminance(metered(linear))).mean())) == pytest.approx(0.18, rel=0.02)


def test_view_of_a_uniform_sphere_is_uniform() -> None:
    view = render_view(np.full((64, 128, 3), 2.5, np.float32), yaw=33, pitch=-12, fov=70, height=40, width=60)
    assert view == pytest.approx(2.5, rel=1e-5)


def test_turning_the_camera_is_turning_the_sphere(rng: np.random.Generator) -> None:
    sphere = rng.random((64, 128, 3)).astype(np.float32)
    quarter = {"pitch": 5.0, "fov": 60.0, "height": 32, "width": 48}
    turned = render_view(sphere, yaw=90.0, **quarter)
    rolled = render_view(np.roll(sphere, -32, axis=1), yaw=0.0, **quarter)
    np.testing.assert_allclose(turned, rolled, atol=2e-3)


def test_pitch_looks_up_and_yaw_looks_right() -> None:
    elevation = np.linspace(1, 0, 90, dtype=np.float32)[:, None, None].repeat(180, 1).repeat(3, 2)  # bright zenith
    camera = {"fov": 50.0, "height": 32, "width": 32}
    means = [render_view(elevation, yaw=0, pitch=p, **camera).mean() for p in (-30, 0, 30)]
    assert means == sorted(means)
    longitude = np.linspace(0, 1, 180, dtype=np.float32)[None, :, None].repeat(90, 0).repeat(3, 2)
    means = [render_view(longitude, yaw=y, pitch=0, **camera).mean() for y in (-60, 0, 60)]
    assert means == sorted(means)


def test_random_views_avoid_the_poles(rng: np.random.Generator) -> None:
    rows = np.linspace(90, -90, 180, dtype=np.float32)[:, None, None].repeat(360, 1).repeat(3, 2) + 90
    for _ in range(20):
        view, camera = random_view(rows, rng, height=36, width=48)
        centre_column = view[:, 23:25, 0] - 90
        assert np.abs(centre_column).max() <= USABLE_ELEVATION + 1, camera


def test_sample_is_picture_and_its_own_map(store: SceneStore) -> None:
    """Picture plus map is the reference, whatever was cropped, mirrored and turned."""
    for seed in range(12):
        [(image, residual)] = draw_samples(store, np.random.default_rng(seed), SampleRules(crop=64), 1)
        assert image.shape == (64, 64, 3)
        reference = lightness(image) + residual
        assert reference.min() >= -1e-6
        assert reference.max() <= 1 + 1e-6
        matches = []
        for scene in store:
            for turn in range(4):
                for mirror in (False, True):
                    whole = np.rot90(scene.reference[:, ::-1] if mirror else scene.reference, turn)
                    matches.append(_found(whole, reference))
        assert any(matches)


class ManySizes(SceneStore):
    """A tall, a square and two wide scenes; the wide ones differ by less than what whole pictures are cut to."""

    def __init__(self) -> None:
        sizes = [(96, 64), (64, 64), (64, 101), (66, 97)]
        self.entries = [{"height": h, "width": w} for h, w in sizes]
        self.kinds = ["photo"] * len(sizes)

    def window(self, i: int, rows: slice, columns: slice) -> tuple[FloatArray, FloatArray]:
        height, width = self.size(i)
        ramp = np.linspace(0.1 + 0.2 * i, 0.2 + 0.2 * i, height * width, dtype=np.float32).reshape(height, width)
        return to_linear(ramp)[rows, columns, None].repeat(3, 2), ramp[rows, columns]


def test_whole_pictures_of_one_batch_have_one_size_and_lose_less_than_a_block() -> None:
    store, sizes = ManySizes(), set()
    for seed in range(40):
        drawn = draw_samples(
            store, np.random.default_rng(seed), SampleRules(crop="whole", camera=CameraRules(jpeg_share=0.0)), 5
        )
        assert len({image.shape for image, _ in drawn}) == 1
        sizes.add(drawn[0][0].shape[:2])
        # The ramps tell which scene a picture came from: those of one batch are of one size when cut.
        of = {round((float((lightness(image) + residual).mean()) - 0.15) / 0.2) for image, residual in drawn}
        assert of <= {2, 3} or len(of) == 1
    assert sizes == {(96, 64), (64, 64), (64, 96)}


def _found(whole: np.ndarray, part: np.ndarray) -> bool:
    h, w = part.shape
    corner = np.abs(whole[: whole.shape[0] - h + 1, : whole.shape[1] - w + 1] - part[0, 0]) < 1e-5
    return any(np.allclose(whole[r : r + h, c : c + w], part, atol=1e-5) for r, c in np.argwhere(corner))


def test_samples_are_reproducible(store: SceneStore) -> None:
    a, b = (draw_samples(store, np.random.default_rng(3), SampleRules(crop=64), 1)[0] for _ in range(2))
    assert (a[0] == b[0]).all()
    assert (a[1] == b[1]).all()


def test_store_is_reopened_not_rendered_again(store: SceneStore) -> None:
    sources = [Source("procedural", "", i) for i in range(4)]

    def reject(scenes: object, total: int) -> object:
        raise AssertionError("rendered again")

    again = render_store(store.folder.parent, sources, store.folder, short_side=96, progress=reject)  # type: ignore[arg-type]
    assert again.names == store.names


def test_validation_covers_every_scene_at_nine_levels_and_never_changes(store: SceneStore) -> None:
    pictures = list(validation_pictures(store))
    assert len(pictures) == 9 * len(store)
    assert {p.level for p in pictures} == set(LEVELS)
    again = list(validation_pictures(store))
    assert all((a.image == b.image).all() for a, b in zip(pictures, again, strict=True))
    some = list(validation_pictures(store, limit=12))
    assert len({p.level for p in some}) >= 7


def test_darker_exposures_are_labelled_underexposed(store: SceneStore) -> None:
    by_level = {level: [] for level in LEVELS}
    for picture in validation_pictures(store):
        by_level[picture.level].append(float(picture.residual.mean()))
    means = [np.mean(values) for values in by_level.values()]
    assert means == sorted(means, reverse=True)
    assert means[0] > 0.2
    assert means[-1] < -0.1


def test_missing_data_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.delenv("LUXEL_DATA", raising=False)
    with pytest.raises(DatasetError, match="LUXEL_DATA"):
        data_root()
    from pathlib import Path

    with pytest.raises(DatasetError, match=r"index\.csv"):
        list_sources(Path(str(tmp_path)), "train", views=1, seed=0)


def test_real_sources_keep_their_split() -> None:
    try:
        root = data_root()
    except DatasetError as reason:
        pytest.skip(str(reason))
    train = {s.file for s in list_sources(root, "train", views=1, seed=0)}
    validation = {s.file for s in list_sources(root, "val", views=1, seed=0)}
    assert not train & validation
    assert (len(train), len(validation)) == (61 + 1058, 5 + 102)
    scene = load_scene(
        Source("photo", sorted(v for v in validation if v.startswith("photos"))[0], 0), root, short_side=128
    )
    assert min(scene.reference.shape) == 128
    assert to_srgb(scene.linear).max() <= 1
