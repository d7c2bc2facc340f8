"""What `assess` takes: one picture gives one assessment, however it is handed over."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from luxel import images
from luxel.assessment.assessor import Assessor
from luxel.assessment.many import assess_many
from luxel.errors import ImageError, WeightsError
from stand_ins.onnx_files import grey_target
from stand_ins.picture_files import photo

Array = np.ndarray
PHOTO = photo(60, 80)


@pytest.fixture
def assessor(tmp_path: Path) -> Assessor:
    return Assessor(grey_target(tmp_path / "grey.onnx"), threads=1)


def test_arrays_of_every_layout(assessor: Assessor) -> None:
    expected = assessor.assess(PHOTO)
    opaque = np.dstack([PHOTO, np.full((60, 80), 255, np.uint8)])
    np.testing.assert_array_equal(assessor.assess(opaque).residual, expected.residual)
    grey = np.repeat(PHOTO[..., :1], 3, axis=2)
    for image in (PHOTO[..., 0], PHOTO[..., :1]):
        np.testing.assert_array_equal(assessor.assess(image).image, grey)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_alpha_is_composited_on_white(assessor: Assessor, dtype: type) -> None:
    full = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
    image = np.zeros((20, 20, 4), dtype)
    image[:10, :, 3] = full
    before = image.copy()
    result = assessor.assess(image).image
    assert (result[:10] == 0).all()
    assert (result[10:] == full).all()
    np.testing.assert_array_equal(image, before)


def test_tensors(assessor: Assessor) -> None:
    torch = pytest.importorskip("torch", reason="tensors need luxel[train]")
    expected = assessor.assess(PHOTO)
    codes = torch.from_numpy(PHOTO).permute(2, 0, 1)
    unit = (codes / 255).requires_grad_()
    for tensor in (codes, unit, unit.double()):
        np.testing.assert_allclose(assessor.assess(tensor).residual, expected.residual, atol=1e-5)
    assert assessor.assess(unit[:1]).size == (60, 80)
    for wrong in (unit[None], unit.permute(1, 2, 0), codes.int()):
        with pytest.raises(ImageError, match="tensor of"):
            assessor.assess(wrong)
    with pytest.raises(ImageError, match=r"float in \[0, 255\]|float in"):
        assessor.assess(codes.float())


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_bytes_and_file_objects_are_the_file(assessor: Assessor, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(PHOTO).save(path)
    expected, data = assessor.assess(path), path.read_bytes()
    with path.open("rb") as file:
        for image in (data, bytearray(data), memoryview(data), io.BytesIO(data), file):
            result = assessor.assess(image)
            np.testing.assert_array_equal(result.residual, expected.residual)
            assert result.path is None


def test_bad_bytes_and_files_are_one_line(assessor: Assessor) -> None:
    for image, message in (
        (b"no picture", "10 bytes: is not a picture"),
        (b"", "0 bytes: is empty"),
        (io.StringIO("text"), "binary mode"),
        (object(), "object object: give a path"),
    ):
        with pytest.raises(ImageError, match=message) as caught:
            assessor.assess(image)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "CMYK", "YCbCr"])
def test_pillow_images(assessor: Assessor, mode: str) -> None:
    image = Image.fromarray(PHOTO).convert(mode)
    assert np.abs(assessor.assess(image).image.astype(int) - np.asarray(image.convert("RGB"))).mean() < 3


def test_pillow_orientation_and_modes(assessor: Assessor, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PHOTO).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(assessor.assess(image).image, images.read(tmp_path / "a.png").pixels)
    with pytest.raises(ImageError, match="mode F: convert it to RGB"):
        assessor.assess(Image.new("F", (20, 20)))


def test_an_assessor_pickles_with_its_options(tmp_path: Path) -> None:
    weights = grey_target(tmp_path / "grey.onnx")
    one = Assessor(weights, threads=1, threshold=0.1, working_size=64)
    two = pickle.loads(pickle.dumps(one))
    assert two.options == one.options
    assert two.assess(PHOTO).to_row() == one.assess(PHOTO).to_row()
    assert pickle.loads(pickle.dumps(one.assess(PHOTO))).to_row() == one.assess(PHOTO).to_row()
    data = pickle.dumps(one)
    grey_target(weights, size=3)
    with pytest.raises(WeightsError, match="not the weights"):
        pickle.loads(data)


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_in_order_with_errors_as_values(assessor: Assessor, tmp_path: Path, jobs: int) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    mixed = [tmp_path / "a.png", b"none", io.BytesIO(data), tmp_path / "gone.png", PHOTO, io.StringIO("x")]
    found = list(assess_many(iter(mixed), assessor=assessor, jobs=jobs))
    assert [isinstance(each, ImageError) for each in found] == [False, True, False, True, False, True]
    assert found[0].score == found[2].score == found[4].score == assessor.assess(PHOTO).score  # type: ignore[union-attr]
    assert "no such file" in str(found[3])


def test_rows_and_representations(assessor: Assessor, tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "<b>.png")
    result = assessor.assess(tmp_path / "<b>.png")
    row = result.to_row()
    assert all(value is None or isinstance(value, str | int | float) for value in row.values())
    assert row["weights_name"] == "grey"
    assert row["head_name"] is None
    assert len(repr(result)) < 150
    assert "80 x 60" in repr(result)
    with Image.open(io.BytesIO(result._repr_png_())) as drawn:
        assert drawn.format == "PNG"
    assert "&lt;b&gt;" in result._repr_html_()
