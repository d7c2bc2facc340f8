"""Whatever happens inside a decoder, reading ends in a picture or in one ImageError that names the file."""

import struct
from pathlib import Path

import numpy as np
import pytest

from luxel.errors import ImageError
from luxel.images import read, read_linear
from luxel.images import reading as reading_module
from luxel.images.colour.spaces import matrix_to_srgb, rgb_to_xyz
from luxel.images.header import read_header
from stand_ins.picture_files import fails, light, photo, save, write_exr, write_luminance_chroma

DECODERS = {
    "a.jpg": "luxel.images.formats.jpeg",
    "a.png": "luxel.images.formats.png",
    "a.tif": "luxel.images.formats.tiff",
    "a.webp": "luxel.images.formats.pillow",
    "a.gif": "luxel.images.formats.pillow",
}


@pytest.mark.parametrize("name", sorted(DECODERS))
@pytest.mark.parametrize(
    "error", [TypeError("'int' object\nis not subscriptable"), ZeroDivisionError(), KeyError(3), RecursionError("deep")]
)
def test_any_exception_is_an_image_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception
) -> None:
    path = save(tmp_path / name, photo())

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(f"{DECODERS[name]}.decode", broken)
    fails(path, type(error).__name__)


def test_no_memory_is_an_image_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", photo())

    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(reading_module, "_to_srgb", broken)
    fails(path, "not enough memory")


def test_mistakes_of_the_caller_and_stops_by_hand_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError):
        read(None)  # type: ignore[arg-type]
    path = save(tmp_path / "a.png", photo())

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reading_module, "_decode", stopped)
    with pytest.raises(KeyboardInterrupt):
        read(path)


def test_tiff_tags_of_every_wrong_type(tmp_path: Path) -> None:
    """Each entry of a directory in turn as text, a fraction, float, signed or unknown; and with another count."""
    profile = bytes(200)
    whole = save(tmp_path / "a.tif", photo(), icc_profile=profile, compression="tiff_lzw").read_bytes()
    first = struct.unpack_from("<I", whole, 4)[0]
    path = tmp_path / "mutant.tif"
    lines: list[str] = []
    for n in range(struct.unpack_from("<H", whole, first)[0]):
        entry = first + 2 + 12 * n
        for kind in (1, 2, 3, 4, 5, 7, 9, 11, 12, 99):
            for count in (0, 1, 2, 5):
                data = bytearray(whole)
                struct.pack_into("<HI", data, entry + 2, kind, count)
                path.write_bytes(data)
                for reader in (read, read_linear):
                    try:
                        reader(path, max_megapixels=1)
                    except ImageError as error:
                        lines.append(str(error))
    assert len(lines) > 500
    assert not any("\n" in line for line in lines)


def test_tiff_profile_that_is_a_number_is_rejected(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", photo(), icc_profile=bytes(200))
    data = bytearray(path.read_bytes())
    first = struct.unpack_from("<I", data, 4)[0]
    for n in range(struct.unpack_from("<H", data, first)[0]):
        entry = first + 2 + 12 * n
        if struct.unpack_from("<H", data, entry)[0] == 34675:
            struct.pack_into("<HII", data, entry + 2, 3, 1, 2)
    path.write_bytes(data)
    fails(path, "ICC profile", "export")


def test_tiff_places_of_pixels_as_text(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", photo(), compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    first = struct.unpack_from("<I", data, 4)[0]
    for n in range(struct.unpack_from("<H", data, first)[0]):
        entry = first + 2 + 12 * n
        if struct.unpack_from("<H", data, entry)[0] == 279:
            struct.pack_into("<HI", data, entry + 2, 2, 1)
    path.write_bytes(data)
    fails(path, "damaged TIFF")


# --- chromaticities ---------------------------------------------------------------------------------------------------

XYZ = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3)


def test_primaries_on_the_axes_are_colours() -> None:
    """The XYZ axes have red and blue of no luminance: RP 177 divides by it, the colours exist all the same."""
    np.testing.assert_allclose(rgb_to_xyz(XYZ), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix_to_srgb(XYZ) @ np.ones(3), np.ones(3), atol=1e-9)


@pytest.mark.parametrize(
    "stated",
    [
        (float("nan"),) * 8,
        (0.64, 0.33, 0.30, float("inf"), 0.15, 0.06, 0.3127, 0.3290),
        (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.0),
        (0.64, 0.33, 0.64, 0.33, 0.15, 0.06, 0.3127, 0.3290),
        (0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.3127, 0.3290),
        (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 5.0, 0.1),
        (0.0,) * 8,
    ],
)
def test_chromaticities_that_describe_no_colours_are_rejected(tmp_path: Path, stated: tuple[float, ...]) -> None:
    path = write_exr(tmp_path / "a.exr", {"RGB": light()}, chromaticities=stated)
    for reader in (read, read_linear):
        fails(path, "chromaticities", reader=reader)
    hdr = tmp_path / "a.hdr"
    head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\nPRIMARIES= {' '.join(map(str, stated))}\n\n-Y 2 +X 2\n"
    hdr.write_bytes(head.encode() + bytes([128, 128, 128, 129]) * 4)
    fails(hdr, "chromaticities")


def test_luminance_chroma_in_other_primaries(tmp_path: Path) -> None:
    """Y is green of the XYZ axes, so that R = (RY + 1) Y and B = (BY + 1) Y leave green as Y."""
    y = np.full((8, 8), 0.5, np.float16)
    chroma = np.zeros((4, 4), np.float16)
    path = write_luminance_chroma(tmp_path / "a.exr", y, chroma, chroma)
    value = struct.pack("<8f", *XYZ)
    data = path.read_bytes()
    at = data.index(b"compression\0compression")
    extra = b"chromaticities\0chromaticities\0" + struct.pack("<I", len(value)) + value
    head_end = data.index(b"screenWindowWidth\0float\0") + len(b"screenWindowWidth\0float\0") + 4 + 4 + 1
    table = [n + len(extra) for n in struct.unpack_from("<8Q", data, head_end)]
    path.write_bytes(data[:at] + extra + data[at:head_end] + struct.pack("<8Q", *table) + data[head_end + 64 :])
    np.testing.assert_allclose(read_linear(path), 0.5, atol=1e-3)


def test_header_sizes_are_never_negative(tmp_path: Path) -> None:
    """Numbers that a header stores with a sign say nothing where they are below 0."""
    bmp = bytearray(save(tmp_path / "a.bmp", photo()).read_bytes())
    struct.pack_into("<i", bmp, 18, -64)
    (tmp_path / "a.bmp").write_bytes(bmp)
    exr = bytearray(write_exr(tmp_path / "a.exr", {"RGB": light()}).read_bytes())
    window = exr.index(b"dataWindow\0box2i\0") + 21
    struct.pack_into("<4i", exr, window, 9, 9, 0, 0)
    (tmp_path / "a.exr").write_bytes(exr)
    for name in ("a.bmp", "a.exr"):
        header = read_header(tmp_path / name)
        assert (header.width, header.height) == (0, 0)
