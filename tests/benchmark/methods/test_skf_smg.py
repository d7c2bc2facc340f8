"""SKF and SMG: what their parts do."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from luxel.benchmark.blocks import layers  # noqa: E402
from luxel.benchmark.blocks.backbones import find_backbones, load_backbone  # noqa: E402
from luxel.benchmark.methods import skf, smg  # noqa: E402
from stand_ins.method_builds import built, images, scenes  # noqa: E402


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
    half[..., 8:] += 0.1 * images(1, 16, 8)
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
    model = built("skf", "pixel", seed=1).eval()
    image = scenes(1, 64, 64)
    with torch.no_grad():
        before = model(image)
        backbone = find_backbones(model.network)["semantic.backbone"]
        for p in backbone.parameters():
            p += 0.3 * torch.randn_like(p)
        assert (model(image) - before).abs().max() > 1e-4


def test_the_semantic_backbone_freezes_with_its_weights(tmp_path: Path) -> None:
    model = built("skf", "pixel", seed=1).train()
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
        x = images(1, 16, 16)[:, :1]
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
