"""FECNet: amplitude and phase."""

import math

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")


from luxel.benchmark.methods import fecnet  # noqa: E402
from stand_ins.method_builds import images  # noqa: E402


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (10, 5)])
def test_a_spectrum_comes_back_as_the_picture(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    amplitude, phase = fecnet.polar(fecnet.spectrum(x))
    assert (amplitude > 0).all()
    found = fecnet.image_of(fecnet.from_polar(amplitude, phase), size)
    torch.testing.assert_close(found, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (10, 5), (4, 1)])
def test_self_conjugate_coefficients_are_real(size: tuple[int, int]) -> None:
    x = -torch.rand(2, 3, *size)  # a negative mean has its phase on the cut between pi and -pi
    found = fecnet.spectrum(x)
    rows, columns = [[i for i in (0, n / 2) if i == int(i) and i < n] for n in size]
    for row in rows:
        for column in columns:
            assert not found[..., int(row), int(column)].imag.any()
    assert torch.allclose(fecnet.polar(found)[1][..., 0, 0], torch.tensor(math.pi))
    assert torch.allclose(found, torch.fft.rfft2(x), atol=1e-5)


def test_light_lies_in_the_amplitude_and_structure_in_the_phase() -> None:
    x = images(1, 9, 13)
    torch.testing.assert_close(fecnet.exchange_amplitude(x, 0.25 * x), 0.25 * x, atol=1e-4, rtol=1e-3)
    moved = x.roll((2, 5), (2, 3))  # a cyclic move changes phases alone
    torch.testing.assert_close(fecnet.exchange_amplitude(x, moved), x, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("mode", ["amplitude", "phase"])
def test_a_frequency_unit_changes_one_of_the_two(mode: fecnet.FourierPart) -> None:
    frequency = fecnet.spectrum(torch.randn(1, 4, 12, 12))
    changed = fecnet.FrequencyUnit(4, mode)(frequency)
    if mode == "phase":
        torch.testing.assert_close(changed.abs(), frequency.abs(), atol=1e-3, rtol=1e-3)
        assert not torch.allclose(changed.angle(), frequency.angle(), atol=0.1)
    else:  # in or against the direction it had
        assert torch.allclose((changed * frequency.conj()).imag / frequency.abs(), torch.zeros(()), atol=1e-3)
        assert not torch.allclose(changed.abs(), frequency.abs(), atol=0.1)


def test_the_phase_net_learns_from_the_change_of_light_but_sends_nothing_back_through_it() -> None:
    net = fecnet.PhaseNet(4)
    with torch.no_grad():  # only the modulations are left to carry a gradient to `lit`
        net.enter.weight.zero_()
    lit = images(1, 8, 8, 1).requires_grad_()
    net(images(1, 8, 8), lit).sum().backward()
    assert not lit.grad.any()
    assert net.lift.weight.grad.any()
