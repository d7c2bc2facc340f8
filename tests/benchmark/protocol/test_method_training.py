"""Training one method on a budget."""

from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from luxel.benchmark.protocol.data import Frames
from luxel.benchmark.protocol.settings import BackboneWeights
from luxel.benchmark.protocol.training import Budget, train_method
from luxel.benchmark.registry import build
from luxel.errors import LuxelError


def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@pytest.mark.parametrize(
    ("text", "seconds", "images"), [("90s", 90, None), ("2m", 120, None), ("1.5h", 5400, None), ("20000", None, 20000)]
)
def test_a_budget_is_time_or_images(text: str, seconds: float | None, images: int | None) -> None:
    assert Budget.parse(text) == Budget(seconds, images)


@pytest.mark.parametrize("text", ["", "2 days", "-3m", "0", "1.5"])
def test_a_wrong_budget_is_named(text: str) -> None:
    with pytest.raises(LuxelError, match="such as 90s, 2m or 1h"):
        Budget.parse(text)


def _trained(frames: Frames, seed: int, images: int = 96) -> tuple[torch.nn.Module, float, int]:
    torch.manual_seed(0)
    model = build("pieanet", tiny=True)
    spent = train_method(
        fabric(),
        model,
        frames,
        frames.indices(0, "train"),
        task="pixel",
        lr=2e-3,
        budget=Budget(images=images),
        batch=8,
        seed=seed,
    )
    return model, spent.loss, spent.images


def test_training_lowers_the_loss_and_keeps_to_the_budget(frames: Frames) -> None:
    _, early, images = _trained(frames, 0, images=16)
    _, late, _ = _trained(frames, 0, images=800)
    assert images == 16
    assert late < 0.8 * early


def test_the_same_seed_gives_the_same_network(frames: Frames) -> None:
    first, second, other = (_trained(frames, seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


class _Normed(torch.nn.Module):
    """A batch norm in front of a map that keeps what the norm was shown."""

    def __init__(self, momentum: float = 0.1) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(3, momentum=momentum)
        self.last = torch.nn.Conv2d(3, 1, 1)
        self.shown: list[torch.Tensor] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.shown.append(image.mean((0, 2, 3)))
        return torch.tanh(self.last(self.norm(image)))


@pytest.mark.parametrize("steps", [1, 2, 7, 10, 14])
def test_statistics_of_a_short_training_are_those_of_its_pictures(frames: Frames, steps: int) -> None:
    model = _Normed()
    train_method(
        fabric(),
        model,
        frames,
        frames.indices(0, "train"),
        task="pixel",
        lr=1e-3,
        budget=Budget(images=4 * steps),
        batch=4,
        seed=0,
    )
    assert len(model.shown) == steps
    expected = torch.stack(model.shown[:10]).mean(0)
    for later in model.shown[10:]:  # from there as everywhere
        expected = 0.9 * expected + 0.1 * later
    assert model.norm.running_mean is not None
    assert torch.allclose(model.norm.running_mean, expected, atol=1e-5)


def test_statistics_that_are_frozen_stay_as_they_are(frames: Frames, tmp_path: Path) -> None:
    backbone = build("mlsp", "score", tiny=True).network.backbone
    torch.save(backbone.state_dict(), tmp_path / "backbone.pth")
    model = build("mlsp", "score", tiny=True, weights={"backbone": tmp_path / "backbone.pth"})
    before = {key: value.clone() for key, value in model.network.backbone.state_dict().items()}
    _ = train_method(
        fabric(),
        model,
        frames,
        frames.indices(0, "train"),
        task="score",
        lr=1e-3,
        budget=Budget(images=8),
        batch=4,
        seed=0,
    )
    assert all(torch.equal(value, before[key]) for key, value in model.network.backbone.state_dict().items())


def test_a_loss_that_is_not_a_number_is_named(frames: Frames) -> None:
    model = build("pieanet", tiny=True)
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(LuxelError, match="step 0: loss is nan"):
        train_method(
            fabric(),
            model,
            frames,
            frames.indices(0, "train"),
            task="pixel",
            lr=1e-3,
            budget=Budget(images=8),
            batch=4,
            seed=0,
        )


def test_a_backbone_starts_from_the_users_weights(tmp_path: Path) -> None:
    given = build("nima", "score", tiny=True)
    torch.save(given.network.backbone.state_dict(), tmp_path / "backbone.pth")
    parsed = BackboneWeights.parse(f"nima:backbone={tmp_path / 'backbone.pth'}")
    started = build("nima", "score", tiny=True, weights={parsed.backbone: parsed.file})
    theirs, ours = given.network.backbone.state_dict(), started.network.backbone.state_dict()
    assert all(torch.equal(theirs[key], ours[key]) for key in theirs)
    with pytest.raises(LuxelError, match="no backbone 'vgg'; it has backbone"):
        build("nima", "score", tiny=True, weights={"vgg": parsed.file})
    with pytest.raises(LuxelError, match="METHOD:BACKBONE=FILE"):
        BackboneWeights.parse("nima=backbone.pth")
