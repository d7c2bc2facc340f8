"""Enhancement networks as baselines: laws of every build, published counts, and what their parts do."""

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from luxel.benchmark import registry  # noqa: E402
from luxel.benchmark.blocks import layers  # noqa: E402
from luxel.benchmark.blocks.backbones import find_backbones, load_backbone  # noqa: E402
from luxel.benchmark.blocks.channel_attention import channel_attention  # noqa: E402
from luxel.benchmark.methods import fecnet, mslt, retinexformer, skf, smg  # noqa: E402

NAMES = ("fecnet", "mslt", "retinexformer", "smg", "skf", "cliplit")
CASES = [(name, task) for name in NAMES for task in ("pixel", "score")]


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


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# Laws of every build


@pytest.mark.parametrize("name", NAMES)
def test_maps_have_both_signs_and_reach_far(name: str) -> None:
    model = built(name, "pixel").eval()
    last = model.head.convolution
    with torch.no_grad():
        for sign in (1, -1):
            nn.init.constant_(last.bias, 3.0 * sign)
            nn.init.zeros_(last.weight)
            assert (sign * model(pictures(1, 33, 40)) > 0.99).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_network_keeps_what_its_widths_promise(name: str) -> None:
    network = built(name, "score").network.eval()
    with torch.no_grad():
        features = network(pictures(2, 128, 64))
    promised = [(2, w.channels, 128 // w.stride, 64 // w.stride) for w in network.widths]
    assert [tuple(m.shape) for m in features.maps] == promised
    assert (0 if features.vector is None else features.vector.shape[1]) == network.vector


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_gradient_reaches_every_parameter(name: str, task: str) -> None:
    model = built(name, task).train()
    for seed in range(3):  # dropout and ReLUs hide some
        out = model(scenes(2, 61, 64, seed))
        weights = torch.tensor([1.0, -2.0]).view(-1, *[1] * (out.ndim - 1))
        (weights * out).sum().backward()
    assert all(p.requires_grad for p in model.parameters())
    assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_prediction_does_not_depend_on_its_batch(name: str, task: str) -> None:
    model = built(name, task)
    with torch.no_grad():
        for p in model.head.parameters():  # predictions start close together
            p *= 30 if p.ndim == 2 else 3 if p.ndim == 4 else 1
    for dropout in (m for m in model.modules() if isinstance(m, nn.Dropout)):
        dropout.p = 0.0
    # only SKF's semantic encoder has batch norms, as the published one has; eval mode fixes their statistics
    for training in (False,) if name == "skf" else (False, True):
        model.train(training)
        batch = scenes(3, 65, 70)
        with torch.no_grad():
            together = model(batch)
            alone = torch.cat([model(image[None]) for image in batch])
        assert (together - alone).abs().max() < 0.01 * (together[0] - together[1]).abs().max()


@pytest.mark.parametrize("name", NAMES)
def test_mixed_precision_changes_little(name: str) -> None:
    model = built(name, "pixel").eval()
    image = scenes(1, 64, 64)
    with torch.no_grad():
        exact = model(image)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = model(image).float()
    assert (mixed - exact).abs().mean() < 0.02


# Counts of the published networks


def test_counts_are_the_published_ones_or_differ_as_noted() -> None:
    with torch.device("meta"):
        parts = {name: registry.build(name, "pixel").network for name in NAMES}
        last = {
            "fecnet": nn.Conv2d(16, 3, 1),
            "mslt": nn.Identity(),
            "retinexformer": nn.Conv2d(40, 3, 3, bias=False),
            "cliplit": nn.Conv2d(32, 1, 3),
        }
        host = skf.SKF(nn.Identity(), (48, 96, 192))
        host_last = nn.Conv2d(64, 3, 3)
        never_used = {
            "fecnet": nn.Conv2d(3, 3, 1),
            "mslt": nn.ModuleList([nn.Linear(40, 40), nn.Linear(40, 40), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)]),
            "skf": nn.ModuleList(
                nn.ModuleList([nn.Conv2d(64, 170, 1, bias=False), nn.Conv2d(340, 340, 3, groups=340, bias=False)])
                for _ in range(3)
            ),
        }
    official = {name: registry.facts(name).official_params for name in NAMES}
    for name, layer in last.items():
        assert count(parts[name]) + count(layer) == official[name]
    assert official["fecnet"] + count(never_used["fecnet"]) == 151_977
    assert official["mslt"] + count(never_used["mslt"]) + 1 == 11_402  # and the slope of a PReLU
    assert official["retinexformer"] == 1_605_701
    assert official["cliplit"] == 278_790
    assert count(host) + count(host_last) == official["skf"]
    assert official["skf"] + count(never_used["skf"]) == 39_449_509
    assert official["smg"] is None


def test_counts_of_smg_parts() -> None:
    with torch.device("meta"):
        network = smg.network()
        guided_last = nn.Conv2d(16, 3, 1)
    assert count(network.appearance) + count(network.draw) == 1_144_643  # 1.145 M in the published code
    assert count(network.guided) + count(guided_last) == 459_011  # 0.459 M
    assert 5e6 < count(network.structure) < 8e6


@pytest.mark.parametrize("name", ["retinexformer", "smg", "skf"])
def test_the_full_network_draws_a_map_of_the_right_shape(name: str) -> None:
    with torch.device("meta"):
        assert registry.build(name, "pixel")(torch.empty(2, 3, 96, 70)).shape == (2, 1, 96, 70)


# Channel attention


def test_channel_attention_written_out_for_one_channel_at_a_time() -> None:
    query, key, value = torch.randn(3, 2, 6, 5, 4)
    temperature = torch.tensor([0.5, 2.0]).view(2, 1, 1)
    found = channel_attention(query, key, value, temperature)
    for b in range(2):
        for c in range(6):
            head = slice(0, 3) if c < 3 else slice(3, 6)
            likeness = torch.stack([F.cosine_similarity(query[b, c].flatten(), k.flatten(), 0) for k in key[b, head]])
            weights = (likeness * temperature[c // 3].squeeze()).softmax(0)
            expected = (weights.view(3, 1, 1) * value[b, head]).sum(0)
            torch.testing.assert_close(found[b, c], expected, atol=1e-5, rtol=1e-5)


def test_channel_attention_does_not_know_where_a_pixel_is() -> None:
    maps = torch.randn(3, 1, 4, 6, 6)
    order = torch.randperm(36)
    shuffled = maps.flatten(-2)[..., order].view_as(maps)
    temperature = torch.ones(2, 1, 1)
    expected = channel_attention(*maps, temperature).flatten(-2)[..., order]
    torch.testing.assert_close(channel_attention(*shuffled, temperature).flatten(-2), expected)


def test_channel_norm_is_the_same_for_every_pixel() -> None:
    norm = layers.ChannelNorm(6)
    x = torch.randn(2, 6, 4, 5)
    torch.testing.assert_close(norm(x)[1, :, 2, 3], F.layer_norm(x[1, :, 2, 3], (6,)))


# FECNet


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (10, 5)])
def test_a_spectrum_comes_back_as_the_picture(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    amplitude, phase = fecnet.polar(fecnet.spectrum(x))
    assert (amplitude > 0).all()
    found = fecnet.picture(fecnet.from_polar(amplitude, phase), size)
    torch.testing.assert_close(found, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (10, 5), (4, 1)])
def test_self_conjugate_coefficients_are_real(size: tuple[int, int]) -> None:
    x = -torch.rand(2, 3, *size)  # a negative mean has its phase on the cut between pi and -pi
    found = fecnet.spectrum(x)
    rows, columns = [[i for i in (0, n / 2) if i == int(i) and i < n] for n in size]
    for row in rows:
        for column in columns:
            assert not found[..., int(row), int(column)].imag.any()
    assert torch.allclose(fecnet.polar(found)[1][..., 0, 0], torch.tensor(math.pi))
    assert torch.allclose(found, torch.fft.rfft2(x), atol=1e-5)


def test_light_lies_in_the_amplitude_and_structure_in_the_phase() -> None:
    x = pictures(1, 9, 13)
    torch.testing.assert_close(fecnet.exchange_amplitude(x, 0.25 * x), 0.25 * x, atol=1e-4, rtol=1e-3)
    moved = x.roll((2, 5), (2, 3))  # a cyclic move changes phases alone
    torch.testing.assert_close(fecnet.exchange_amplitude(x, moved), x, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("mode", ["amplitude", "phase"])
def test_a_frequency_unit_changes_one_of_the_two(mode: fecnet.Mode) -> None:
    frequency = fecnet.spectrum(torch.randn(1, 4, 12, 12))
    changed = fecnet.FrequencyUnit(4, mode)(frequency)
    if mode == "phase":
        torch.testing.assert_close(changed.abs(), frequency.abs(), atol=1e-3, rtol=1e-3)
        assert not torch.allclose(changed.angle(), frequency.angle(), atol=0.1)
    else:  # in or against the direction it had
        assert torch.allclose((changed * frequency.conj()).imag / frequency.abs(), torch.zeros(()), atol=1e-3)
        assert not torch.allclose(changed.abs(), frequency.abs(), atol=0.1)


def test_the_phase_net_learns_from_the_change_of_light_but_sends_nothing_back_through_it() -> None:
    net = fecnet.PhaseNet(4)
    with torch.no_grad():  # only the modulations are left to carry a gradient to `lit`
        net.enter.weight.zero_()
    lit = pictures(1, 8, 8, 1).requires_grad_()
    net(pictures(1, 8, 8), lit).sum().backward()
    assert not lit.grad.any()
    assert net.lift.weight.grad.any()


# MSLT


def test_the_pyramid_rebuilds_the_picture() -> None:
    class Same(nn.Module):
        def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
            return image, image

    class Ones(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones_like(x[:, :3])

    network = mslt.MSLT(8)
    network.low, network.mask, network.finer_mask = Same(), Ones(), Ones()
    image = pictures(2, 67, 45)
    torch.testing.assert_close(network(image).maps[0], image)


def test_slicing_a_grid_written_out() -> None:
    grid = torch.randn(1, 2, 3, 4, 5)
    guide = torch.rand(1, 1, 6, 7) * 2 - 1
    found = mslt.sliced(grid, guide)
    for y in range(6):
        for x in range(7):
            place = ((guide[0, 0, y, x].item() + 1) / 2 * 2, y / 5 * 3, x / 6 * 4)
            expected = torch.zeros(2)
            for d in range(3):
                for r in range(4):
                    for c in range(5):
                        weight = 1.0
                        for at, cell in zip(place, (d, r, c), strict=True):
                            weight *= max(0.0, 1 - abs(at - cell))
                        expected += weight * grid[0, :, d, r, c]
            torch.testing.assert_close(found[0, :, y, x], expected, atol=1e-5, rtol=1e-4)


def test_a_grid_of_one_transform_is_that_transform() -> None:
    low = mslt.BilateralTransform(8)
    matrix, offset = torch.randn(3, 3), torch.randn(3)
    with torch.no_grad():
        low.grid.weight.zero_()
        coefficients = torch.cat([matrix, offset[:, None]], 1).flatten()
        # the eight channels of 48 x 48 hold the grid of 12 x 6 x 16 x 16 number by number, so not by channel
        low.grid = nn.Identity()
        low.grid_features = Constant(coefficients.repeat_interleave(6 * 16 * 16).view(1, 8, 48, 48))
        low.tune = nn.Identity()
        image = pictures(1, 9, 10)
        found, _ = low(image)
    colours = low.colours(image)
    expected = torch.einsum("ij,bjhw->bihw", matrix, colours) + offset.view(1, 3, 1, 1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


class Constant(nn.Module):
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return self.value


# Retinexformer


def test_without_light_only_places_are_left() -> None:
    attention = retinexformer.GuidedAttention(8, 2)
    x = torch.randn(1, 8, 6, 7)
    with torch.no_grad():
        found = attention(x, torch.zeros_like(x))
        assert torch.allclose(found, attention.position(attention.value(x)) + attention.project.bias.view(1, -1, 1, 1))
        assert not torch.allclose(attention(x, torch.ones_like(x)), found)


# SKF


def test_signal_to_noise_written_out() -> None:
    image = scenes(2, 9, 8)
    light = (0.299 * image[:, 0] + 0.587 * image[:, 1] + 0.114 * image[:, 2]).numpy()
    found = skf.signal_to_noise(image)
    for b in range(2):
        ratio = torch.empty(9, 8)
        for y in range(9):
            for x in range(8):
                ys = [abs(y + i) if y + i < 9 else 16 - y - i for i in range(-2, 3)]  # mirrored at the border
                xs = [abs(x + i) if x + i < 8 else 14 - x - i for i in range(-2, 3)]
                smooth = sum(light[b, i, j] for i in ys for j in xs) / 25
                ratio[y, x] = float(smooth / (abs(light[b, y, x] - smooth) + 1e-4))
        torch.testing.assert_close(found[b, 0], ratio / (ratio.max() + 1e-4), atol=1e-3, rtol=1e-3)


def test_signal_to_noise_of_simple_pictures() -> None:
    assert (skf.signal_to_noise(torch.zeros(1, 3, 8, 8)) == 0).all()
    assert (skf.signal_to_noise(torch.full((1, 3, 8, 8), 0.3)) > 0.999).all()
    half = torch.full((1, 3, 16, 16), 0.3)
    half[..., 8:] += 0.1 * pictures(1, 16, 8)
    ratio = skf.signal_to_noise(half)
    assert ratio[..., :6].mean() > 10 * ratio[..., 10:].mean()


def test_nobody_attends_to_a_token_that_is_not_trusted() -> None:
    layer = skf.TokenLayer(16, heads=2, head_width=4, hidden=8)
    tokens = torch.randn(1, 5, 16)
    trusted = torch.tensor([[True, False, True, True, False]])
    changed = tokens.clone()
    changed[:, 1] = torch.randn(16)
    with torch.no_grad():
        before, after = layer(tokens, trusted), layer(changed, trusted)
        assert torch.equal(before[:, [0, 2, 3, 4]], after[:, [0, 2, 3, 4]])
        assert not torch.allclose(before[:, 1], after[:, 1])
        assert not torch.allclose(layer(tokens, ~trusted)[:, 0], layer(changed, ~trusted)[:, 0])


def test_a_token_is_a_patch_of_the_picture() -> None:
    network = skf.network(tiny=True)
    network.long_range = nn.ModuleList()
    x = torch.randn(1, 8, 16, 24)
    assert torch.equal(network._long_range(x, torch.ones(1, 1, 16, 24)), x)


def test_what_is_seen_changes_the_map() -> None:
    model = built("skf", "pixel").eval()
    image = scenes(1, 64, 64)
    with torch.no_grad():
        before = model(image)
        backbone = find_backbones(model.network)["semantic.backbone"]
        for p in backbone.parameters():
            p += 0.3 * torch.randn_like(p)
        assert (model(image) - before).abs().max() > 1e-4


def test_the_semantic_backbone_freezes_with_its_weights(tmp_path: Path) -> None:
    model = built("skf", "pixel").train()
    found = find_backbones(model.network)
    assert list(found) == ["semantic.backbone"]
    backbone = found["semantic.backbone"]
    torch.save(backbone.state_dict(), tmp_path / "w.pth")
    load_backbone(backbone, tmp_path / "w.pth")
    model.train()
    model(scenes(2, 64, 64)).sum().backward()
    assert not backbone.training
    assert all(p.grad is None for p in backbone.parameters())
    assert all(p.grad is not None for p in model.network.fusions.parameters())


# SMG


def test_a_kernel_for_every_pixel() -> None:
    x = torch.randn(2, 3, 6, 5)
    here = torch.zeros(3, 9)
    here[:, 4] = 1
    same = here.view(1, 27, 1, 1).expand(2, -1, 6, 5)
    assert torch.equal(smg.filtered_by_pixel(x, same), x)
    shared = torch.randn(3, 9)
    found = smg.filtered_by_pixel(x, shared.view(1, 27, 1, 1).expand(2, -1, 6, 5))
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    torch.testing.assert_close(found, F.conv2d(padded, shared.view(3, 1, 3, 3), groups=3), atol=1e-5, rtol=1e-5)
    only = torch.zeros(2, 27, 6, 5)
    only[1, 9 + 4, 2, 3] = 2
    found = smg.filtered_by_pixel(x, only)
    assert found[1, 1, 2, 3] == 2 * x[1, 1, 2, 3]
    assert found.count_nonzero() == 1


def test_modulation_is_instance_norm_where_the_map_says_nothing() -> None:
    modulation = smg.SpatialModulation(4, hidden=8)
    for layer in (modulation.scale, modulation.shift):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    x = torch.randn(2, 4, 7, 6)
    torch.testing.assert_close(modulation(x, torch.rand(2, 1, 7, 6)), F.instance_norm(x), atol=1e-5, rtol=1e-5)


def test_shrinking_blurs_without_a_shift() -> None:
    shrink = smg.Shrink(1, 1)
    with torch.no_grad():
        shrink.convolution.weight.fill_(1 / 9)
        shrink.convolution.bias.zero_()
        assert torch.allclose(shrink(torch.full((1, 1, 8, 8), 0.7)), torch.tensor(0.7))
        x = pictures(1, 16, 16)[:, :1]
        torch.testing.assert_close(shrink(x.flip(-1)), shrink(x).flip(-1))  # no place is favoured
        finest = torch.ones(1, 1, 16, 16)
        finest[..., 1::2] = -1
        assert shrink(finest)[..., 2:-2].abs().max() < 1e-6


def test_edges_guide_the_enhancer() -> None:
    network = smg.network(tiny=True).eval()
    image = scenes(1, 64, 64)
    with torch.no_grad():
        edges = network.structure(layers.lightness(image))
        assert edges.shape == (1, 1, 64, 64)
        assert ((edges > 0) & (edges < 1)).all()
        both = torch.cat([image, image], 1)
        other = edges.clone()
        other[..., 20:30, 20:30] += 0.5
        change = (network.guided(both, edges)[0] - network.guided(both, other)[0]).abs()
    assert change[..., 20:30, 20:30].max() > 1e-5


def test_the_structure_block_has_a_branch_for_each_neighbour() -> None:
    block = smg.StructureBlock(4, 4, heads=1, window=8)
    assert len(block.branches) == 9
    with torch.no_grad():
        whole = block(torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)))
        for branch in block.branches[1:]:
            branch.merge[0].weight.zero_()
            branch.merge[0].bias.zero_()
        alone = block(torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert not torch.allclose(whole, alone)
