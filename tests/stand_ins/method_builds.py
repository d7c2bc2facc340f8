"""Small builds of the methods and their inputs, for the tests of the benchmark's networks."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from luxel.benchmark import registry  # noqa: E402

BACKBONE_METHODS = ("arniqa", "reiqa", "nima", "alamp", "mlsp", "tanet")
"""Methods on ImageNet backbones."""


def images(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Noise, [B, 3, H, W] in [0, 1]."""
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def scenes(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Images with smooth parts and noise, bright and dark ones."""
    coarse = F.interpolate(images(batch, 4, 5, seed), (height, width), mode="bicubic").clamp(0, 1)
    noisy = coarse * torch.linspace(1.0, 0.3, batch).view(-1, 1, 1, 1) + 0.05 * images(batch, height, width, seed + 1)
    return noisy.clamp(0, 1)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers in double precision."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def built(name: str, task: str, seed: int = 0) -> nn.Module:
    """The tiny form of a method."""
    torch.manual_seed(seed)
    return registry.build(name, task, tiny=True)


def count(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in module.parameters())


def dead(module: nn.Module) -> list[str]:
    """Names of the parameters that no gradient reaches."""
    return [key for key, p in module.named_parameters() if p.grad is None or not p.grad.any()]


def warmed(module: nn.Module) -> nn.Module:
    """In eval mode, with statistics of batch norms that are not the first ones."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.momentum = None  # plain means
    module.train()
    with torch.no_grad():
        for seed in range(3):
            module(images(3, 80, 80, seed=10 + seed) ** (1 + seed))
    return module.eval()


def spread(module: nn.Module) -> nn.Module:
    """In double precision, every parameter far from where it starts, so that none is without effect."""
    module.double()
    for seed, p in enumerate(module.parameters()):
        p.data = 0.5 * numbers(*p.shape, seed=seed)
    return module.eval()


class Promise:
    """The widths a head asks of a network."""

    vector = 8
