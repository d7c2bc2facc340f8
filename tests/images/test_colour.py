"""Colour profiles and spaces end in sRGB; transparency lies over white."""

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from luxel.images import read
from luxel.images.colour.spaces import ADOBE_RGB, BT2020, DISPLAY_P3, SRGB, matrix_to_srgb
from luxel.photometry import to_srgb
from stand_ins.picture_files import (
    DISPLAY_P3_ICC,
    P3_TO_SRGB,
    SRGB_CURVE,
    SRGB_D50,
    chunk,
    gamma_curve,
    icc_rgb,
    icc_table,
    p3_to_srgb,
    photo,
    png_with,
    save,
)

Array = np.ndarray


# --- colour -----------------------------------------------------------------------------------------------------------


def test_primaries_matrices_match_published_ones() -> None:
    np.testing.assert_allclose(matrix_to_srgb(SRGB), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix_to_srgb(DISPLAY_P3), P3_TO_SRGB, atol=1e-5)
    bt2087 = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    np.testing.assert_allclose(matrix_to_srgb(BT2020), bt2087, atol=1e-4)
    for primaries in (DISPLAY_P3, BT2020, ADOBE_RGB, (*SRGB[:6], 0.3457, 0.3585)):
        np.testing.assert_allclose(matrix_to_srgb(primaries) @ np.ones(3), np.ones(3), atol=1e-9)  # white stays white
    with pytest.raises(ValueError, match="chromaticities"):
        matrix_to_srgb((0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_display_p3_profile_8_bit(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {"quality": 95, "subsampling": 0} if suffix == "jpg" else {}
    path = save(tmp_path / f"a.{suffix}", photo(), icc_profile=DISPLAY_P3_ICC, **options)
    stored = Image.open(path).convert("RGB")
    picture = read(path)
    assert picture.pixels.dtype == np.uint8
    assert picture.notes == ("ICC Display P3 -> sRGB",)
    expected = p3_to_srgb(np.asarray(stored) / 255) * 255
    assert np.abs(picture.pixels - expected).max() < 1.01  # one code value of rounding
    other = ImageCms.profileToProfile(
        stored, ImageCms.ImageCmsProfile(io.BytesIO(DISPLAY_P3_ICC)), ImageCms.createProfile("sRGB"), 1
    )
    assert np.abs(picture.pixels.astype(int) - np.asarray(other)).max() <= 1
    assert np.abs(picture.pixels.astype(int) - np.asarray(stored)).max() > 20  # it was not left as it was


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_display_p3_profile_keeps_16_bit(tmp_path: Path, suffix: str) -> None:
    stored = photo(dtype=np.uint16)
    path = tmp_path / f"a.{suffix}"
    if suffix == "png":
        profile = chunk(b"iCCP", b"Display P3\0\0" + zlib.compress(DISPLAY_P3_ICC))
        path.write_bytes(png_with(imagecodecs.png_encode(stored), profile))
    else:
        tifffile.imwrite(path, stored, iccprofile=DISPLAY_P3_ICC)
    picture = read(path)
    assert picture.pixels.dtype == np.uint16
    assert picture.bits == 16
    error = np.abs(picture.pixels / 65535 - p3_to_srgb(stored / 65535)).max()
    assert error < 1 / 2000  # an eighth of an 8-bit step; Pillow's 8-bit cut would err by four of them


def test_table_profile_16_bit(tmp_path: Path) -> None:
    """A profile without matrix goes through LittleCMS itself. Grey axis from L* 0 to 100: L* is linear in the value."""
    profile = icc_table(b"RGB ", lambda rgb: np.stack([rgb.mean(-1) * 100, rgb[:, 0] * 0, rgb[:, 0] * 0], -1), 3)
    grey = np.repeat(np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8, 1), 3, 2)
    tifffile.imwrite(tmp_path / "a.tif", grey, iccprofile=profile, photometric="rgb")
    picture = read(tmp_path / "a.tif")
    star = grey / 65535 * 100
    light_of_star = np.where(star > 8, ((star + 16) / 116) ** 3, star / 903.3)
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.pixels / 65535 - to_srgb(light_of_star)).max() < 0.004  # an lut8 table has 8 bits


def test_profile_whose_name_is_not_text(tmp_path: Path) -> None:
    profile = icc_table(b"RGB ", lambda rgb: np.stack([rgb.mean(-1) * 100, rgb[:, 0] * 0, rgb[:, 0] * 0], -1), 3)
    path = save(tmp_path / "a.png", photo(), icc_profile=profile.replace(b"Test\0", b"Te\x99t\0"))
    assert read(path).notes == ("ICC without a name -> sRGB",)


def test_srgb_profiles_change_nothing(tmp_path: Path) -> None:
    pillow = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for n, profile in enumerate((pillow, imagecodecs.cms_profile("srgb"), icc_rgb(SRGB_D50, SRGB_CURVE))):
        picture = read(save(tmp_path / f"{n}.png", photo(), icc_profile=profile))
        assert picture.notes == ()
        np.testing.assert_array_equal(picture.pixels, photo())


@pytest.mark.parametrize(
    "profile", [b"nonsense", DISPLAY_P3_ICC[:300], bytes(200), DISPLAY_P3_ICC[:16] + b"CMYK" + DISPLAY_P3_ICC[20:]]
)
def test_broken_profile_is_noted_and_taken_as_srgb(tmp_path: Path, profile: bytes) -> None:
    for suffix in ("png", "tif"):
        picture = read(save(tmp_path / f"a.{suffix}", photo(), icc_profile=profile))
        np.testing.assert_array_equal(picture.pixels, photo())
        assert len(picture.notes) == 1
        assert "treated as sRGB" in picture.notes[0]


def test_broken_png_and_jpeg_profile_containers(tmp_path: Path) -> None:
    data = save(tmp_path / "a.png", photo()).read_bytes()
    (tmp_path / "a.png").write_bytes(png_with(data, chunk(b"iCCP", b"P3\0\0not zlib")))
    assert read(tmp_path / "a.png").notes == ("ICC profile broken: treated as sRGB",)
    jpeg = save(tmp_path / "a.jpg", photo())
    part = b"ICC_PROFILE\0" + bytes([1, 2]) + DISPLAY_P3_ICC  # part 1 of 2; part 2 is missing
    data = jpeg.read_bytes()
    jpeg.write_bytes(data[:2] + b"\xff\xe2" + struct.pack(">H", len(part) + 2) + part + data[2:])
    assert read(jpeg).notes == ("ICC profile incomplete: treated as sRGB",)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_profile(tmp_path: Path, dtype: type) -> None:
    profile = icc_rgb([], gamma_curve(1.8), "Gamma 1.8", b"GRAY")
    top = np.iinfo(dtype).max
    stored = np.linspace(0, top, 256).astype(dtype).reshape(16, 16)
    tifffile.imwrite(tmp_path / "a.tif", stored, iccprofile=profile)
    picture = read(tmp_path / "a.tif")
    assert picture.notes == ("ICC Gamma 1.8 -> sRGB",)
    expected = to_srgb((stored / top) ** (round(1.8 * 256) / 256))
    assert np.abs(picture.pixels[..., 1] / top - expected).max() < (0.6 / 255 if dtype is np.uint8 else 1e-3)
    assert (picture.pixels[..., 0] == picture.pixels[..., 2]).all()


def test_adobe_rgb_marked_only_in_exif(tmp_path: Path) -> None:
    """Cameras set to Adobe RGB write no profile, only interoperability R03 (DCF 2.0)."""

    def directory(*entries: tuple[int, int, int, bytes]) -> bytes:
        body = b"".join(struct.pack("<HHI", tag, kind, n) + value for tag, kind, n, value in entries)
        return struct.pack("<H", len(entries)) + body + bytes(4)

    def pointer(at: int) -> bytes:
        return struct.pack("<I", at)

    exif = b"Exif\0\0II*\0\x08\0\0\0" + directory((0x8769, 4, 1, pointer(26)))
    exif += directory((0xA005, 4, 1, pointer(44))) + directory((1, 2, 4, b"R03\0"))
    path = save(tmp_path / "a.jpg", photo(), quality=95, subsampling=0, exif=exif)
    stored = np.asarray(Image.open(path)) / 255
    linear = (stored ** (563 / 256)) @ matrix_to_srgb(ADOBE_RGB).T
    picture = read(path)
    assert picture.notes == ("Adobe RGB -> sRGB",)
    assert np.abs(picture.pixels - to_srgb(linear) * 255).max() < 1.01


def test_cmyk_jpeg(tmp_path: Path) -> None:
    ink = photo(channels=4)
    path = tmp_path / "adobe.jpg"
    Image.fromarray(ink, "CMYK").save(path, quality=95)
    stored = np.asarray(Image.open(path)).astype(float) / 255
    expected = (1 - stored[..., :3]) * (1 - stored[..., 3:]) * 255
    assert np.abs(read(path).pixels - expected).max() <= 0.51
    assert read(path).notes == ("Adobe CMYK inverted", "CMYK without profile -> sRGB by formula")
    data = path.read_bytes()
    at = data.index(b"Adobe") - 4
    (tmp_path / "plain.jpg").write_bytes(data[:at] + data[at + 16 :])  # without the Adobe mark 255 is full ink
    expected = stored[..., :3] * stored[..., 3:] * 255
    assert np.abs(read(tmp_path / "plain.jpg").pixels - expected).max() <= 0.51


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_cmyk_with_profile(tmp_path: Path, dtype: type) -> None:
    """Paper becomes white; full black ink, L* 10 by this profile, becomes black: black point compensation."""

    def lab(ink: Array) -> Array:
        star = 100 - 90 * np.clip(ink[:, 3] + ink[:, :3].sum(-1) / 3, 0, 1)
        return np.stack([star, 40 * (ink[:, 1] - ink[:, 0]) * (1 - ink[:, 3]), 0 * star], -1)

    top = np.iinfo(dtype).max
    ink = np.zeros((2, 3, 4), dtype)
    ink[0, 1, 3] = ink[1, 0, 1] = top
    ink[0, 2, 3] = top // 2
    tifffile.imwrite(tmp_path / "a.tif", ink, photometric="separated", iccprofile=icc_table(b"CMYK", lab, 4))
    seen = read(tmp_path / "a.tif").pixels / top
    assert seen.dtype == np.float64
    np.testing.assert_allclose(seen[0, 0], 1, atol=0.01)
    np.testing.assert_allclose(seen[0, 1], 0, atol=0.02)
    assert 0.2 < seen[0, 2, 0] < 0.6
    assert seen[1, 0, 0] > seen[1, 0, 1] + 0.1  # magenta ink leaves red
    assert read(tmp_path / "a.tif").notes == ("ICC Test -> sRGB",)
    if dtype is np.uint8:
        Image.fromarray(np.tile(ink, (8, 8, 1)), "CMYK").save(
            tmp_path / "a.jpg", quality=100, subsampling=0, icc_profile=icc_table(b"CMYK", lab, 4)
        )
        assert any("ICC Test" in n for n in read(tmp_path / "a.jpg").notes)


def test_lab_tiff_agrees_with_littlecms(tmp_path: Path) -> None:
    rgb = Image.fromarray(photo())
    lab = ImageCms.profileToProfile(rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), 1, "LAB")
    lab.save(tmp_path / "a.tif")
    picture = read(tmp_path / "a.tif")
    assert picture.notes == ("CIELab -> sRGB",)
    # Rounding to 8-bit Lab moves a colour by up to half a unit: compare on the whole, then with the way back.
    assert np.abs(picture.pixels.astype(int) - np.asarray(rgb)).mean() < 1.5
    exact = ImageCms.Flags.NOOPTIMIZE  # LittleCMS's shortcut is up to 30 code values off here
    srgb = ImageCms.createProfile("sRGB")
    back = ImageCms.profileToProfile(lab, ImageCms.createProfile("LAB"), srgb, 1, "RGB", flags=exact)
    assert np.abs(picture.pixels.astype(int) - np.asarray(back)).max() <= 1
    star = np.zeros((4, 4, 3), np.uint16)
    star[..., 0] = 32768  # L* 50 is 18.4 % of the light
    tifffile.imwrite(tmp_path / "b.tif", star, photometric="cielab")
    np.testing.assert_allclose(read(tmp_path / "b.tif").pixels / 65535, to_srgb(0.18418), atol=2e-4)


