"""Scene light: OpenEXR, Radiance, float TIFF and camera RAW."""

from pathlib import Path

import imagecodecs
import numpy as np
import OpenEXR
import pytest
import tifffile

from luxel.images import read, read_linear
from luxel.images.colour.rendering import auto_exposure
from luxel.images.colour.spaces import DISPLAY_P3
from luxel.photometry import luminance, to_srgb
from stand_ins.picture_files import (
    DISPLAY_P3_ICC,
    LINEAR_CURVE,
    P3_D50,
    P3_TO_SRGB,
    fails,
    icc_rgb,
    light,
    p3_to_srgb,
    photo,
    write_dng,
    write_exr,
    write_hdr,
    write_luminance_chroma,
)

Array = np.ndarray


# --- light ------------------------------------------------------------------------------------------------------------


LOSSLESS_EXR = ["NO", "RLE", "ZIPS", "ZIP", "PIZ"]
LOSSY_EXR = ["PXR24", "B44", "B44A", "DWAA", "DWAB"]


@pytest.mark.parametrize("compression", LOSSLESS_EXR + LOSSY_EXR)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_exr_compressions(tmp_path: Path, compression: str, dtype: type) -> None:
    smooth = (photo(70, 90, dtype=np.float64) * 8).astype(dtype)
    kind = getattr(OpenEXR, f"{compression}_COMPRESSION")
    path = write_exr(tmp_path / "a.exr", {"RGB": smooth}, compression=kind)
    got = read_linear(path)
    if compression in LOSSLESS_EXR:
        np.testing.assert_array_equal(got, smooth.astype(np.float32))
    else:
        assert np.abs(got - smooth).mean() < 0.03
    assert read(path).bits == (16 if dtype is np.float16 else 32)
    assert read(path).notes[-1].startswith("scene light exposed by ")


def test_exr_luminance_chroma(tmp_path: Path) -> None:
    rgb = photo(64, 64, dtype=np.float32) + 0.1
    rgb = (rgb + np.roll(rgb, 1, 0) + np.roll(rgb, 1, 1) + np.roll(rgb, (1, 1), (0, 1))) / 4
    y = luminance(rgb).astype(np.float16)
    chroma = [((rgb[..., c] - y) / y)[::2, ::2].astype(np.float16) for c in (0, 2)]
    path = write_luminance_chroma(tmp_path / "a.exr", y, *chroma)
    got = read_linear(path)
    np.testing.assert_allclose(luminance(got), y, rtol=2e-3)  # luminance is exact whatever happens to chroma
    assert np.abs(got - rgb).mean() < 0.02
    path = write_exr(tmp_path / "b.exr", {"Y": y})
    np.testing.assert_array_equal(read_linear(path), np.repeat(y[..., None].astype(np.float32), 3, 2))


def test_exr_bad_values_are_fixed_and_noted(tmp_path: Path) -> None:
    bright = light()
    bright[0, 0], bright[0, 1], bright[0, 2], bright[0, 3] = np.nan, np.inf, -np.inf, -5
    path = write_exr(tmp_path / "a.exr", {"RGB": bright})
    got = read_linear(path)
    assert np.isfinite(got).all()
    assert (got >= 0).all()
    assert got[0, 1, 0] == bright[1:].max()
    np.testing.assert_array_equal(got[0, [0, 2, 3]], 0)
    np.testing.assert_array_equal(got[1:], bright[1:])
    notes = read(path).notes
    assert "3 NaN" in notes[0]
    assert "6 infinite" in notes[0]
    assert "3 negative" in notes[1]
    everything = write_exr(tmp_path / "b.exr", {"RGB": np.full((4, 4, 3), np.nan, np.float32)})
    assert (read(everything).pixels == 0).all()


def test_damaged_exr_prints_nothing_among_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_exr(tmp_path / "a.exr", {"RGB": light(64, 64).astype(np.float16)})
    data = bytearray(path.read_bytes())
    for n in range(len(data) - 2000, len(data) - 1900):
        data[n] ^= 0x5A
    path.write_bytes(data)
    fails(path, "decoder")
    assert capsys.readouterr().out == ""


