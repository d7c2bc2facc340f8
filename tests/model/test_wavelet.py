"""Laws of the wavelet transform, then PyWavelets as the other implementation."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs luxel[train]")
pywt = pytest.importorskip("pywt", reason="needs luxel[train]")

from luxel.errors import LuxelError  # noqa: E402
from luxel.model.wavelet import LearnedSplit, Wavelet  # noqa: E402

NAMES = ("haar", "db2", "sym4")


@pytest.mark.parametrize("name", NAMES)
def test_reconstructs_exactly(name: str) -> None:
    x = torch.rand(2, 5, 24, 36, dtype=torch.float64)
    wavelet = Wavelet(name).double()
    assert torch.allclose(wavelet.merge(*wavelet.split(x)), x, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_preserves_energy(name: str) -> None:
    x = torch.rand(1, 3, 32, 48, dtype=torch.float64)
    low, high = Wavelet(name).double().split(x)
    assert float(low.square().sum() + high.square().sum()) == pytest.approx(float(x.square().sum()), rel=1e-6)


def test_haar_kernels_are_the_papers() -> None:
    kernels = Wavelet().kernels[:, 0]
    assert torch.allclose(kernels.abs(), torch.full((4, 2, 2), 0.5))
    gram = kernels.flatten(1) @ kernels.flatten(1).T
    assert torch.allclose(gram, torch.eye(4), atol=1e-6)
    assert not list(Wavelet().parameters())


def test_channels_do_not_mix() -> None:
    x = torch.zeros(1, 3, 8, 8)
    x[:, 1] = torch.rand(8, 8)
    low, high = Wavelet().split(x)
    assert low[:, (0, 2)].abs().max() == 0
    assert high.view(1, 3, 3, 4, 4)[:, (0, 2)].abs().max() == 0
    assert low[:, 1].abs().max() > 0


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_pywavelets(name: str) -> None:
    x = np.random.default_rng(0).random((16, 24))
    # PyWavelets lays filters longer than two taps over the samples one place later.
    phase = 0 if name == "haar" else 1
    low, high = Wavelet(name).double().split(torch.from_numpy(np.roll(x, phase, (0, 1)))[None, None])
    ca, (ch, cv, cd) = pywt.dwt2(x, name, mode="periodization")
    ours = [low[0, 0].numpy(), *high[0].numpy()]
    # Bands agree up to a shift of the whole band and the sign of the high-pass filter; PyWavelets calls "horizontal"
    # the detail across rows, which is our second difference.
    for mine, theirs in zip(ours, (ca, cv, ch, cd), strict=True):
        np.testing.assert_allclose(np.sort(np.abs(mine).ravel()), np.sort(np.abs(theirs).ravel()), atol=1e-6)


def test_unknown_and_biorthogonal_wavelets_are_rejected() -> None:
    with pytest.raises(LuxelError, match="not known"):
        Wavelet("nothing")
    with pytest.raises(LuxelError, match="not orthogonal"):
        Wavelet("bior2.2")


def test_learned_split_has_the_same_shapes() -> None:
    split = LearnedSplit(3, 8)
    low, high = split.split(torch.rand(2, 3, 32, 64))
    assert low.shape == (2, 3, 16, 32)
    assert high.shape == (2, 9, 16, 32)
    assert split.merge(torch.rand(2, 8, 16, 32), torch.rand(2, 24, 16, 32)).shape == (2, 8, 32, 64)
