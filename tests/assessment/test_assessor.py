"""From a picture to its assessment, with stand-in networks whose maps are known by hand."""

import json
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from luxel import residual
from luxel.assessment import assessor
from luxel.assessment.assessor import Assessor
from luxel.errors import ImageError, LuxelError, WeightsError
from luxel.photometry import expose, lightness, to_linear, to_srgb
from luxel.residual_files import decode_residual
from stand_ins import onnx_files


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return onnx_files.grey_target(tmp_path / "grey.onnx")


@pytest.fixture
def judge(weights: Path) -> Assessor:
    return Assessor(weights)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours with a hard edge, uint8 [H, W, 3]."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = np.stack([0.5 + 0.3 * np.sin(5 * x + p) * np.cos(4 * y - p) for p in phase], axis=-1)
    waves[:, width // 3 :] *= 0.7
    return np.rint(waves * 255).astype(np.uint8)


def test_a_picture_up_to_the_working_size_gets_the_networks_own_map(judge: Assessor) -> None:
    image = picture(256, 200)
    result = judge.assess(image)
    assert result.residual.dtype == np.float32
    assert result.size == (256, 200)
    assert result.image is image
    np.testing.assert_allclose(result.residual, 0.5 - lightness(image), atol=1e-6)


def test_a_large_picture_gets_its_map_at_full_size(judge: Assessor) -> None:
    """The map 0.5 - Y' is linear in the guide, so upsampling from 256 lines must bring back every pixel."""
    image = picture(801, 1203)
    result = judge.assess(image)
    assert result.size == (801, 1203)
    error = np.abs(result.residual - (0.5 - lightness(image)))
    assert error.mean() < 1e-3
    assert error.max() < 0.02


def test_scores_and_areas_are_those_of_the_map(judge: Assessor) -> None:
    result = judge.assess(picture(700, 500))
    assert result.score == pytest.approx(residual.people_score(result.residual), abs=1e-5)
    assert 10 * (1 - result.mean_abs_residual) == pytest.approx(residual.mean_residual_score(result.residual), abs=1e-5)
    assert result.over == pytest.approx(residual.over_area(result.residual), abs=1e-9)
    assert result.under == pytest.approx(residual.under_area(result.residual), abs=1e-9)


def test_the_threshold_moves_the_areas_only(weights: Path) -> None:
    image = picture(100, 100)
    strict, loose = (Assessor(weights, threshold=t).assess(image) for t in (0.05, 0.2))
    assert strict.score == loose.score
    assert strict.over + strict.under > loose.over + loose.under
    assert loose.under == residual.under_area(loose.residual, 0.2)
    assert loose.threshold == 0.2


@pytest.mark.parametrize("size", [(200, 200), (600, 700)])
def test_every_storage_type_gives_the_same_assessment(judge: Assessor, size: tuple[int, int]) -> None:
    codes = picture(*size)
    expected = judge.assess(codes)
    variants = {
        "uint16": codes.astype(np.uint16) * 257,
        "big-endian": (codes.astype(np.uint16) * 257).astype(">u2"),
        "float32": (codes / 255).astype(np.float32),
        "float64": codes / 255,
        "reversed view": codes[::-1, ::-1].copy()[::-1, ::-1],
        "channel view": np.ascontiguousarray(codes[..., ::-1])[..., ::-1],
    }
    for name, image in variants.items():
        result = judge.assess(image)
        # Pillow's 8-bit averages round to 1/255 before the last reduction; everything else agrees to rounding.
        np.testing.assert_allclose(result.residual, expected.residual, atol=5e-3, err_msg=name)
        assert np.abs(result.residual - expected.residual).mean() < 5e-4
        assert result.score == pytest.approx(expected.score, abs=5e-3)


def test_float_rounding_outside_the_range_is_tolerated_and_clipped(judge: Assessor) -> None:
    image = np.full((20, 20, 3), 1.0005, dtype=np.float32)
    np.testing.assert_allclose(judge.assess(image).residual, -0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros(20, np.uint8), r"array of shape \[20\]: give \[H, W, 3\]"),
        (np.zeros((20, 20, 5), np.uint8), r"shape \[20, 20, 5\].*alpha"),
        (np.zeros((3, 20, 20), np.uint8), r"shape \[3, 20, 20\]"),
        (np.zeros((7, 9, 3), np.uint8), r"array of 9 x 7: too small to judge; give 64 pixels"),
        (np.zeros((0, 20, 3), np.uint8), "20 x 0: too small"),
        (np.zeros((20, 20, 3), np.int64), "array of int64: give uint8, uint16"),
        (np.zeros((20, 20, 3), bool), "array of bool"),
        (np.full((20, 20, 3), 200.0), r"float in \[200, 200\]: give \[0, 1\]"),
        (np.full((20, 20, 3), -0.01), r"float in \[-0.01, -0.01\]"),
        (np.full((20, 20, 3), np.nan), "not numbers"),
        (np.full((20, 20, 3), np.inf), r"float in \[inf, inf\]"),
        ([[1, 2, 3]], "list object: give a path"),
        (None, "NoneType object"),
    ],
)
def test_arrays_that_are_not_images_are_rejected(judge: Assessor, image: object, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        judge.assess(image)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (20, 5000), (5000, 20), (8, 8), (1, 64), (3, 40_000)])
def test_extreme_shapes_work(judge: Assessor, size: tuple[int, int]) -> None:
    image = picture(*size)
    result = judge.assess(image)
    assert result.size == size
    assert np.abs(result.residual - (0.5 - lightness(image))).mean() < 0.01