def test_exr_chromaticities_windows_layers_and_alpha(tmp_path: Path) -> None:
    bright = light(50, 70)
    ap0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
    path = write_exr(tmp_path / "a.exr", {"RGB": np.full((4, 4, 3), 0.5, np.float32)}, chromaticities=ap0)
    np.testing.assert_allclose(read_linear(path), 0.5, atol=1e-4)  # grey stays grey
    p3 = write_exr(tmp_path / "p.exr", {"RGB": bright}, chromaticities=DISPLAY_P3)
    np.testing.assert_allclose(read_linear(p3), np.maximum(bright @ P3_TO_SRGB.T, 0), rtol=1e-3, atol=1e-3)

    def window(left: int, top: int, right: int, bottom: int) -> tuple[Array, Array]:
        return np.array([left, top], np.int32), np.array([right, bottom], np.int32)

    cut = write_exr(
        tmp_path / "b.exr", {"RGB": bright}, dataWindow=window(-10, -5, 59, 44), displayWindow=window(0, 0, 39, 99)
    )
    np.testing.assert_array_equal(read_linear(cut), bright[5:, 10:50])
    assert "pixels outside the display window cut" in read(cut).notes
    layer = {f"beauty.{c}": np.ascontiguousarray(bright[..., n]) for n, c in enumerate("RGB")}
    path = write_exr(tmp_path / "c.exr", layer | {"Z": bright[..., 0].copy()})
    np.testing.assert_array_equal(read_linear(path), bright)
    assert "layer beauty" in read(path).notes
    rgba = np.dstack([bright, np.full((50, 70), 0.5, np.float32)])
    path = write_exr(tmp_path / "d.exr", {"RGBA": rgba})
    np.testing.assert_array_equal(read_linear(path), bright)
    assert "alpha ignored: the light as stored" in read(path).notes
    fails(write_exr(tmp_path / "e.exr", {"Z": bright[..., 0].copy()}), "without colour", "Z")
    parts = [OpenEXR.Part({}, {"RGB": a}, n) for n, a in (("left", bright), ("right", bright * 2))]
    OpenEXR.File(parts).write(str(tmp_path / "f.exr"))
    np.testing.assert_array_equal(read_linear(tmp_path / "f.exr"), bright)
    data = bytearray(path.read_bytes())
    data[5] |= 0x08
    path.write_bytes(data)
    fails(path, "deep")


def test_hdr_values_exposure_and_colours(tmp_path: Path) -> None:
    bright = light()
    step = bright.max(-1, keepdims=True) / 128  # a mantissa has 8 bits
    got = read_linear(write_hdr(tmp_path / "a.hdr", bright))
    assert (np.abs(got - bright) <= step).all()
    smooth = photo(dtype=np.float32)
    (tmp_path / "rle.hdr").write_bytes(imagecodecs.rgbe_encode(smooth, header=True))
    assert (np.abs(read_linear(tmp_path / "rle.hdr") - smooth) <= smooth.max(-1, keepdims=True) / 128).all()
    head = "# a comment\nFORMAT=32-bit_rle_rgbe\nEXPOSURE=4\nSOFTWARE=test\nEXPOSURE= 0.5\n"
    path = write_hdr(tmp_path / "b.hdr", bright, head=head)
    np.testing.assert_allclose(read_linear(path), got / 2, rtol=1e-6)
    assert read(path).notes[0] == "EXPOSURE 2 divided out"
    assert read(path).bits == 8
    white = write_hdr(tmp_path / "c.hdr", np.full((9, 9, 3), 0.5, np.float32), head="FORMAT=32-bit_rle_xyze\n")
    np.testing.assert_allclose(read_linear(white), 0.5, atol=1e-3)  # equal energy is Radiance's white
    p3 = "PRIMARIES= " + " ".join(map(str, DISPLAY_P3)) + "\n"
    path = write_hdr(tmp_path / "d.hdr", bright, head=p3)
    np.testing.assert_allclose(read_linear(path), np.maximum(got @ P3_TO_SRGB.T, 0), rtol=1e-3, atol=1e-3)
    fails(write_hdr(tmp_path / "e.hdr", bright, head="FORMAT=64-bit\n"), "64-bit")
    fails(write_hdr(tmp_path / "f.hdr", bright, size="-Y 30 +Y 40"), "size line")


