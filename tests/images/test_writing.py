"""Writing pictures: exact, atomic."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import tifffile

from luxel.errors import ImageError
from luxel.images import read, write
from stand_ins.full_disk import Disk
from stand_ins.picture_files import photo

Array = np.ndarray


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64)])
def test_write_round_trip_is_exact(tmp_path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)
    expected = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
    names = ["a.png", "a.tif", "a.TIFF"] + (["a.webp"] if dtype is np.uint8 else [])
    for name in names:
        write(tmp_path / name, pixels)
        picture = read(tmp_path / name)
        np.testing.assert_array_equal(picture.pixels, expected)
        assert picture.notes == ()
        np.testing.assert_array_equal(another_reader(tmp_path / name), expected, err_msg=name)
    write(str(tmp_path / "strided.png"), pixels[::-1, ::2])
    np.testing.assert_array_equal(read(tmp_path / "strided.png").pixels, expected[::-1, ::2])


def another_reader(path: Path) -> Array:
    """The pixels by OpenCV, as [H, W, 3] RGB."""
    cv2 = pytest.importorskip("cv2", reason="the extra dataset is not installed: nothing to compare with")
    return cv2.imread(str(path), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)[..., ::-1]


def test_write_float(tmp_path: Path) -> None:
    encoded, residual = photo(dtype=np.float32), photo(channels=1, dtype=np.float32)[..., 0] * 2 - 1
    write(tmp_path / "a.tif", encoded)
    np.testing.assert_allclose(read(tmp_path / "a.tif").pixels, encoded, atol=1e-6)  # tagged sRGB: read as a picture
    write(tmp_path / "r.tif", residual)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "r.tif"), residual)  # data: any value, exactly
    write(tmp_path / "a.png", encoded.astype(np.float64))
    np.testing.assert_array_equal(read(tmp_path / "a.png").pixels, np.rint(encoded.astype(np.float64) * 65535))
    for name in ("a.jpg", "a.webp"):
        write(tmp_path / name, encoded)
        assert np.abs(read(tmp_path / name).pixels / 255 - encoded).mean() < 0.02
        write(tmp_path / name, (encoded * 65535).astype(np.uint16))
        assert np.abs(read(tmp_path / name).pixels / 255 - encoded).mean() < 0.02
    for bad in (residual, np.full((4, 4), np.nan), encoded + 1):
        with pytest.raises(ImageError, match=r"values run from .* use \.tif"):
            write(tmp_path / "bad.png", bad)
    assert not (tmp_path / "bad.png").exists()


def test_write_rejects_what_it_cannot_hold(tmp_path: Path) -> None:
    for name, pixels, words in (
        ("a.gif", photo(), "cannot write .gif"),
        ("a", photo(), "without suffix"),
        ("a.png", photo(channels=4), "shape"),
        ("a.png", np.zeros((0, 5), np.uint8), "shape"),
        ("a.png", np.zeros((5, 5), np.int32), "int32"),
        ("a.png", np.zeros((5, 5), bool), "bool"),
        ("a.webp", np.zeros((1, 17000), np.uint8), "WebP can hold"),
        ("no/folder/a.png", photo(), "cannot be written"),
    ):
        with pytest.raises(ImageError, match=words):
            write(tmp_path / name, pixels)
    assert list(tmp_path.iterdir()) == []


def test_write_is_atomic(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write(path, photo())
    before = path.read_bytes()
    with Disk(10).used(), pytest.raises(ImageError, match="No space left on device"):
        write(path, 255 - photo())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask  # as any program would make it
