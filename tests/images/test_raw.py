"""Camera RAW: stops keep their distance, what a DNG states about exposure and crop, previews, half size."""

from pathlib import Path

import numpy as np
import pytest
import rawpy

from luxel.filters.shrink import shrink, working_shape
from luxel.images import read, read_linear
from luxel.images.formats.tiff_directories import survey
from luxel.photometry import to_linear
from stand_ins.picture_files import fails, photo, write_dng

Array = np.ndarray
SCENE = photo(64, 96, dtype=np.float64) * 0.4 + 0.02


def tag(code: int, kind: str, *values: int) -> tuple[object, ...]:
    pairs = 2 if kind.startswith("2") else 1
    return code, kind, len(values) // pairs, values, True


def baseline(tenths: int) -> tuple[object, ...]:
    return tag(50730, "2i", tenths, 10)


def crop(left: int, top: int, width: int, height: int) -> tuple[tuple[object, ...], ...]:
    return tag(50719, "I", left, top), tag(50720, "I", width, height)


@pytest.mark.parametrize("stops", [-3, -1, 1])
def test_one_stop_apart_is_read_one_stop_apart(tmp_path: Path, stops: int) -> None:
    """No automatic brightening: neither the picture's own maximum nor its histogram moves the light."""
    plain = write_dng(tmp_path / "a.dng", SCENE)
    other = write_dng(tmp_path / "b.dng", SCENE * 2.0**stops)
    ratio = np.log2(read_linear(other).mean() / read_linear(plain).mean())
    assert abs(ratio - stops) < 0.01
    shown = [to_linear(read(path).pixels / np.float32(65535)).mean() for path in (plain, other)]
    assert abs(np.log2(shown[1] / shown[0]) - stops) < 0.02
    small = [to_linear(read(path, working_size=32).pixels).mean() for path in (plain, other)]
    assert abs(np.log2(small[1] / small[0]) - stops) < 0.02


def test_a_black_and_a_bright_frame_stay_so(tmp_path: Path) -> None:
    dark = read(write_dng(tmp_path / "a.dng", np.full((64, 96, 3), 0.001))).pixels
    assert dark.max() < 0.02 * 65535
    bright = read(write_dng(tmp_path / "b.dng", np.ones((64, 96, 3)))).pixels
    assert bright.min() > 0.99 * 65535


@pytest.mark.parametrize("tenths", [3, 10, 25])
def test_baseline_exposure_is_applied_to_the_picture(tmp_path: Path, tenths: int) -> None:
    stated = write_dng(tmp_path / "a.dng", SCENE, more=(baseline(tenths),))
    brighter = read(write_dng(tmp_path / "b.dng", np.minimum(SCENE * 2 ** (tenths / 10), 1))).pixels
    picture = read(stated)
    assert any(f"baseline exposure +{tenths / 10:.2f} EV" in note and "applied" in note for note in picture.notes)
    assert np.abs(picture.pixels.astype(float) - brighter).mean() < 0.01 * 65535
    plain = read_linear(write_dng(tmp_path / "c.dng", SCENE))
    np.testing.assert_array_equal(read_linear(stated), plain)  # light stays relative to saturation


@pytest.mark.parametrize("tenths", [-10, 120])
def test_other_baseline_exposures_are_named(tmp_path: Path, tenths: int) -> None:
    picture = read(write_dng(tmp_path / "a.dng", SCENE, more=(baseline(tenths),)))
    assert any("baseline exposure" in note and "ignored" in note for note in picture.notes)
    np.testing.assert_array_equal(picture.pixels, read(write_dng(tmp_path / "b.dng", SCENE)).pixels)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_default_crop_is_applied(tmp_path: Path, orientation: int) -> None:
    whole = read(write_dng(tmp_path / "a.dng", SCENE)).pixels
    path = write_dng(tmp_path / "b.dng", SCENE, orientation=orientation, more=crop(3, 5, 80, 50))
    picture = read(path)
    turns = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    np.testing.assert_array_equal(picture.pixels, np.rot90(whole[5:55, 3:83], turns))
    assert any("default crop, 80 x 50 of 96 x 64" in note for note in picture.notes)
    assert read_linear(path).shape == picture.pixels.shape
    assert read(path, working_size=20).size == picture.size