def test_file_and_array_are_assessed_alike(judge: Assessor, tmp_path: Path) -> None:
    image = picture(300, 420)
    Image.fromarray(image).save(tmp_path / "photo.png")
    from_array, from_file = judge.assess(image), judge.assess(tmp_path / "photo.png")
    np.testing.assert_array_equal(from_file.residual, from_array.residual)
    assert from_file.path == tmp_path / "photo.png"
    assert from_array.path is None
    assert judge.assess(str(tmp_path / "photo.png")).score == from_file.score
    with pytest.raises(ImageError, match=r"absent\.png"):
        judge.assess(tmp_path / "absent.png")


def test_a_picture_two_stops_dark_is_given_two_stops(tmp_path: Path) -> None:
    """The network here knows the exact map of a picture darkened by two stops; nothing is clipped."""
    ideal = 0.35 + 0.3 * picture(400, 600) / 255
    dark = to_srgb(expose(to_linear(ideal), -2.0))
    result = Assessor(onnx_files.stops(tmp_path / "stops.onnx", 4.0)).assess(dark)
    assert result.ev == pytest.approx(2.0, abs=0.02)
    np.testing.assert_allclose(result.residual, lightness(ideal) - lightness(dark), atol=0.02)
    assert result.under == 1.0


def test_calls_from_several_threads_give_the_results_of_calls_in_turn(judge: Assessor) -> None:
    images = [picture(260 + 20 * (i % 4), 300, seed=i) for i in range(12)]
    in_turn = [judge.assess(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(judge.assess, images))
    for one, two in zip(in_turn, together, strict=True):
        np.testing.assert_array_equal(one.residual, two.residual)
        assert one.to_dict() == two.to_dict()


def test_the_dict_is_plain_json(judge: Assessor, weights: Path, tmp_path: Path) -> None:
    Image.fromarray(picture(90, 120)).save(tmp_path / "photo.png")
    result = judge.assess(tmp_path / "photo.png")
    facts = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert facts == result.to_dict()
    assert facts["path"] == str(tmp_path / "photo.png")
    assert (facts["width"], facts["height"]) == (120, 90)
    assert facts["weights"] == {"name": "grey", "sha256": judge.weights.sha256}
    assert set(facts) >= {"score", "over", "under", "ev", "threshold"}
    assert len(repr(result)) < 1000


def test_heatmap_is_the_renderers(judge: Assessor) -> None:
    from luxel.draw import heatmap

    result = judge.assess(picture(50, 60))
    np.testing.assert_array_equal(
        result.heatmap("orange-purple"), heatmap.render(result.residual, palette="orange-purple")
    )


def test_save_writes_what_is_asked_for_and_says_where(judge: Assessor, tmp_path: Path) -> None:
    result = judge.assess(picture(300, 400))
    out = tmp_path / "new" / "folder"
    written = result.save(out, "IMG_1.v2", overlay=True)
    assert written == [out / f"IMG_1.v2.{part}" for part in ("residual.png", "heatmap.jpg", "overlay.jpg")]
    assert sorted(written) == sorted(out.iterdir())
    with Image.open(written[0]) as saved:
        codes = np.asarray(saved).astype(np.uint16)
    assert codes.shape == result.size
    np.testing.assert_allclose(decode_residual(codes), result.residual, atol=1.6e-5)
    assert result.save(tmp_path / "array", heatmap=False) == [tmp_path / "array" / "assessment.residual.png"]


def test_save_takes_the_pictures_name_and_rejects_bad_places(judge: Assessor, tmp_path: Path) -> None:
    Image.fromarray(picture(90, 120)).save(tmp_path / "photo.png")
    result = judge.assess(tmp_path / "photo.png")
    assert result.save(tmp_path / "out", residual=False) == [tmp_path / "out" / "photo.heatmap.jpg"]
    with pytest.raises(LuxelError, match=r"photo\.png: cannot be made"):
        result.save(tmp_path / "photo.png")
    with pytest.raises(LuxelError, match=r"'\.\./x': give a plain file name"):
        result.save(tmp_path, "../x")


def test_bad_options_are_rejected(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(LuxelError, match="working_size=31: give 32"):
        Assessor(weights, working_size=31)
    with pytest.raises(LuxelError, match=r"threshold=1\.5"):
        Assessor(weights, threshold=1.5)
    with pytest.raises(WeightsError, match=r"absent\.onnx"):
        Assessor(tmp_path / "absent.onnx")


def test_the_function_keeps_its_assessor(weights: Path) -> None:
    image = picture(64, 64)
    before = assessor._assessor.cache_info().misses
    results = [assessor.assess(image, weights=weights, working_size=64) for _ in range(3)]
    assert assessor._assessor.cache_info().misses == before + 1
    assert len({result.score for result in results}) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_24_megapixels_stay_far_below_the_memory_limit(weights: Path) -> None:
    """1.5 GB is promised; a stand-in network leaves at least half of it to a real one."""
    code = f"""
        import numpy as np
        from luxel.assessment.assessor import Assessor
        row = np.arange(6000 * 3, dtype=np.uint32).reshape(1, 6000, 3)
        image = ((row + 7 * np.arange(4000, dtype=np.uint32)[:, None, None]) // 80).astype(np.uint8)
        result = Assessor({str(weights)!r}, threads=1).assess(image)
        assert result.size == (4000, 6000)
        print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 750_000  # kB
