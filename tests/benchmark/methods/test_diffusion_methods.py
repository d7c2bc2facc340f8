"""PyDiff and GSAD: laws of their builds, published counts, the U-Net they share, PyDiff's condition."""

import math

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import nn  # noqa: E402

from luxel.benchmark import registry  # noqa: E402
from luxel.benchmark.blocks import sr3  # noqa: E402
from luxel.benchmark.methods import gsad, pydiff  # noqa: E402
from stand_ins.method_builds import built, count, dead, images  # noqa: E402

NAMES = ("pydiff", "gsad")
CASES = [(name, task) for name in NAMES for task in registry.facts(name).tasks]


# Laws of every build


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_gradient_reaches_every_parameter(name: str, task: str) -> None:
    model = built(name, task).train()
    out = model(images(2, 48, 64))
    (torch.tensor([1.0, -2.0]).view(-1, *[1] * (out.ndim - 1)) * out).sum().backward()
    assert dead(model) == []


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_prediction_does_not_depend_on_its_batch(name: str, task: str) -> None:
    model = built(name, task).eval()
    batch = images(3, 41, 48)
    batch[1] *= 0.2
    with torch.no_grad():
        together = model(batch)
        alone = torch.cat([model(image[None]) for image in batch])
    assert (together - alone).abs().max() < 0.01 * (together[0] - together[1]).abs().max()


# Published counts


def test_published_counts() -> None:
    with torch.device("meta"):
        denoiser, corrector = pydiff.published()
        uncertain = gsad.published()
    assert (count(denoiser), count(corrector)) == (97_811_523, 78_092)
    assert count(uncertain) == gsad.FACTS.official_params == 17_434_182
    assert count(uncertain.uncertain) == 75_587
    assert pydiff.FACTS.official_params == 97_811_523 + 78_092


@pytest.mark.parametrize(("name", "in_channels"), [("pydiff", 3), ("gsad", 3)])
def test_one_pass_changes_the_first_and_the_last_layer_only(name: str, in_channels: int) -> None:
    with torch.device("meta"):
        ours = registry.build(name, "pixel")
        theirs = pydiff.published()[0] if name == "pydiff" else gsad.published()
        theirs = nn.ModuleList([theirs.unet, theirs.leave])
    noisy_input, further_outputs = 9 * 64 * in_channels, 2 * (9 * 64 + 1)
    assert count(theirs) - count(ours) == noisy_input + further_outputs


# The U-Net


def test_noise_code_lies_on_circles_and_turns_with_the_level() -> None:
    code = sr3.NoiseCode(16)
    a, b = torch.rand(2, 5, generator=torch.Generator().manual_seed(0))
    sine_a, cosine_a = code(a).chunk(2, 1)
    sine_b, cosine_b = code(b).chunk(2, 1)
    torch.testing.assert_close(sine_a**2 + cosine_a**2, torch.ones(5, 8))
    turned = torch.cat([sine_a * cosine_b + cosine_a * sine_b, cosine_a * cosine_b - sine_a * sine_b], 1)
    torch.testing.assert_close(code(a + b), turned)


def test_noise_code_by_hand() -> None:
    angles = [0.7 * 1e-4 ** (i / 32) for i in range(32)]
    expected = torch.tensor([[f(x) for f in (math.sin, math.cos) for x in angles]])
    torch.testing.assert_close(sr3.NoiseCode(64)(torch.tensor([0.7])), expected)


def test_every_picture_has_its_own_noise_level() -> None:
    torch.manual_seed(0)
    for scaled in (False, True):
        unet = sr3.SR3UNet(3, width=8, multipliers=(1, 2), blocks=1, attention=(1,), scaled=scaled, groups=4).eval()
        image, levels = images(1, 16, 16).expand(2, -1, -1, -1), torch.tensor([0.2, 0.9])
        with torch.no_grad():
            last, middle = unet(image, levels)
            alone, _ = unet(image[1:], levels[1:])
        assert last.shape == (2, 8, 16, 16)
        assert middle.shape == (2, 16, 8, 8)
        assert (last[0] - last[1]).abs().max() > 1e-3
        torch.testing.assert_close(last[1:], alone)


