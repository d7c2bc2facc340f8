"""The paper's figures of the method: what they measure, and that each is a PNG and a PDF."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs luxel[figures]")
pytest.importorskip("sklearn", reason="needs luxel[figures]")

import torch
from typer.testing import CliRunner, Result

from luxel.cli import app
from luxel.errors import LuxelError
from luxel.figures.embedding import bands_of, embed, explained_by
from luxel.figures.features import features
from luxel.figures.swap import swap_bands
from luxel.model.network import build
from luxel.model.weights import load_model


@pytest.fixture
def luxel(tmp_path: Path) -> Callable[..., Result]:
    def run(*words: object) -> Result:
        return CliRunner().invoke(app, ["figures", *map(str, words)])

    return run


def scene(seed: int = 0, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """A picture with large and small structure, uint8."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.uniform(30, 120, (size[0] // 16, size[1] // 16, 3)), np.ones((16, 16, 1)))
    return np.clip(coarse + rng.normal(0, 8, (*size, 3)), 0, 255).astype(np.uint8)


def test_exchanging_bands_twice_gives_the_exposures_back() -> None:
    dark = scene()
    bright = np.clip(2 * dark.astype(int), 0, 255).astype(np.uint8)
    swap = swap_bands(dark, bright)
    # Low and high bands are all there is: both exchanged pictures together hold what both exposures hold.
    inside = (
        (swap.low_of_dark > 0) & (swap.low_of_dark < 1) & (swap.low_of_bright > 0) & (swap.low_of_bright < 1)
    ).all(-1)
    together = (swap.low_of_dark + swap.low_of_bright - swap.dark - swap.bright)[inside]
    np.testing.assert_allclose(together, 0, atol=1e-5)
    assert swap.followed > 0.95


def test_a_pattern_of_single_pixels_goes_with_the_high_bands() -> None:
    """Where exposures differ by a chequerboard alone, nothing of it goes with the low band."""
    flat = np.full((32, 32, 3), 100, np.uint8)
    board = flat.copy()
    board[(np.indices((32, 32)).sum(0) % 2).astype(bool)] = 140
    board[~(np.indices((32, 32)).sum(0) % 2).astype(bool)] = 60
    assert abs(swap_bands(flat, board).followed) < 1e-4
    assert swap_bands(flat, flat + 50).followed == pytest.approx(1, abs=1e-4)


def test_more_levels_leave_less_to_the_low_band() -> None:
    dark = scene()
    bright = np.clip(2.5 * dark.astype(float), 0, 255).astype(np.uint8)
    shares = [swap_bands(dark, bright, levels=levels).followed for levels in (1, 3, 5)]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("first", "second", "levels", "said"),
    [
        (scene(), scene(), 1, "alike"),
        (scene(), scene(size=(64, 64)), 1, "one size"),
        (scene(), scene(1), 6, "too few"),
    ],
)
def test_what_cannot_be_exchanged_is_named(first: np.ndarray, second: np.ndarray, levels: int, said: str) -> None:
    with pytest.raises(LuxelError, match=said):
        swap_bands(first, second, levels=levels)


def test_bands_hold_the_energy_of_the_picture() -> None:
    picture = scene(size=(64, 64))
    from luxel.photometry import as_unit_float, lightness

    low, high = bands_of(picture)
    energy = (lightness(as_unit_float(picture)) ** 2).sum()
    assert (low**2).sum() + (high**2).sum() == pytest.approx(energy, rel=1e-5)


def test_explained_share_is_that_of_one_way_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    values, levels = rng.normal(size=(60, 1)), np.repeat([0.0, 1.0, 2.0], 20)
    values[:, 0] += levels
    from scipy import stats

    f = stats.f_oneway(*(values[levels == level, 0] for level in (0, 1, 2))).statistic
    assert explained_by(values, levels) == pytest.approx(2 * f / (2 * f + 57))


def test_low_bands_follow_the_exposure_and_high_bands_do_not() -> None:
    frames = [
        (np.clip(scene(seed, (64, 64)).astype(float) * 2.0**ev, 0, 255).astype(np.uint8), ev)
        for seed in range(12)
        for ev in (-1.0, 0.0, 1.0)
    ]
    low, high = embed(frames)
    assert low.points.shape == (36, 2)
    assert low.explained > 0.4
    assert high.explained < 0.1


def test_features_are_those_of_the_named_parts() -> None:
    network = build(channels=4, structure_widths=(4, 8, 8), lightness_widths=(4, 8, 8, 16)).eval()
    picture = scene()
    found = features(network, picture)
    assert found.residual.shape == picture.shape[:2]
    assert 0 <= found.pixel_attention.min() <= found.pixel_attention.max() <= 1
    assert [len(weights) for weights in found.channel_weights] == [8, 16]
    with torch.inference_mode():
        network.lightness.stages[1][1].channel.mlp[2].weight.zero_()
        network.lightness.stages[1][1].channel.mlp[2].bias.zero_()
    np.testing.assert_allclose(features(network, picture).channel_weights[0], 0.5)
    assert not any(module._forward_hooks for module in network.modules()), "hooks are removed"


def test_features_need_every_module() -> None:
    with pytest.raises(LuxelError, match="complete weights"):
        features(build(without="structure").eval(), scene())


def test_each_command_writes_png_and_pdf(tmp_path: Path, luxel: Callable[..., Result]) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(10):
        Image.fromarray(scene(seed)).save(folder / f"{seed}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    out = tmp_path / "figures"
    assert luxel("swap", folder / "0.png", "--out", out).exit_code == 0
    shown = luxel("tsne", folder, "--out", out)
    assert (shown.exit_code, "10 pictures" in shown.stdout) == (1, True), "one picture cannot be read"
    assert luxel("features", folder / "0.png", "--out", out).exit_code == 0
    for name in ("swap", "tsne", "features"):
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert np.ptp(np.asarray(Image.open(out / f"{name}.png").convert("L"))) > 100
    again = tmp_path / "again"
    luxel("swap", folder / "0.png", "--out", again)
    assert (again / "swap.pdf").read_bytes() == (out / "swap.pdf").read_bytes()


def test_the_shipped_weights_have_the_named_parts() -> None:
    assert features(load_model(), scene()).long_range.shape == (8, 12)