def test_hdr_scan_orders(tmp_path: Path) -> None:
    seen = np.zeros((9, 12, 3), np.float32)
    seen[0, 0], seen[0, -1], seen[-1, 0], seen[-1, -1] = 1, 2, 4, 8
    for y in "-+":
        for x in "-+":
            rows = seen[:: 1 if y == "-" else -1, :: 1 if x == "+" else -1]
            path = write_hdr(tmp_path / "a.hdr", rows, f"{y}Y 9 {x}X 12")
            np.testing.assert_array_equal(read_linear(path), seen)
            path = write_hdr(tmp_path / "b.hdr", rows.swapaxes(0, 1), f"{x}X 12 {y}Y 9")
            np.testing.assert_array_equal(read_linear(path), seen)


def test_rendering_of_scene_light(tmp_path: Path) -> None:
    bright = light()
    path = write_exr(tmp_path / "a.exr", {"RGB": bright})
    picture = read(path)
    stops = auto_exposure(bright)
    np.testing.assert_allclose(picture.pixels, to_srgb(bright * 2.0**stops), atol=1e-6)
    logs = np.log2(luminance(bright) * 2.0**stops)
    assert abs(logs.mean() - np.log2(0.18)) < 1e-3  # the law: log-average luminance is 18 % grey
    for gain in (1e-3, 1e3):  # the scale of the file does not matter
        scaled = write_exr(tmp_path / "b.exr", {"RGB": (bright * gain).astype(np.float32)})
        np.testing.assert_allclose(read(scaled).pixels, picture.pixels, atol=1e-4)
    framed = bright.copy()
    framed[:10] = 0  # a black border does not brighten the rest
    assert abs(auto_exposure(framed) - auto_exposure(bright[10:])) < 1e-5
    black = write_exr(tmp_path / "c.exr", {"RGB": np.zeros((5, 5, 3), np.float32)})
    assert (read(black).pixels == 0).all()


def test_float_tiff_is_light_unless_its_profile_says_otherwise(tmp_path: Path) -> None:
    path, bright = tmp_path / "a.tif", light()
    for dtype in (np.float16, np.float32, np.float64):
        tifffile.imwrite(path, bright.astype(dtype), photometric="rgb")
        np.testing.assert_array_equal(read_linear(path), bright.astype(dtype).astype(np.float32))
    tifffile.imwrite(path, bright[..., 0])
    np.testing.assert_array_equal(read_linear(path)[..., 2], bright[..., 0])
    linear_p3 = icc_rgb(P3_D50, LINEAR_CURVE, "Linear P3")
    tifffile.imwrite(path, bright, photometric="rgb", iccprofile=linear_p3)
    np.testing.assert_allclose(read_linear(path), np.maximum(bright @ P3_TO_SRGB.T, 0), rtol=2e-3, atol=2e-3)
    assert "ICC Linear P3 -> sRGB primaries" in read(path).notes
    encoded = photo(dtype=np.float32)
    tifffile.imwrite(path, encoded, photometric="rgb", iccprofile=DISPLAY_P3_ICC)
    np.testing.assert_allclose(read(path).pixels, p3_to_srgb(encoded), atol=5e-4)
    fails(path, "display", reader=read_linear)
    encoded[0, 0] = np.nan
    tifffile.imwrite(path, encoded, photometric="rgb", iccprofile=DISPLAY_P3_ICC)
    assert (read(path).pixels[0, 0] == 0).all()
    assert "3 NaN" in read(path).notes[0]
    tifffile.imwrite(path, bright, photometric="rgb", iccprofile=b"broken")
    np.testing.assert_array_equal(read_linear(path), bright)
    assert "ICC profile ignored" in read(path).notes[0]
    rgba = np.dstack([bright, bright[..., :1]])
    tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_linear(path), bright)