def test_the_noise_level_scales_before_it_shifts() -> None:
    torch.manual_seed(0)
    block = sr3.Block(8, 8, noise=4, scaled=True, attends=False, dropout=0.0, groups=4)
    plain = sr3.Block(8, 8, noise=4, scaled=False, attends=False, dropout=0.0, groups=4)
    plain.load_state_dict({k: v[8:] if k.startswith("noise") else v for k, v in block.state_dict().items()})
    with torch.no_grad():
        block.noise.weight[:8], block.noise.bias[:8] = 0, 0.5
        plain.first[2].weight *= 1.5
        plain.first[2].bias *= 1.5
        x, noise = torch.randn(2, 8, 6, 6), torch.randn(2, 4)
        torch.testing.assert_close(block(x, noise), plain(x, noise))


def test_pixel_attention_like_torch() -> None:
    torch.manual_seed(0)
    ours = sr3.SpatialAttention(8, groups=4)
    theirs = nn.MultiheadAttention(8, 1, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.query_key_value.weight[..., 0, 0])
        theirs.out_proj.weight.copy_(ours.project.weight[..., 0, 0])
        theirs.out_proj.bias.copy_(ours.project.bias)
        x = torch.randn(2, 8, 5, 7)
        tokens = ours.norm(x).flatten(2).mT
        mixed, _ = theirs(tokens, tokens, tokens)
        torch.testing.assert_close(ours(x), x + mixed.mT.view(x.shape), atol=1e-5, rtol=1e-5)


# PyDiff's condition and its corrector


def test_equalising_undoes_any_curve_that_keeps_the_order() -> None:
    steps = torch.randint(0, 128, (2, 3, 20, 30), generator=torch.Generator().manual_seed(0))
    curve = torch.randperm(255, generator=torch.Generator().manual_seed(1))[:128].sort().values
    straight, curved = (pydiff.equalised(x / 127.5 - 1) for x in (steps, curve[steps]))
    torch.testing.assert_close(straight, curved)
    assert straight.min() == -1
    assert straight.max() == 1
    spread = (straight + 1).flatten().sort().values / 2
    assert (spread - torch.linspace(0, 1, len(spread))).abs().max() < 0.05  # all values are as frequent


def test_equalising_like_opencv() -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is in the extra luxel[dataset]")
    steps = (255 * images(2, 37, 53) ** 3).to(torch.uint8)
    steps[1, 2] = 77
    found = ((pydiff.equalised(steps / 127.5 - 1) + 1) * 127.5).round().to(torch.uint8)
    for b in range(2):
        for c in range(3):
            assert (found[b, c].numpy() == cv2.equalizeHist(steps[b, c].numpy())).all()


def test_the_condition_has_the_picture_first_and_places_last() -> None:
    image = 2 * images(2, 16, 24) - 1
    condition = pydiff.condition(image)
    assert condition.shape == (2, pydiff.CONDITION, 16, 24)
    assert torch.equal(condition[:, :3], image)
    assert torch.equal(condition[:, 3:6], pydiff.equalised(image))
    sine, cosine = condition[0, 6:8, :, 0]
    torch.testing.assert_close(torch.atan2(sine, cosine), torch.linspace(0, 1, 16))
    torch.testing.assert_close(
        condition[1, 8:, 3] / 2, torch.stack([f(torch.linspace(0, 1, 24)) for f in (torch.sin, torch.cos)])
    )


def test_the_corrector_treats_pixels_of_one_colour_alike() -> None:
    torch.manual_seed(0)
    corrector = pydiff.Corrector()
    image = 2 * images(1, 16, 16) - 1
    image[..., 9, 2] = image[..., 3, 12]
    found = corrector(image, torch.tensor([0.5]))
    torch.testing.assert_close(found[..., 9, 2], found[..., 3, 12])
    assert not torch.allclose(found, corrector(image, torch.tensor([0.9])))
    found.square().sum().backward()
    assert dead(corrector) == []
