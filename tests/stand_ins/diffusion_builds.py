"""Inputs and small builds for the tests of diffusion."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402


def pictures(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def dead(module: nn.Module) -> list[str]:
    return [key for key, p in module.named_parameters() if p.grad is None or not p.grad.any()]
