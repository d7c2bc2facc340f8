"""Reading for the network: what is decoded at reduced size is what shrinking every pixel gives."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from luxel.errors import ImageError
from luxel.filters.shrink import block_side, shrink, shrink_blocks, working_shape
from luxel.images import Picture, read
from luxel.images.formats import jpeg
from stand_ins.picture_files import DISPLAY_P3_ICC, photo, save

Array = np.ndarray
WORKING = 48


def scenery(height: int, width: int) -> Array:
    """Colours with the spectrum of photographs, amplitude falling as 1 / frequency, and hard edges: uint8."""
    rng = np.random.default_rng(height + width)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    planes = []
    for _ in range(3):
        phases = np.exp(2j * np.pi * rng.random(frequency.shape))
        plane = np.fft.irfft2(phases / frequency, (height, width))
        planes.append(plane / plane.std())
    mixed = np.stack(planes, -1) * 12 + planes[0][..., None] * 40 + 118
    mixed[height // 3 : height // 2, width // 5 : width // 3] += 90
    mixed[:: height // 9, :] -= 60
    return np.clip(mixed, 0, 255).astype(np.uint8)


SCENE = scenery(601, 903)


def check_law(path: Path, working_size: int = WORKING) -> Picture:
    """The law: within 1/255 on average of every pixel shrunk. Returns the picture that was read reduced."""
    whole, small = read(path), read(path, working_size=working_size)
    height, width = whole.pixels.shape[:2]
    expected = shrink(whole.pixels, working_shape(height, width, working_size))
    assert small.pixels.dtype == np.float32
    assert small.pixels.flags.c_contiguous
    assert small.size == small.full_size == whole.size == (height, width)
    assert small.pixels.shape == expected.shape
    assert np.abs(small.pixels - expected).mean() < 1 / 255
    assert abs(float((small.pixels - expected).mean())) < 0.3 / 255
    assert (small.format, small.bits, small.notes) == (whole.format, whole.bits, whole.notes)
    return small


@pytest.mark.parametrize("working_size", [32, 48, 64, 100, 150, 300])
def test_jpeg_at_every_scale(tmp_path: Path, working_size: int) -> None:
    check_law(save(tmp_path / "a.jpg", SCENE, quality=92), working_size)


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 90, "progressive": True},
        {"quality": 95, "subsampling": 0},
        {"quality": 60, "subsampling": 2, "restart_marker_rows": 1},
        {"quality": 92, "icc_profile": DISPLAY_P3_ICC},
    ],
    ids=str,
)
def test_jpeg_of_every_kind(tmp_path: Path, options: dict[str, object]) -> None:
    check_law(save(tmp_path / "a.jpg", SCENE, **options))
    check_law(save(tmp_path / "b.jpg", SCENE[..., 0], **{k: v for k, v in options.items() if k != "icc_profile"}))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_jpeg(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    small = check_law(save(tmp_path / "a.jpg", SCENE, exif=exif.tobytes()))
    assert small.pixels.shape[:2] == ((48, 72) if orientation < 5 else (72, 48))


def test_cmyk_jpeg(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([SCENE, 255 - SCENE[..., :1]]), "CMYK").save(tmp_path / "a.jpg", quality=95)
    check_law(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_formats_that_are_decoded_whole(tmp_path: Path, name: str) -> None:
    check_law(save(tmp_path / name, SCENE))


def test_16_bit_and_scene_light(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", SCENE.astype(np.uint16) * 257, photometric="rgb")
    check_law(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", (SCENE / 255.0).astype(np.float32) ** 2.2 * 7, photometric="rgb")
    check_law(tmp_path / "b.tif")


def test_panorama_has_the_shape_that_the_network_takes(tmp_path: Path) -> None:
    small = check_law(save(tmp_path / "a.jpg", np.tile(SCENE[:200], (1, 3, 1))))
    assert small.pixels.shape[:2] == working_shape(200, 2709, WORKING)


def test_small_picture_is_read_as_it_is(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", photo())
    picture = read(path, working_size=48)
    assert picture.full_size is None
    assert picture.size == (48, 64)
    np.testing.assert_array_equal(picture.pixels, read(path).pixels)


def test_reduced_decoding_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    decode = jpeg.simplejpeg.decode_jpeg

    def noted(data: bytes, **options: object) -> Array:
        samples: Array = decode(data, **options)
        sizes.append(samples.shape)
        return samples

    monkeypatch.setattr(jpeg.simplejpeg, "decode_jpeg", noted)
    path = save(tmp_path / "a.jpg", SCENE)
    for working_size in (18, 48, 150, 400):
        read(path, working_size=working_size)
    assert [shape[:2] for shape in sizes] == [(76, 113), (151, 226), (301, 452), (601, 903)]


def test_damage_is_found_at_reduced_size_too(tmp_path: Path) -> None:
    data = save(tmp_path / "a.jpg", SCENE, quality=90).read_bytes()
    for percent in (30, 60, 90, 99):
        (tmp_path / "a.jpg").write_bytes(data[: len(data) * percent // 100].rstrip(b"\xff") + b"\xff\xd9")
        with pytest.raises(ImageError, match="truncated JPEG"):
            read(tmp_path / "a.jpg", working_size=WORKING)


def test_working_size_below_one_is_rejected(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", photo())
    with pytest.raises(ImageError, match="working_size is 0"):
        read(path, working_size=0)


@pytest.mark.parametrize("side", [1, 2, 4, 5, 8])
def test_blocks_that_fill_cells_change_nothing(side: int) -> None:
    """Exact where a cell of `shrink` is a whole number of blocks."""
    height, width = 40 * side, 60 * side
    image = np.random.default_rng(side).random((height, width, 3), dtype=np.float32)
    blocks = image.reshape(40, side, 60, side, 3).mean(axis=(1, 3))
    shape = (20, 30)
    np.testing.assert_allclose(shrink_blocks(blocks, (height, width), shape, side), shrink(image, shape), atol=2e-6)


@pytest.mark.parametrize(("height", "width"), [(3000, 4000), (3024, 4032), (448, 600), (8640, 11520), (600, 9000)])
def test_blocks_are_small_beside_working_pixels(height: int, width: int) -> None:
    side = block_side(height, width, 256)
    low = working_shape(height, width, 256)
    assert side in (1, 2, 4, 8)
    assert side == 1 or min(height / low[0], width / low[1]) / side >= 2
