"""ExposureLoss: range of the images, margin, working size, and the network outside the module's state."""

import copy
import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs luxel[train]")

import luxel  # noqa: E402
from luxel.errors import LuxelError  # noqa: E402


@pytest.fixture(scope="module")
def picture() -> "torch.Tensor":
    return torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0)) * 0.4


def test_images_a_little_outside_warn_once_and_name_the_remedy(picture: "torch.Tensor") -> None:
    loss = luxel.ExposureLoss()
    with pytest.warns(UserWarning, match=r"from -0.25 to .*divide 8-bit values by 255") as caught:
        loss((picture * 4 - 0.5).clamp(min=-0.25))
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(picture * 4 - 0.5)
    assert Path(caught[0].filename) == Path(__file__)


def test_rounding_does_not_warn(picture: "torch.Tensor") -> None:
    loss = luxel.ExposureLoss()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for images in (picture, picture.clamp(min=0.1) * 0 + 1.0005, torch.full_like(picture, 1.005).bfloat16()):
            loss(images)


@pytest.mark.parametrize(("scale", "offset"), [(255 / 0.4, 0.0), (1.0, -1.5), (1.0, 2.0)])
def test_images_far_outside_are_rejected(picture: "torch.Tensor", scale: float, offset: float) -> None:
    with pytest.raises(LuxelError, match=r"outside \[0, 1\].*255"):
        luxel.ExposureLoss()(picture * scale + offset)


def test_residuals_up_to_the_margin_cost_nothing(picture: "torch.Tensor") -> None:
    loss = luxel.ExposureLoss(margin=0.1)
    maps = loss.residual(picture)
    assert float(loss(picture)) == pytest.approx(float((maps.abs() - 0.1).clamp(min=0).mean()), abs=1e-6)
    assert float(loss(picture)) < float(luxel.ExposureLoss()(picture))
    for margin in (-0.1, 1.0):
        with pytest.raises(LuxelError, match="margin"):
            luxel.ExposureLoss(margin=margin)


def test_working_size_shrinks_the_short_side_and_stays_differentiable(picture: "torch.Tensor") -> None:
    loss = luxel.ExposureLoss(working_size=24)
    leaf = picture.clone().requires_grad_(True)
    assert loss.residual(leaf).shape == (1, 1, 24, 32)
    loss(leaf).backward()
    assert torch.isfinite(leaf.grad).all()
    assert (leaf.grad != 0).float().mean() > 0.9  # Antialiased: every pixel counts.
    larger = luxel.ExposureLoss(working_size=100)
    assert float(larger(picture)) == float(luxel.ExposureLoss()(picture))
    with pytest.raises(LuxelError, match="working_size"):
        luxel.ExposureLoss(working_size=4)


def test_the_network_is_not_part_of_the_state() -> None:
    model = torch.nn.Module()
    model.loss = luxel.ExposureLoss()
    assert dict(model.state_dict()) == {}
    assert list(model.parameters()) == []
    assert list(model.loss.buffers()) == []
    model.train()
    assert not model.loss.network.training
    model.requires_grad_(True)
    assert not any(p.requires_grad for p in model.loss.network.parameters())
    twin = copy.deepcopy(model)
    assert twin.loss.network is not model.loss.network


def test_the_network_follows_the_device_and_stays_float32(picture: "torch.Tensor") -> None:
    loss = luxel.ExposureLoss()
    before = float(loss(picture))
    assert loss.half() is loss
    assert loss.to(torch.float64).network is loss.network
    assert {p.dtype for p in loss.network.parameters()} == {torch.float32}
    assert float(loss(picture)) == before
    assert float(loss(picture.half())) == pytest.approx(before, abs=1e-3)
    torch.nn.Sequential(loss).to("meta")
    assert {t.device.type for t in (*loss.network.parameters(), *loss.network.buffers())} == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_network_moves_to_the_gpu(picture: "torch.Tensor") -> None:
    loss = luxel.ExposureLoss()
    before = float(loss(picture))
    assert float(loss.cuda()(picture.cuda())) == pytest.approx(before, abs=1e-3)
