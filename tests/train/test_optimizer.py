"""Muon beside AdamW: which weights are whose, what a step does to them, and that stopping changes nothing."""

import copy

import pytest

torch = pytest.importorskip("torch", reason="needs luxel[train]")
pytest.importorskip("lightning_fabric", reason="needs luxel[train]")

from torch import nn  # noqa: E402

from luxel.train.optimizer import (  # noqa: E402
    Float32Muon,
    MuonAdamW,
    as_matrix,
    channels_last,
    make_optimizer,
)
from luxel.train.recipe import TrainSection  # noqa: E402


def small_network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 24, 3), nn.ReLU(), nn.Conv2d(24, 1, 1))
    return nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)


def settings(**more: object) -> TrainSection:
    phases = ({"share": 1.0, "crop": 64, "batch": 1},)
    return TrainSection.model_validate({"steps": 1, "phases": phases, "optimizer": "muon", "lr": 1e-2, **more})


def gradients(network: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    network.zero_grad()
    (network(torch.rand(2, 3, 9, 9)) - torch.rand(2, 1, 5, 5)).abs().mean().backward()


def test_a_step_has_no_preferred_direction() -> None:
    """All singular values of Muon's step lie near one, times a scale that makes its mean square that of AdamW."""
    network = small_network()
    optimizer = make_optimizer(network, settings())
    large = network[2].weight
    before = large.detach().clone()
    gradients(network, 1)
    large.grad = channels_last(torch.randn_like(large) * torch.logspace(-1, 1, 24)[:, None, None, None])
    optimizer.step()
    moved = as_matrix(channels_last(large.detach() - before))
    values = torch.linalg.svdvals(moved) / (0.2 * 144**0.5 * 1e-2)
    assert values.min() > 0.25 * values.max()  # the gradient's lie a hundredfold apart
    assert 0.5 < values.median() < 1.5


def test_a_step_is_that_of_torchs_muon_up_to_its_precision() -> None:
    torch.manual_seed(2)
    start, gradient = torch.randn(24, 144), torch.randn(24, 144)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    options = {"lr": 1e-2, "weight_decay": 1e-2, "momentum": 0.95, "adjust_lr_fn": "match_rms_adamw"}
    for matrix, kind in ((ours, Float32Muon), (theirs, torch.optim.Muon)):
        optimizer = kind([matrix], **options)
        for factor in (1.0, -0.3):
            matrix.grad = gradient * factor
            optimizer.step()
    difference = (ours - theirs).norm() / (theirs - start).norm()
    assert difference < 0.03  # bfloat16 has eight bits


def test_small_weights_move_as_with_adamw() -> None:
    one, other = small_network(), small_network()
    muon, adamw = make_optimizer(one, settings()), make_optimizer(other, settings(optimizer="adamw"))
    for optimizer, network in ((muon, one), (adamw, other)):
        gradients(network, 1)
        optimizer.step()
    for (name, p), q in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q) == (name != "2.weight"), name


def test_the_rate_is_that_of_the_group_and_zero_moves_nothing() -> None:
    network = small_network()
    optimizer = make_optimizer(network, settings())
    assert {id(p) for group in optimizer.param_groups for p in group["params"]} == {id(p) for p in network.parameters()}
    before = copy.deepcopy(network.state_dict())
    optimizer.param_groups[0]["lr"] = 0.0
    gradients(network, 1)
    optimizer.step()
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


def test_weights_that_were_moved_are_still_trained() -> None:
    """A network put on a device keeps its parameters and changes their memory."""
    network = small_network()
    optimizer = make_optimizer(network, settings())
    for p in network.parameters():
        p.data = p.data.clone()
    before = network[2].weight.detach().clone()
    gradients(network, 1)
    optimizer.step()
    assert not torch.equal(before, network[2].weight)


def test_a_state_that_was_stored_continues_the_same() -> None:
    straight, stopped = small_network(), small_network()
    optimizer = make_optimizer(straight, settings())
    for seed in range(4):
        gradients(straight, seed)
        optimizer.step()
    first = MuonAdamW(stopped, lr=1e-2, weight_decay=0.0)
    for seed in range(2):
        gradients(stopped, seed)
        first.step()
    second = MuonAdamW(stopped, lr=1e-2, weight_decay=0.0)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for seed in range(2, 4):
        gradients(stopped, seed)
        second.step()
    assert all(torch.equal(p, q) for p, q in zip(straight.parameters(), stopped.parameters(), strict=True))
