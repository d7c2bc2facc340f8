"""Small builds for the tests of backbones."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402

from luxel.benchmark import registry  # noqa: E402

NAMES = ("arniqa", "reiqa", "nima", "alamp", "mlsp", "tanet")


def pictures(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def built(name: str, task: str) -> nn.Module:
    torch.manual_seed(0)
    return registry.build(name, task, tiny=True)


def warmed(module: nn.Module) -> nn.Module:
    """In eval mode, with statistics of batch norms that are not the first ones."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.momentum = None  # plain means
    module.train()
    with torch.no_grad():
        for seed in range(3):
            module(pictures(3, 80, 80, seed=10 + seed) ** (1 + seed))
    return module.eval()
