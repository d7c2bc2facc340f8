"""Facts from headers: every format that is read, every tag that can say the same, and damage."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from luxel.dataset.sources.camera_data import CameraData, camera_data
from luxel.dataset.sources.nominal import aperture_stops, time_stops
from luxel.images.header import raw_tags, read_header
from stand_ins.exif_files import NOON, TAG, clock, save_with_exif

PIXELS = np.random.default_rng(3).integers(0, 256, (24, 32, 3)).astype(np.uint8)
USUAL = {TAG.DateTimeOriginal: clock(7), TAG.ExposureTime: 1 / 60, TAG.FNumber: 5.6, TAG.ISOSpeedRatings: 400}


def facts(folder: Path, exif: dict[int, Any], first: dict[int, Any] | None = None) -> CameraData:
    return camera_data(save_with_exif(folder / "a.jpg", PIXELS, exif, first))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif", ".heic"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_every_format_with_exif_states_the_same(suffix: str, orientation: int, tmp_path: Path) -> None:
    if suffix == ".heic":
        pytest.importorskip("pillow_heif")
        orientation = 1  # libheif turns the picture itself
    path = save_with_exif(tmp_path / f"a{suffix}", PIXELS, USUAL, {TAG.Orientation: orientation})
    found = camera_data(path)
    assert (found.exposure_s, found.f_number, found.iso) == pytest.approx((1 / 60, 5.6, 400))
    assert (found.taken, found.device) == (NOON.timestamp() + 7, "TestCam T1")
    assert (found.width, found.height) == ((24, 32) if orientation == 6 else (32, 24))


@pytest.mark.parametrize("suffix", [".gif", ".bmp"])
def test_formats_without_exif_state_their_size(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / f"a{suffix}")
    found = camera_data(tmp_path / f"a{suffix}")
    assert (found.width, found.height, found.taken) == (32, 24, None)


@pytest.mark.parametrize(
    ("exif", "field", "value"),
    [
        ({TAG.ShutterSpeedValue: 6.0}, "exposure_s", 1 / 64),
        ({TAG.ShutterSpeedValue: -2.0}, "exposure_s", 4.0),
        ({TAG.ExposureTime: 0.5, TAG.ShutterSpeedValue: 6.0}, "exposure_s", 0.5),
        ({TAG.ApertureValue: 6.0}, "f_number", 8.0),
        ({TAG.ISOSpeedRatings: 65535, TAG.RecommendedExposureIndex: 102400}, "iso", 102400),
        ({TAG.StandardOutputSensitivity: 250}, "iso", 250),
        ({TAG.ExposureBiasValue: -1.5}, "compensation", -1.5),
        ({TAG.ExposureBiasValue: -1.5}, "stops", -1.5),
        ({TAG.DateTimeDigitized: clock(3)}, "taken", NOON.timestamp() + 3),
        ({TAG.DateTimeDigitized: clock(3)}, "clock", "digitised"),
        ({TAG.DateTimeOriginal: clock(3), TAG.DateTimeDigitized: clock(9)}, "taken", NOON.timestamp() + 3),
        ({TAG.DateTimeOriginal: clock(3), TAG.SubsecTimeOriginal: "25"}, "taken", NOON.timestamp() + 3.25),
        ({TAG.DateTimeOriginal: clock(3), TAG.OffsetTimeOriginal: "+02:00"}, "taken", NOON.timestamp() + 3 - 7200),
        ({TAG.DateTimeOriginal: clock(3), TAG.OffsetTimeOriginal: "-03:30"}, "taken", NOON.timestamp() + 3 + 12600),
        ({TAG.DateTimeOriginal: "0000:00:00 00:00:00"}, "taken", None),
        ({TAG.DateTimeOriginal: "    :  :     :  :  "}, "taken", None),
        ({TAG.ExposureTime: 0.0}, "stops", None),
    ],
)
def test_tags_that_say_the_same(exif: dict[int, Any], field: str, value: Any, tmp_path: Path) -> None:
    found = getattr(facts(tmp_path, exif), field)
    assert found == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value)


def test_the_time_of_the_file_is_the_last_resort(tmp_path: Path) -> None:
    found = facts(tmp_path, {TAG.SubsecTime: "5"}, {TAG.DateTime: clock(4)})
    assert (found.taken, found.clock) == (NOON.timestamp() + 4.5, "file")


def test_imagemagicks_profile_in_png(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    block = Image.Exif()
    block.get_ifd(34665).update(USUAL)
    info = PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(block.tobytes()):8d}\n{block.tobytes().hex()}\n", zip=True)
    Image.fromarray(PIXELS).save(tmp_path / "a.png", pnginfo=info)
    assert camera_data(tmp_path / "a.png").exposure_s == pytest.approx(1 / 60)


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def test_directories_and_xmp_in_the_boxes_of_cr3() -> None:
    """No CR3 can be made here that LibRaw opens, so the boxes are read without it."""
    first, second = Image.Exif(), Image.Exif()
    first[TAG.Model], second[TAG.ExposureTime] = "Canon EOS R5", 1 / 60
    tags = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    tags += box(b"CMT1", first.tobytes()[6:]) + box(b"CMT2", second.tobytes()[6:])
    packet = bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + b"<x/>"
    data = box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", box(b"uuid", tags)) + box(b"uuid", packet)
    found, exif, xmp = raw_tags(data)
    assert (found[TAG.Model], exif[TAG.ExposureTime], xmp) == ("Canon EOS R5", pytest.approx(1 / 60), b"<x/>")


def test_the_jpeg_inside_raf(tmp_path: Path) -> None:
    inner = save_with_exif(tmp_path / "a.jpg", PIXELS, USUAL).read_bytes()
    head = b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">II", 100, len(inner))
    _, exif, _ = raw_tags(head.ljust(100, b"\0") + inner)
    assert exif[TAG.FNumber] == pytest.approx(5.6)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_damaged_headers_state_nothing_and_raise_nothing(suffix: str, tmp_path: Path) -> None:
    """Bytes of the header are changed at random; the format's mark at the beginning stays."""
    data = save_with_exif(tmp_path / f"a{suffix}", PIXELS, USUAL).read_bytes()
    rng = np.random.default_rng(11)
    for _ in range(60):
        mutant = bytearray(data)
        for at in rng.integers(14, len(data), 6):
            mutant[at] = rng.integers(0, 256)
        path = tmp_path / f"mutant{suffix}"
        path.write_bytes(mutant[: int(rng.integers(40, len(data)))])
        assert camera_data(path).width >= 0


def test_a_header_costs_no_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also above Pillow's own limit, which is not in force here."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for suffix in (".jpg", ".png", ".webp"):
        path = save_with_exif(tmp_path / f"a{suffix}", PIXELS, USUAL)
        assert read_header(path).width == 32


def test_nominal_values_are_a_third_of_a_stop_apart() -> None:
    for times in (
        (1 / 8000, 1 / 6400, 1 / 5000),
        (1 / 60, 1 / 50, 1 / 40),
        (1 / 15, 1 / 13, 1 / 10),
        (0.6, 0.8, 1, 1.3),
    ):
        assert np.diff([time_stops(t) for t in times]) == pytest.approx(1 / 3)
    assert time_stops(1 / 20) == pytest.approx(-13 / 3), "both in thirds and in halves"
    assert time_stops(1 / 1030) == pytest.approx(-10.008, abs=1e-3), "a telephone's own times stay"
    assert [aperture_stops(f) for f in (1, 1.4, 2.8, 5.6, 11, 22)] == pytest.approx([0, 1, 3, 5, 7, 9])