def test_read_linear_rejects_display_pictures(zoo: list[Path]) -> None:
    for path in zoo:
        if path.suffix in (".exr", ".hdr", ".dng") or path.name == "float.tif":
            assert read_linear(path).dtype == np.float32
        else:
            fails(path, "display picture", reader=read_linear)


# --- camera RAW -------------------------------------------------------------------------------------------------------


def test_raw_rendering(tmp_path: Path) -> None:
    """Sensor values with a known light: white balance undone, no brightening, sRGB curve; dark stays dark."""
    y, x = np.mgrid[0:1:128j, 0:1:160j]
    scene = np.stack([x, y, np.full_like(x, 0.3)], -1)
    neutral = (0.5, 1.0, 0.7)
    path = write_dng(tmp_path / "a.dng", scene * neutral, neutral)
    linear = read_linear(path)
    inner = (slice(8, -8), slice(8, -8))  # demosaicing guesses at the border
    np.testing.assert_allclose(linear[inner], scene[inner], atol=1e-3)
    picture = read(path)
    assert (picture.format, picture.bits, picture.pixels.dtype) == ("RAW", 16, np.uint16)
    np.testing.assert_allclose(picture.pixels / 65535, to_srgb(linear), atol=1e-4)
    assert picture.notes[0].startswith("RAW rendering: white balance camera")
    dark = write_dng(tmp_path / "b.dng", scene * neutral / 8, neutral)
    np.testing.assert_allclose(read_linear(dark)[inner], scene[inner] / 8, atol=1e-3)  # three stops under stays so
    clipped = write_dng(tmp_path / "c.dng", np.clip(scene * 4 * neutral, 0, 1), neutral)
    assert read_linear(clipped).max() == 1


def test_raw_is_turned_upright(tmp_path: Path) -> None:
    scene = photo(64, 96, dtype=np.float64)
    plain = read(write_dng(tmp_path / "a.dng", scene)).pixels
    turned = read(write_dng(tmp_path / "b.dng", scene, orientation=6)).pixels
    np.testing.assert_array_equal(turned, np.rot90(plain, -1))


def test_runs_of_the_first_radiance_versions(tmp_path: Path) -> None:
    """A pixel of mantissas 1, 1, 1 repeats the one before; each further one counts 256 times as much."""
    height, width = 5, 700
    colours = np.random.default_rng(2).integers(2, 255, (height, 4), dtype=np.uint8)
    colours[:, 3] = 129
    head = f"#?RADIANCE\n\n-Y {height} +X {width}\n".encode()
    flat = tmp_path / "flat.hdr"
    flat.write_bytes(head + np.repeat(colours[:, None], width, axis=1).tobytes())
    runs = bytes([1, 1, 1, (width - 1) % 256, 1, 1, 1, (width - 1) // 256])
    lines = [colour.tobytes() + runs for colour in colours]
    old = tmp_path / "old.hdr"
    old.write_bytes(head + b"".join(lines))
    np.testing.assert_array_equal(read_linear(old), read_linear(flat))
    old.write_bytes(head + b"".join(lines) + b"trailing")
    np.testing.assert_array_equal(read_linear(old), read_linear(flat))
    old.write_bytes(head + b"".join(lines[:-1]))
    fails(old, "truncated", "its runs hold 2800 of 3500 pixels")
    old.write_bytes(head + b"".join(lines[:-1]) + colours[-1].tobytes() + bytes([1, 1, 1, 1, 1, 1, 1, 3]))
    fails(old, "a run goes beyond the last pixel")
    old.write_bytes(head + runs + b"".join(lines))
    fails(old, "begins with a run of no pixel")