def test_default_crop_counts_from_the_active_area(tmp_path: Path) -> None:
    active = tag(50829, "I", 4, 6, 60, 90)
    whole = read(write_dng(tmp_path / "a.dng", SCENE, more=(active,))).pixels
    rational = tag(50719, "2I", 3, 1, 5, 1), tag(50720, "2I", 70, 1, 50, 1)
    cut = read(write_dng(tmp_path / "b.dng", SCENE, more=(active, *rational))).pixels
    assert whole.shape[:2] == (56, 84)
    np.testing.assert_array_equal(cut, whole[5:55, 3:73])


@pytest.mark.parametrize("box", [(50, 0, 80, 64), (0, 0, 0, 10), (0, 0, 2**31, 64)])
def test_default_crop_outside_is_noted(tmp_path: Path, box: tuple[int, int, int, int]) -> None:
    picture = read(write_dng(tmp_path / "a.dng", SCENE, more=crop(*box)))
    assert picture.pixels.shape[:2] == (64, 96)
    assert any("does not fit" in note for note in picture.notes)


def test_quotients_by_zero_state_nothing(tmp_path: Path) -> None:
    tags = tag(50730, "2i", 1, 0), tag(50719, "2I", 1, 0, 1, 0), tag(50720, "2I", 9, 0, 9, 0)
    path = write_dng(tmp_path / "a.dng", SCENE, more=tags)
    assert survey(path).default_crop is None
    assert read(path).pixels.shape[:2] == (64, 96)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("size", [(640, 960), (601, 903)])
def test_half_size_is_enough_for_the_network(tmp_path: Path, size: tuple[int, int], orientation: int) -> None:
    """The law of reduced reading: within 1/255 on average of every pixel demosaiced and shrunk."""
    camera = photo(*size, dtype=np.float64) ** 2
    camera[200:300, 300:500] *= 0.2
    path = write_dng(tmp_path / "a.dng", camera, orientation=orientation)
    whole, small = read(path), read(path, working_size=128)
    shape = working_shape(*whole.size, 128)
    assert small.size == whole.size
    assert np.abs(small.pixels - shrink(whole.pixels, shape)).mean() < 1 / 255


def test_half_size_is_used_for_the_network_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    class Noted(rawpy.RawPy):  # type: ignore[misc]
        def postprocess(self, **options: object) -> Array:
            asked.append(bool(options["half_size"]))
            return super().postprocess(**options)

    monkeypatch.setattr(rawpy, "RawPy", Noted)
    path = write_dng(tmp_path / "a.dng", SCENE)
    read(path)
    read_linear(path)
    read(path, working_size=40)  # two blocks for a working pixel are not there
    read(path, working_size=16)
    assert asked == [False, False, False, True]


@pytest.mark.parametrize(("orientation", "stored"), [(1, (32, 48)), (6, (32, 48)), (6, (48, 32)), (8, (32, 48))])
def test_preview_is_read_upright(tmp_path: Path, orientation: int, stored: tuple[int, int]) -> None:
    """A preview that lies as the sensor lies is turned; one that stands already is not."""
    preview = np.repeat(np.repeat(photo(*(n // 16 for n in stored)), 16, 0), 16, 1)
    path = write_dng(tmp_path / "a.dng", SCENE, orientation=orientation, preview=preview)
    picture = read(path, raw="preview")
    turns = {1: 0, 6: 3, 8: 1}[orientation] if stored == (32, 48) else 0
    assert picture.pixels.dtype == np.uint8
    assert (picture.format, picture.bits) == ("RAW", 8)
    assert np.abs(picture.pixels.astype(int) - np.rot90(preview, turns)).mean() < 12
    assert picture.notes[0] == f"embedded preview of {stored[1]} x {stored[0]} in place of the sensor data"
    assert read(path).bits == 16


def test_no_preview_is_said(tmp_path: Path) -> None:
    path = write_dng(tmp_path / "a.dng", SCENE)
    fails(path, "no preview", "neutral", reader=lambda p: read(p, raw="preview"))
