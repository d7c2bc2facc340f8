"""HEIC whose colour stands in its HEVC bitstream only."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from luxel.images import read
from luxel.images.formats.hevc import colour_codes
from luxel.images.formats.isobmff import primary_item
from stand_ins.picture_files import fails, photo

pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")


def in_bitstream(path: Path, primaries: int, transfer: int, **options: object) -> Path:
    """A HEIC file whose encoder wrote these code points into the bitstream, and no box that states any."""
    image = pillow_heif.from_pillow(Image.fromarray(photo()))
    image.info["nclx_profile"] = {
        "color_primaries": primaries,
        "transfer_characteristics": transfer,
        "matrix_coefficients": 6,
        "full_range_flag": 1,
    }
    image.save(path, quality=90, **options)
    path.write_bytes(path.read_bytes().replace(b"colrnclx", b"freenclx"))
    return path


@pytest.mark.parametrize(("transfer", "word"), [(16, "PQ"), (18, "HLG"), (8, "linear")])
def test_hdr_is_rejected(tmp_path: Path, transfer: int, word: str) -> None:
    fails(in_bitstream(tmp_path / "a.heic", 9, transfer), word)
    fails(in_bitstream(tmp_path / "b.heic", 9, transfer, chroma=444), word)


def test_primaries_are_applied(tmp_path: Path) -> None:
    assert read(in_bitstream(tmp_path / "a.heic", 12, 13)).notes == ("Display P3 -> sRGB",)
    assert read(in_bitstream(tmp_path / "b.heic", 1, 13)).notes == ()


def test_a_box_overrides_the_bitstream(tmp_path: Path) -> None:
    path = in_bitstream(tmp_path / "a.heic", 1, 16)
    box = b"colrnclx" + bytes([0, 1, 0, 13])
    path.write_bytes(path.read_bytes().replace(b"freenclx" + bytes([0, 1, 0, 16]), box))
    assert read(path).notes == ()


def test_any_bytes_state_a_colour_or_none(tmp_path: Path) -> None:
    properties = dict(primary_item(in_bitstream(tmp_path / "a.heic", 1, 13).read_bytes()).properties)
    stated = properties[b"hvcC"]
    assert colour_codes(stated) == (1, 13)
    for end in range(len(stated)):
        assert colour_codes(stated[:end]) in ((1, 13), None)
    for at in range(8 * len(stated)):
        colour_codes((int.from_bytes(stated) ^ 1 << at).to_bytes(len(stated)))


def test_a_stretch_of_zeros_is_damage(tmp_path: Path) -> None:
    """A copy that was not finished: the size is right, the end is zero, and the decoder says nothing."""
    path = tmp_path / "a.heic"
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    for quality, chroma in ((95, 444), (60, 420)):
        pillow_heif.from_pillow(Image.fromarray(noise)).save(path, quality=quality, chroma=chroma)
        data = path.read_bytes()
        assert read(path).pixels.shape == noise.shape
        for share in (0.3, 0.7, 0.99):
            cut = int(len(data) * share)
            path.write_bytes(data[:cut] + bytes(len(data) - cut))
            fails(path, "damaged HEIC: a part of its data is missing")
    for flat in (0, 128, 255):
        pillow_heif.from_pillow(Image.new("RGB", (320, 240), (flat,) * 3)).save(path)
        assert read(path).pixels.mean() == pytest.approx(flat, abs=2)
