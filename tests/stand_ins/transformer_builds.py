"""Inputs and small builds for the tests of transformers."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402

from luxel.benchmark import registry  # noqa: E402


def pictures(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def built(name: str, task: str) -> nn.Module:
    torch.manual_seed(0)
    return registry.build(name, task, tiny=True)


def spread(module: nn.Module) -> nn.Module:
    """In double precision, every parameter far from where it starts, so that none is without effect."""
    module.double()
    for seed, p in enumerate(module.parameters()):
        p.data = 0.5 * numbers(*p.shape, seed=seed)
    return module.eval()


class Promise:
    """The widths a head asks of a network."""

    vector = 8