# --- transparency -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_over_white(tmp_path: Path, dtype: type, suffix: str, channels: int) -> None:
    stored, top = photo(channels=channels, dtype=dtype), int(np.iinfo(dtype).max)
    path = tmp_path / f"a.{suffix}"
    if suffix == "png":
        path.write_bytes(imagecodecs.png_encode(stored))
    else:
        tifffile.imwrite(
            path, stored, photometric="rgb" if channels == 4 else "minisblack", extrasamples=["unassalpha"]
        )
    colour, alpha = stored[..., :-1].astype(np.float64), stored[..., -1:] / top
    expected = np.broadcast_to(colour * alpha + top * (1 - alpha), (*stored.shape[:2], 3))
    picture = read(path)
    assert picture.pixels.dtype == dtype
    assert np.abs(picture.pixels - expected).max() <= 0.5 + 1e-6
    assert picture.notes == ("alpha composited on white",)
    if suffix == "tif":
        tifffile.imwrite(
            path, stored, photometric="rgb" if channels == 4 else "minisblack", extrasamples=["assocalpha"]
        )
        expected = np.broadcast_to(np.minimum(colour + top * (1 - alpha), top), (*stored.shape[:2], 3))
        assert np.abs(read(path).pixels - expected).max() < 1e-6 * top


