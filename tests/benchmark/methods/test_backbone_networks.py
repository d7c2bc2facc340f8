"""Backbones: published counts and key names, and other implementations."""

import re
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from luxel.benchmark import registry  # noqa: E402
from luxel.benchmark.blocks.inception import InceptionResNetV2, Residual  # noqa: E402
from luxel.benchmark.blocks.mobilenet import MobileNetV2  # noqa: E402
from luxel.benchmark.blocks.resnet import BasicBlock, Bottleneck, ResNet, resnet18, resnet50  # noqa: E402
from luxel.benchmark.blocks.vgg import VGG  # noqa: E402
from luxel.benchmark.methods import arniqa, mlsp, reiqa  # noqa: E402
from stand_ins.method_builds import BACKBONE_METHODS, count, images  # noqa: E402

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
        parts = {name: registry.build(name, "score") for name in BACKBONE_METHODS}
        projector = nn.Sequential(nn.Linear(2048, 2048), nn.ReLU(), nn.Linear(2048, 128))
    official = {name: registry.facts(name).official_params for name in BACKBONE_METHODS}
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
        image = images(2, 96, 64)
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
    image = 1e3 * images(1, 96, 64)  # far beyond where ReLU6 ends
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
    image = images(2, 70, 96)
    assert torch.equal(backbone(image), F.max_pool2d(image, 32))


def test_inception_pools_at_the_border_without_the_padding() -> None:
    pool = InceptionResNetV2(divide=16, repeats=(1, 1, 2)).mixed_5b.branch3[0]
    assert pool(torch.ones(1, 12, 5, 7)).eq(1).all()
