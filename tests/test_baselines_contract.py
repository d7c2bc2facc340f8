"""What every trained method of the benchmark keeps to, whatever it is made of."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402

from luxel.benchmark.facts import Task  # noqa: E402
from luxel.benchmark.registry import NETWORKS, build, facts  # noqa: E402

CASES = [(name, task) for name in NETWORKS for task in facts(name).tasks]


def pictures(batch: int, height: int, width: int) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


def built(name: str, task: Task) -> nn.Module:
    torch.manual_seed(0)
    return build(name, task, tiny=True)


@pytest.mark.parametrize(("name", "task"), CASES)
@pytest.mark.parametrize("size", [(32, 40), (64, 64), (97, 131), (203, 65)])
def test_shape_and_range(name: str, task: Task, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        out = built(name, task).eval()(pictures(2, *size))
    if task == "pixel":
        assert out.shape == (2, 1, *size)
        assert out.abs().max() <= 1
    else:
        assert out.shape == (2,)
        assert ((out > 0) & (out < 11)).all()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_pictures_may_lie_in_memory_as_the_protocol_lays_them_out(name: str, task: Task) -> None:
    model = built(name, task).eval()
    image = torch.rand(1, 64, 72, 3, generator=torch.Generator().manual_seed(0)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        assert torch.allclose(model(image), model(image.contiguous()), atol=1e-4)


@pytest.mark.parametrize(("name", "task"), CASES)
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_constant_picture_has_finite_gradients(name: str, task: Task, value: float) -> None:
    model = built(name, task).train()
    image = torch.full((2, 3, 80, 96), value, requires_grad=True)
    model(image).abs().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    assert image.grad is not None
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("name", [name for name, task in CASES if task == "pixel"])
def test_the_first_map_says_nearly_ideal(name: str) -> None:
    with torch.inference_mode():
        assert built(name, "pixel").eval()(pictures(1, 64, 64)).abs().mean() < 0.25