def test_opaque_alpha_is_dropped_without_a_trace(tmp_path: Path) -> None:
    rgba = np.dstack([photo(), np.full((48, 64), 255, np.uint8)])
    for name in ("a.png", "a.webp", "a.tif"):
        picture = read(save(tmp_path / name, rgba, lossless=True) if name == "a.webp" else save(tmp_path / name, rgba))
        np.testing.assert_array_equal(picture.pixels, photo())
        assert picture.notes == ()


def test_transparent_palette_and_colour_key(tmp_path: Path) -> None:
    indexed = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 3, "P")
    indexed.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 255])
    for name in ("a.png", "a.gif"):
        indexed.save(tmp_path / name, transparency=1)
        picture = read(tmp_path / name)
        np.testing.assert_array_equal(picture.pixels[0, :3], [[10, 20, 30], [255, 255, 255], [0, 0, 255]])
        assert "alpha composited on white" in picture.notes
    deep = photo(dtype=np.uint16)
    key = chunk(b"tRNS", struct.pack(">HHH", *deep[0, 0]))
    (tmp_path / "key.png").write_bytes(png_with(imagecodecs.png_encode(deep), key))
    seen = read(tmp_path / "key.png").pixels
    assert (seen[0, 0] == 65535).all()
    np.testing.assert_array_equal(seen[1:], deep[1:])
