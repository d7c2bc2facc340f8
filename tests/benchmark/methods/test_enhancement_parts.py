"""Channel attention, MSLT's pyramid and grid, Retinexformer's guided attention."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from luxel.benchmark.blocks import layers  # noqa: E402
from luxel.benchmark.blocks.channel_attention import channel_attention  # noqa: E402
from luxel.benchmark.methods import mslt, retinexformer  # noqa: E402
from stand_ins.method_builds import images  # noqa: E402


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
    image = images(2, 67, 45)
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
        low.guide = Constant(torch.rand(1, 1, 9, 10))  # beyond its layers a grid fades
        low.tune = nn.Identity()
        image = images(1, 9, 10)
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
