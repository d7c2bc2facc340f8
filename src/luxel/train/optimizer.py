"""The optimisers a recipe can name, behind one interface."""

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from luxel.train.recipe import TrainSection

MIN_MATRIX = 2000
"""Weights below which a convolution is AdamW's: orthogonalising many small matrices would be a good part of a step."""


def make_optimizer(network: nn.Module, settings: TrainSection) -> Optimizer:
    """The optimiser of a recipe over all weights of a network, its rate in `param_groups`.

    network: its 2-D convolutions in channels-last memory format.
    """
    if settings.optimizer == "muon":
        return MuonAdamW(network, lr=settings.lr, weight_decay=settings.weight_decay)
    optimizer_class = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return optimizer_class(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True)


class Float32Muon(torch.optim.Muon):
    """torch's Muon with its orthogonalisation in float32 instead of bfloat16.

    On a processor without bfloat16 instructions torch emulates them: a step of P-IEANet took 3.0 s, of which 2.3 s were
    Muon's; with this it takes 0.8 s. In float32 nothing is lost elsewhere either, the matrices are small.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step with the gradients that lie in the matrices; no closure."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                momentum = state.setdefault("momentum_buffer", torch.zeros_like(matrix.grad))
                momentum.lerp_(matrix.grad, 1 - group["momentum"])
                update = matrix.grad.lerp(momentum, group["momentum"])  # Nesterov's
                direction = orthogonalised(update, group["ns_coefficients"], group["ns_steps"])
                # The size of AdamW's steps, Liu et al. 2025.
                scale = 0.2 * max(matrix.shape) ** 0.5
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(direction, alpha=-group["lr"] * scale)


def orthogonalised(matrix: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """A matrix with its singular values brought near one, by Newton-Schulz steps of fifth order.

    matrix: [M, N] float32. coefficients: of the odd polynomial. steps: how often it is applied. Returns [M, N].
    Source: Jordan et al. 2024.
    """
    a, b, c = coefficients
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x


class MuonAdamW(Optimizer):
    """Muon for the larger convolutions, AdamW for every other weight, at one learning rate.

    A convolution is to Muon a matrix with a row for each output channel; its steps are scaled to the size of AdamW's,
    so that rates mean the same for both. Source: Jordan et al., Muon: an optimizer for hidden layers in neural
    networks, 2024; scale: Liu et al., Muon is scalable for LLM training, 2025.
    """

    def __init__(self, network: nn.Module, *, lr: float, weight_decay: float) -> None:
        large = [p for p in network.parameters() if p.dim() == 4 and len(p) > 1 and p.numel() >= MIN_MATRIX]
        by_muon = {id(p) for p in large}
        others = [p for p in network.parameters() if id(p) not in by_muon]
        # One group over all: gradients are clipped by its weights, and the loop sets its rate.
        super().__init__([*large, *others], {"lr": lr})
        self.convolutions = large
        self.matrices = [as_matrix(p.detach()).requires_grad_() for p in large]
        self.muon = Float32Muon(
            self.matrices, lr=lr, weight_decay=weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
        )
        self.adamw = torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay, fused=True)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step with the gradients that lie in the weights."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimizer in (self.muon, self.adamw):
            optimizer.param_groups[0]["lr"] = self.param_groups[0]["lr"]
        for weight, matrix in zip(self.convolutions, self.matrices, strict=True):
            # Bound again: a network that was moved to another device keeps its weights elsewhere.
            matrix.data = as_matrix(weight.detach())
            matrix.grad = None if weight.grad is None else as_matrix(channels_last(weight.grad))
        self.muon.step()
        self.adamw.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.muon.load_state_dict(state_dict["muon"])
        self.adamw.load_state_dict(state_dict["adamw"])


def channels_last(weight: Tensor) -> Tensor:
    """A convolution's weight or gradient with its input channels next to each other in memory."""
    return weight.contiguous(memory_format=torch.channels_last)


def as_matrix(weight: Tensor) -> Tensor:
    """A convolution's weight [O, I, h, w] in channels-last format as a matrix [O, hwI] on the same memory."""
    return weight.permute(0, 2, 3, 1).view(len(weight), -1)
