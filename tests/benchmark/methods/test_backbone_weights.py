"""Backbone weights that users bring."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

from luxel.benchmark.blocks import backbones  # noqa: E402
from luxel.benchmark.blocks.backbones import find_backbones, load_backbone  # noqa: E402
from luxel.benchmark.blocks.inception import InceptionResNetV2  # noqa: E402
from luxel.benchmark.blocks.mobilenet import MobileNetV2  # noqa: E402
from luxel.benchmark.blocks.resnet import BasicBlock, Bottleneck, ResNet  # noqa: E402
from luxel.benchmark.blocks.vgg import VGG  # noqa: E402
from luxel.errors import LuxelError  # noqa: E402
from stand_ins.method_builds import BACKBONE_METHODS, built, images, warmed  # noqa: E402

TINY: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: ResNet(BasicBlock, (1, 1, 1, 1), width=4),
    "resnet50": lambda: ResNet(Bottleneck, (1, 1, 1, 1), width=4),
    "vgg": lambda: VGG(((4,), (4,), (4,), (4,), (4,))),
    "mobilenet": lambda: MobileNetV2(((1, 4, 1, 1), (6, 4, 2, 2)), first=4, channels=8),
    "inception": lambda: InceptionResNetV2(divide=16, repeats=(1, 1, 2)),
}


# Weights that users bring


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", TINY)
def test_weights_come_back_from_a_file(kind: str, suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    given, backbone = warmed(TINY[kind]()), TINY[kind]().eval()
    state = {**given.state_dict(), "fc.weight": torch.zeros(7, 3), "classifier.6.bias": torch.zeros(7)}
    path = tmp_path / f"backbone{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    image = images(1, 96, 96)
    with torch.no_grad():
        before, expected = backbone(image)[-1], given(image)[-1]
        load_backbone(backbone, path)
        found = backbone(image)[-1]
    assert not torch.equal(before, expected)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("wrap", [lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
@pytest.mark.parametrize("prefix", ["module.", "module.encoder."])
def test_checkpoints_of_trainings_load(wrap: Callable[[dict], dict], prefix: str, tmp_path: Path) -> None:
    given, backbone = TINY["resnet18"](), TINY["resnet18"]()
    state = {f"{prefix}{k}": v for k, v in given.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save(wrap({**state, "module.head.0.weight": torch.zeros(2)}), tmp_path / "w.pth.tar")
    load_backbone(backbone, tmp_path / "w.pth.tar")
    assert all(torch.equal(a, b) for a, b in zip(given.parameters(), backbone.parameters(), strict=True))


def test_a_file_that_does_not_fit_names_the_first_key(tmp_path: Path) -> None:
    backbone = TINY["resnet18"]()
    state = backbone.state_dict()
    path = tmp_path / "w.pth"

    def rejected(content: object) -> str:
        torch.save(content, path)
        with pytest.raises(LuxelError) as caught:
            load_backbone(backbone, path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    without = {k: v for k, v in state.items() if not k.startswith(("layer2.0.conv1", "layer4"))}
    assert "lacks layer2.0.conv1.weight" in rejected(without)
    assert "bn1.weight is (5,), not (4,)" in rejected({**state, "bn1.weight": torch.zeros(5)})
    assert "has layer1.1.conv1.weight, which this ResNet lacks" in rejected(
        {**state, "layer1.1.conv1.weight": torch.zeros(1)}
    )
    assert "lacks conv1.weight" in rejected([1, 2])
    assert "holds more than tensors" in rejected({"state_dict": state, "options": argparse.Namespace(a=1)})
    (tmp_path / "w.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(LuxelError, match="not a safetensors file"):
        load_backbone(backbone, tmp_path / "w.safetensors")
    with pytest.raises(LuxelError, match="no such file"):
        load_backbone(backbone, tmp_path / "absent.pth")


def test_a_file_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    backbone = TINY["vgg"]()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    state = {k: v + 1 for k, v in before.items()}
    state.pop(list(state)[-1])
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(LuxelError):
        load_backbone(backbone, tmp_path / "w.safetensors")
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())


@pytest.mark.parametrize(
    ("name", "backbone", "frozen"),
    [
        ("mlsp", "backbone", True),
        ("tanet", "theme", True),
        ("tanet", "look", False),
        ("arniqa", "expert.backbone", False),
    ],
)
def test_only_backbones_with_weights_freeze_and_only_where_the_method_does(
    name: str, backbone: str, frozen: bool, tmp_path: Path
) -> None:
    model = built(name, "score").train()
    module = find_backbones(model.network)[backbone]
    torch.save(module.state_dict(), tmp_path / "w.pth")
    assert module.training
    assert any(p.requires_grad for p in module.parameters())
    load_backbone(module, tmp_path / "w.pth")
    assert module.training is not frozen
    model.eval()
    model.train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    model(images(4, 96, 96)).sum().backward()
    same = all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert same is frozen
    assert module.training is not frozen
    assert any(p.grad is not None for p in module.parameters()) is not frozen
    assert all(p.grad is not None for p in model.head.parameters())


def test_backbones_are_found_by_name() -> None:
    found = {name: list(find_backbones(built(name, "score").network)) for name in BACKBONE_METHODS}
    assert found == {
        "arniqa": ["expert.backbone"],
        "reiqa": ["content.backbone", "quality.backbone"],
        "nima": ["backbone"],
        "alamp": ["backbone"],
        "mlsp": ["backbone"],
        "tanet": ["look", "theme"],
    }


def test_initial_weights_keep_the_scale_of_what_passes() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(*(nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()) for _ in range(8)))
    backbones.initialise(layers)
    x = torch.randn(1, 64, 32, 32)
    assert 0.3 < layers(x).square().mean() / x.square().mean() < 3
