"""Inputs and small builds for the tests of enhancement networks."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from luxel.benchmark import registry  # noqa: E402


def pictures(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def scenes(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Pictures with smooth parts and noise, bright and dark ones."""
    coarse = F.interpolate(pictures(batch, 4, 5, seed), (height, width), mode="bicubic").clamp(0, 1)
    noisy = coarse * torch.linspace(1.0, 0.3, batch).view(-1, 1, 1, 1) + 0.05 * pictures(batch, height, width, seed + 1)
    return noisy.clamp(0, 1)


def built(name: str, task: str) -> nn.Module:
    torch.manual_seed(1)
    return registry.build(name, task, tiny=True)
