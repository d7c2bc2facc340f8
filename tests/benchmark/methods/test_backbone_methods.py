"""Methods on ImageNet backbones: laws of every build, published counts and key names, weights that users bring."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from safetensors.torch import save_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from luxel.benchmark import registry  # noqa: E402
from luxel.benchmark.blocks import backbones, two_scales  # noqa: E402
from luxel.benchmark.blocks.backbones import find_backbones, load_backbone  # noqa: E402
from luxel.benchmark.blocks.features import Features  # noqa: E402
from luxel.benchmark.blocks.inception import InceptionResNetV2, Residual  # noqa: E402
from luxel.benchmark.blocks.mobilenet import MobileNetV2  # noqa: E402
from luxel.benchmark.blocks.resnet import BasicBlock, Bottleneck, ResNet, resnet18, resnet50  # noqa: E402
from luxel.benchmark.blocks.vgg import VGG  # noqa: E402
from luxel.benchmark.methods import alamp, arniqa, mlsp, reiqa, tanet  # noqa: E402
from luxel.errors import LuxelError  # noqa: E402

NAMES = ("arniqa", "reiqa", "nima", "alamp", "mlsp", "tanet")
CASES = [(name, task) for name in NAMES for task in registry.facts(name).tasks]
TINY: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: ResNet(BasicBlock, (1, 1, 1, 1), width=4),
    "resnet50": lambda: ResNet(Bottleneck, (1, 1, 1, 1), width=4),
    "vgg": lambda: VGG(((4,), (4,), (4,), (4,), (4,))),
    "mobilenet": lambda: MobileNetV2(((1, 4, 1, 1), (6, 4, 2, 2)), first=4, channels=8),
    "inception": lambda: InceptionResNetV2(divide=16, repeats=(1, 1, 2)),
}


def pictures(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def built(name: str, task: str) -> nn.Module:
    torch.manual_seed(0)
    return registry.build(name, task, tiny=True)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


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


# Laws of every build


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_picture_the_contract_allows(name: str) -> None:
    with torch.no_grad():
        assert built(name, "score").eval()(pictures(2, 32, 40)).isfinite().all()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_gradient_reaches_every_parameter_that_trains(name: str, task: str) -> None:
    model = built(name, task).train()
    for seed in range(2):  # dropout hides some
        out = model(pictures(4, 96, 128, seed))
        weights = torch.tensor([1.0, -2.0, 3.0, -1.0]).view(-1, *[1] * (out.ndim - 1))
        (weights * out).sum().backward()
    dead = [key for key, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert dead == []


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_prediction_does_not_depend_on_its_batch(name: str, task: str) -> None:
    model = built(name, task).eval()
    with torch.no_grad():
        for p in model.head.parameters():  # scores start close together
            p *= 4 if p.ndim == 2 else 1
    batch = pictures(3, 97, 110)
    batch[1] *= 0.2
    with torch.no_grad():
        together = model(batch)
        alone = torch.cat([model(image[None]) for image in batch])
    assert (together - alone).abs().max() < 0.01 * (together[0] - together[1]).abs().max()


# Counts and names of the published networks


@pytest.mark.parametrize(
    ("make", "published"),
    [
        (resnet50, 23_508_032),
        (lambda: resnet50(classes=1000), 25_557_032),
        (lambda: resnet18(classes=1000), 11_689_512),
        (lambda: resnet18(classes=365), 11_363_757),
        (VGG, 14_714_688),
        (lambda: VGG(classes=1000), 138_357_544),
        (MobileNetV2, 2_223_872),
        (lambda: MobileNetV2(classes=1000), 3_504_872),
        (InceptionResNetV2, 54_306_464),
    ],
)
def test_counts_of_backbones(make: Callable[[], nn.Module], published: int) -> None:
    with torch.device("meta"):
        assert count(make()) == published


def test_inception_counts_as_keras_prints_it() -> None:
    with torch.device("meta"):
        backbone = InceptionResNetV2()
    gains = sum(m.weight.numel() for m in backbone.modules() if isinstance(m, nn.BatchNorm2d))  # Keras builds none
    classifier = 1536 * 1000 + 1000
    assert count(backbone) - gains + classifier == 55_813_192


def test_counts_of_methods_are_the_published_ones_or_differ_as_noted() -> None:
    with torch.device("meta"):
        parts = {name: registry.build(name, "score") for name in NAMES}
        projector = nn.Sequential(nn.Linear(2048, 2048), nn.ReLU(), nn.Linear(2048, 128))
    official = {name: registry.facts(name).official_params for name in NAMES}
    assert count(parts["arniqa"].network) + count(projector) == official["arniqa"] == 27_966_656
    assert count(parts["reiqa"].network) == official["reiqa"] == 2 * 23_508_032
    assert count(parts["nima"]) == official["nima"] == 54_306_464 + 15_370
    assert count(parts["mlsp"]) == official["mlsp"] == 54_306_464 + 37_038_081
    assert count(parts["tanet"]) + (32 * 32 + 2 * 32) + 1 == official["tanet"] == 13_882_975
    assert count(parts["tanet"].network.theme) == 11_363_757
    assert official["alamp"] is None
    assert count(parts["alamp"]) == 15_789_377


def test_widths_the_heads_read() -> None:
    with torch.device("meta"):
        assert arniqa.network().vector == 4096
        assert [w.channels for w in arniqa.network().widths] == [256, 512, 1024, 4096]
        assert reiqa.network().vector == 8192
        assert [w.channels for w in reiqa.network().widths] == [512, 1024, 2048, 8192]
        assert mlsp.network().vector == 16_928
        wide = mlsp.network(wide=True)
        assert wide.vector == 16_928 * 25
        assert count(mlsp.head(wide, "score")) == 63_817_729


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (
            lambda: resnet50(classes=10),
            "conv1.weight bn1.running_var layer1.0.conv1.weight layer1.0.downsample.0.weight "
            "layer1.0.downsample.1.bias layer3.5.bn3.weight layer4.2.conv3.weight fc.bias",
        ),
        (lambda: resnet18(), "layer1.1.conv2.weight layer2.0.downsample.0.weight layer4.1.bn2.running_mean"),
        (
            lambda: VGG(((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3), classes=10),
            "features.0.weight features.2.bias features.5.weight features.28.weight classifier.0.weight "
            "classifier.3.bias classifier.6.weight",
        ),
        (
            lambda: MobileNetV2(classes=10),
            "features.0.0.weight features.0.1.running_mean features.1.conv.0.0.weight features.1.conv.1.weight "
            "features.1.conv.2.bias features.2.conv.1.0.weight features.2.conv.2.weight features.2.conv.3.weight "
            "features.18.0.weight features.18.1.weight classifier.1.weight",
        ),
        (
            InceptionResNetV2,
            "conv2d_1a.conv.weight conv2d_4a.bn.bias mixed_5b.branch1.1.conv.weight mixed_5b.branch3.1.conv.weight "
            "repeat.9.branch2.2.conv.weight repeat.0.conv2d.bias mixed_6a.branch0.conv.weight "
            "repeat_1.19.branch1.2.bn.weight mixed_7a.branch2.2.conv.weight repeat_2.8.branch0.conv.weight "
            "block8.conv2d.weight conv2d_7b.bn.running_var",
        ),
    ],
    ids=["resnet50", "resnet18", "vgg", "mobilenet", "inception"],
)
def test_keys_are_those_of_the_published_files(make: Callable[[], nn.Module], names: str) -> None:
    with torch.device("meta"):
        keys = set(make().state_dict())
    assert set(names.split()) - keys == set()


def test_inception_exposes_43_concatenations_at_three_sizes() -> None:
    with torch.device("meta"):
        backbone = InceptionResNetV2().eval()
        maps = backbone.concatenations(torch.empty(1, 3, 299, 299))
        assert backbone(torch.empty(1, 3, 299, 299)).shape == (1, 1536, 8, 8)
        assert backbone(torch.empty(1, 3, 75, 75)).shape == (1, 1536, 1, 1)
    widths = [320] + 10 * [128] + [1088] + 20 * [384] + [2080] + 10 * [448]
    sides = 11 * [35] + 21 * [17] + 11 * [8]
    assert [m.shape[1] for m in maps] == widths == list(backbone.inner_channels)
    assert [m.shape[-1] for m in maps] == sides
    assert sum(widths) == 16_928


# Forward passes against another implementation


def test_resnet_like_transformers() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is the extra luxel[segment]")
    for block, kind, expansion in ((Bottleneck, "bottleneck", 4), (BasicBlock, "basic", 1)):
        widths = [8 * expansion * 2**i for i in range(4)]
        config = transformers.ResNetConfig(
            embedding_size=8, hidden_sizes=widths, depths=[3, 4, 6, 3], layer_type=kind, hidden_act="relu"
        )
        theirs = transformers.ResNetModel(config)
        ours = ResNet(block, (3, 4, 6, 3), width=8)
        for parameter in theirs.parameters():  # all layers must matter
            nn.init.normal_(parameter, mean=0.05, std=0.2)
        ours.load_state_dict({_torchvision_key(key): value for key, value in theirs.state_dict().items()})
        image = pictures(2, 96, 64)
        theirs.train()(image)
        ours.train()(image)
        with torch.no_grad():
            expected = theirs.eval()(image, output_hidden_states=True).hidden_states[1:]
            found = ours.eval()(image)
        assert len(found) == 4
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * b.abs().max().item())


def _torchvision_key(key: str) -> str:
    for pattern, name in (
        (r"embedder\.embedder\.convolution", "conv1"),
        (r"embedder\.embedder\.normalization", "bn1"),
        (r"encoder\.stages\.(\d)\.layers\.(\d)\.", lambda m: f"layer{int(m[1]) + 1}.{m[2]}."),
        (r"shortcut\.convolution", "downsample.0"),
        (r"shortcut\.normalization", "downsample.1"),
        (r"layer\.(\d)\.convolution", lambda m: f"conv{int(m[1]) + 1}"),
        (r"layer\.(\d)\.normalization", lambda m: f"bn{int(m[1]) + 1}"),
    ):
        key = re.sub(pattern, name, key)
    return key


def test_mobilenet_like_transformers() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is the extra luxel[segment]")
    config = transformers.MobileNetV2Config(tf_padding=False, layer_norm_eps=1e-5)
    theirs, ours = transformers.MobileNetV2Model(config), MobileNetV2()
    theirs_state, ours_state = theirs.state_dict(), ours.state_dict()
    assert len(theirs_state) == len(ours_state)  # both in the order of the layers
    ours.load_state_dict(dict(zip(ours_state, theirs_state.values(), strict=True)))
    image = 1e3 * pictures(1, 96, 64)  # far beyond where ReLU6 ends
    with torch.no_grad():
        expected = theirs.eval()(image).last_hidden_state
        torch.testing.assert_close(ours.eval()(image), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_a_residual_block_of_inception_adds_a_scaled_projection() -> None:
    block = Residual(32, (((8, 1),), ((8, 1), (16, 3))), scale=0.17, activated=False).eval()
    x = torch.randn(1, 32, 9, 9)
    inner, y = block(x)
    assert inner.shape == (1, 24, 9, 9)
    projected = F.conv2d(inner, block.conv2d.weight, block.conv2d.bias)
    torch.testing.assert_close(y - x, 0.17 * projected, atol=1e-5, rtol=1e-4)


def test_vgg_keeps_the_brightest_of_32_pixels_a_side_where_convolutions_change_nothing() -> None:
    backbone = VGG(((3,), (3, 3), (3,), (3,), (3,)))
    for layer in backbone.features:
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
    image = pictures(2, 70, 96)
    assert torch.equal(backbone(image), F.max_pool2d(image, 32))


def test_inception_pools_at_the_border_without_the_padding() -> None:
    pool = InceptionResNetV2(divide=16, repeats=(1, 1, 2)).mixed_5b.branch3[0]
    assert pool(torch.ones(1, 12, 5, 7)).eq(1).all()


# Weights that users bring


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", TINY)
def test_weights_come_back_from_a_file(kind: str, suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    given, backbone = warmed(TINY[kind]()), TINY[kind]().eval()
    state = {**given.state_dict(), "fc.weight": torch.zeros(7, 3), "classifier.6.bias": torch.zeros(7)}
    path = tmp_path / f"backbone{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    image = pictures(1, 96, 96)
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
    assert "not a plain state dict" in rejected({"state_dict": state, "options": argparse.Namespace(a=1)})
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
    model(pictures(4, 96, 96)).sum().backward()
    same = all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert same is frozen
    assert module.training is not frozen
    assert any(p.grad is not None for p in module.parameters()) is not frozen
    assert all(p.grad is not None for p in model.head.parameters())


def test_backbones_are_found_by_name() -> None:
    found = {name: list(find_backbones(built(name, "score").network)) for name in NAMES}
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


# What each method does beside its backbone


def test_arniqa_features_have_length_one_at_either_scale() -> None:
    network = warmed(arniqa.network(tiny=True))
    vector = network(pictures(2, 96, 64)).vector
    torch.testing.assert_close(vector.view(2, 2, -1).norm(dim=2), torch.ones(2, 2))


def test_the_second_scale_is_the_picture_at_half_its_size() -> None:
    expert = two_scales.build(tiny=True).eval()
    ramp = torch.linspace(0, 1, 256).expand(1, 3, 128, 256)  # halves alike by any filter that is symmetric
    features = expert(ramp)
    full, half = features.vector.chunk(2, 1)
    expected = expert.backbone(F.avg_pool2d(ramp, 2))[-1]
    torch.testing.assert_close(half, expected.mean((2, 3)), rtol=1e-2, atol=1e-3 * half.max().item())
    assert (full - half).norm() > 0.1 * half.norm()
    channels = expected.shape[1]
    torch.testing.assert_close(features.maps[-1][:, :channels], expert.backbone(ramp)[-1])
    enlarged = features.maps[-1][:, channels:]
    assert enlarged.shape == (1, channels, 4, 8)
    torch.testing.assert_close(enlarged.mean((2, 3)), half)  # which bilinear doubling keeps


def test_reiqa_standardises_for_the_content_expert_only() -> None:
    network = reiqa.network(tiny=True).eval()
    network.quality.load_state_dict(network.content.state_dict())
    image = pictures(1, 64, 64)
    standardised = (image - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    content, quality = network(image).vector.chunk(2, 1)
    assert not torch.allclose(content, quality)
    torch.testing.assert_close(content, network(standardised).vector.chunk(2, 1)[1])


@pytest.mark.parametrize("bottom", [False, True])
@pytest.mark.parametrize("right", [False, True])
def test_alamp_sends_its_first_patch_to_the_only_texture(bottom: bool, right: bool) -> None:
    h, w, side = 160, 200, 40
    image = torch.full((1, 3, h, w), 0.5)
    top, left = (h - side if bottom else 0), (w - side if right else 0)
    image[:, :, top : top + side, left : left + side] = pictures(1, side, side)
    corners = alamp.choose_patches(image, side)[0]
    assert corners[0].tolist() == [top, left]


def test_alamp_spreads_its_patches() -> None:
    for image in (torch.full((1, 3, 160, 200), 0.5), pictures(1, 160, 200)):
        corners = alamp.choose_patches(image, 40)[0].float()
        assert corners.min() >= 0
        assert (corners <= torch.tensor([120.0, 160.0])).all()
        assert F.pdist(corners).min() >= 40  # none covers another


def test_alamp_chooses_where_two_textures_compete_the_stronger_then_the_other() -> None:
    image = torch.full((1, 3, 160, 200), 0.5)
    image[:, :, :40, :40] += 0.1 * pictures(1, 40, 40)
    image[:, :, 60:100, 80:120] += 0.05 * pictures(1, 40, 40)
    corners = alamp.choose_patches(image, 40)[0].tolist()
    assert corners[0] == [0, 0]
    assert [60, 80] in corners


def test_alamp_cuts_the_patches_it_chose() -> None:
    image = pictures(2, 90, 120)
    corners = alamp.choose_patches(image, 32)
    patches = alamp.cut(image, corners, 32)
    for b in range(2):
        for patch, (row, column) in zip(patches[b], corners[b].tolist(), strict=True):
            assert torch.equal(patch, image[b, :, row : row + 32, column : column + 32])


def test_alamp_layout_measures_centres_and_light() -> None:
    image = torch.zeros(1, 3, 100, 200)
    image[..., 100:] = 1
    corners = torch.tensor([[[0, 0], [0, 160], [60, 0], [60, 160], [30, 80]]])
    values = alamp.layout(image, corners, 40)[0]
    assert values.shape == (alamp.LAYOUT,)
    centres, distances, directions, light = values.split([10, 10, 20, 9])
    torch.testing.assert_close(centres.view(5, 2)[:, 0], torch.tensor([0.2, 0.2, 0.8, 0.8, 0.5]))
    torch.testing.assert_close(distances, F.pdist(centres.view(5, 2)))
    torch.testing.assert_close(directions.view(10, 2).norm(dim=1), torch.ones(10))
    assert directions.view(10, 2)[0].tolist() == pytest.approx([0, 1])  # from the first to the second: to the right
    torch.testing.assert_close(light.view(3, 3)[:, 0], torch.zeros(3))
    torch.testing.assert_close(light.view(3, 3)[:, 2], torch.ones(3))


def test_alamp_forgets_the_order_of_its_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    network = alamp.network(tiny=True).eval()
    image = pictures(1, 96, 96)
    before = network(image).vector
    monkeypatch.setattr(alamp, "choose_patches", lambda i, s, choose=alamp.choose_patches: choose(i, s).flip(1))
    after = network(image).vector
    details = network.vector - alamp.LAYOUT
    torch.testing.assert_close(before[:, :details], after[:, :details])


def test_mlsp_wide_keeps_places_that_narrow_averages_away() -> None:
    backbone = mlsp.network(tiny=True).backbone
    narrow, wide = mlsp.MLSP(backbone).eval(), mlsp.MLSP(backbone, grid=5).eval()
    image = pictures(1, 299, 299)  # its first maps have 35 pixels a side, so that bins of five do not overlap
    grid = wide(image).vector.view(1, -1, 5, 5)
    first = sum(backbone.inner_channels[:2])
    torch.testing.assert_close(grid.mean((2, 3))[:, :first], narrow(image).vector[:, :first])
    assert grid.std((2, 3)).mean() > 1e-3
    head = mlsp.head(wide, "score")
    head(Features((), torch.cat([wide(image).vector, wide(image.flip(2)).vector]))).sum().backward()
    assert all(p.grad is not None for p in head.parameters())


def test_mlsp_never_trains_what_no_feature_depends_on() -> None:
    network = mlsp.network(tiny=True)
    still = {k.rsplit(".", 1)[0] for k, p in network.named_parameters() if not p.requires_grad}
    assert still == {"backbone.block8.conv2d", "backbone.conv2d_7b.conv", "backbone.conv2d_7b.bn"}


def test_tanet_similarity_is_the_cosine_of_colours() -> None:
    colours = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0))
    found = tanet.self_similarity(colours)
    expected = F.cosine_similarity(colours[:, :, :, None], colours[:, :, None, :], dim=1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(tanet.self_similarity(3 * colours), found)
    assert tanet.self_similarity(torch.zeros(1, 3, 4)).eq(0).all()


def test_tanet_generates_a_layer_for_every_picture() -> None:
    network = warmed(tanet.network(tiny=True))
    image = pictures(3, 224, 224)
    with torch.no_grad():
        themes = network.theme.logits(image)
        target = network.target(themes)
        layers = zip(target, network.generated_weight(themes), network.generated_bias(themes), strict=True)
        one_by_one = torch.stack([F.linear(q, w[None], b) for q, w, b in layers])
        network.target_norm.running_mean.fill_(one_by_one.mean())
        expected = network.target_norm(one_by_one).relu().expand(-1, 10)
        torch.testing.assert_close(network(image).vector[:, 10:20], expected)
    assert expected.max() > 0
