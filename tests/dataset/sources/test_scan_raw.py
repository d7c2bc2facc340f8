"""Camera RAW in a scan: a small DNG, read back through LibRaw."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel.dataset.develop import develop_light
from luxel.dataset.prepare import prepare_scene
from luxel.dataset.reference.bracket import frame
from luxel.dataset.sources.scan import SceneSource, scan_sources
from stand_ins.source_material import FloatArray, light_of, write_dng, write_jpeg


@pytest.fixture(scope="module")
def ramps() -> FloatArray:
    """Smooth linear light [64, 96, 3], so that demosaicing is exact, with three different channels, below 0.7."""
    x, y = np.linspace(0.02, 0.7, 96)[None, :], np.linspace(0.3, 1, 64)[:, None]
    return np.stack([x * y, (0.1 + 0.5 * x) * y, 0.3 * y * np.ones_like(x)], axis=-1).astype(np.float32)


def developed(path: Path, camera: FloatArray, **facts: object) -> tuple[SceneSource, FloatArray]:
    [source] = scan_sources([write_dng(path, camera, **facts)])  # type: ignore[arg-type]
    return source, develop_light(source, short_side=4096).linear


INSIDE = (slice(4, -4), slice(4, -4))  # demosaicing has no neighbours at the border


@pytest.mark.parametrize(("black", "white"), [(0, 15000), (512, 15000), (2048, 15000), (256, 4095), (512, 65535)])
def test_black_and_white_level_are_taken_off(black: int, white: int, ramps: FloatArray, tmp_path: Path) -> None:
    """One step of the sensor, or of LibRaw's 16 bit, is the whole difference that black and white level may make."""
    _, light = developed(tmp_path / "a.dng", ramps, black=black, white=white)
    assert np.abs(light - ramps)[INSIDE].max() < max(1.5 / (white - black), 1e-4)
    _, dark = developed(tmp_path / "b.dng", np.zeros_like(ramps), black=black, white=white)
    assert dark.max() == 0
    _, full = developed(tmp_path / "c.dng", np.ones_like(ramps), black=black, white=white)
    np.testing.assert_allclose(full, 1, atol=1e-4)


def test_the_cameras_white_balance_makes_grey_grey(ramps: FloatArray, tmp_path: Path) -> None:
    neutral = (0.5, 1.0, 0.7)
    _, light = developed(tmp_path / "a.dng", ramps * np.float32(neutral), neutral=neutral)
    assert np.abs(light - ramps)[INSIDE].max() < 1e-3
    _, raw = developed(tmp_path / "b.dng", ramps * np.float32(neutral))
    assert np.abs(raw - ramps)[INSIDE].max() > 0.1, "the test could not fail"


@pytest.mark.parametrize(("orientation", "quarters"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_raw_stands_upright_in_scan_and_picture(
    orientation: int, quarters: int, ramps: FloatArray, tmp_path: Path
) -> None:
    source, light = developed(tmp_path / "a.dng", ramps, orientation=orientation)
    assert (source.frames[0].height, source.frames[0].width) == light.shape[:2]
    assert np.abs(light - np.rot90(ramps, quarters))[INSIDE].max() < 1e-3


def test_half_the_light_is_half_the_number(ramps: FloatArray, tmp_path: Path) -> None:
    whole, half = (developed(tmp_path / f"{n}.dng", ramps / n)[1] for n in (1, 2))
    assert np.abs(2 * half - whole).max() < 1e-3


def test_raw_says_how_it_was_taken(ramps: FloatArray, tmp_path: Path) -> None:
    source, _ = developed(tmp_path / "a.dng", ramps, exposure=(1, 60), f_number=8.0, iso=200)
    assert source.metadata["device"] == "luxel test camera"
    assert source.metadata["exposure_s"] == pytest.approx(1 / 60)
    assert (source.metadata["f_number"], source.metadata["iso"]) == (8, 200)


def test_raw_files_taken_as_a_bracket_are_one(ramps: FloatArray, tmp_path: Path) -> None:
    light = light_of("astronaut", height=128)
    for i, ev in enumerate((-2, 0, 2)):
        camera = np.clip(light * 2.0**ev, 0, 1)
        write_dng(tmp_path / f"{i}.dng", camera, exposure=(round(1000 * 2.0**ev), 100_000), seconds=float(i))
    write_jpeg(
        tmp_path / "0.jpg", frame(light, -2), seconds=0.4, exposure_s=0.0025, make="luxel", model="luxel test camera"
    )
    [bracket] = scan_sources([tmp_path])
    assert (bracket.kind, len(bracket.frames)) == ("bracket", 3)
    assert "0.jpg left out: the same shot as 0.dng" in bracket.notes
    prepared = prepare_scene(bracket, short_side=96)
    assert np.diff(prepared.evs) == pytest.approx([2, 2], abs=0.01)
