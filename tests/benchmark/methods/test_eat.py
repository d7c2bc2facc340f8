"""EAT: deformable attention, and layers left out at random."""

from itertools import product

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402

from luxel.benchmark.methods.eat import HELD_BACK, REACH, AttentionLayer, DeformableAttention  # noqa: E402
from stand_ins.method_builds import numbers, spread  # noqa: E402


def bilinear(table: Tensor, row: float, column: float) -> Tensor:
    """A map [C, H, W] read at a row and a column in [-1, 1] between the middles of the outer pixels; zero outside."""
    h, w = table.shape[-2:]
    r, c = (row + 1) / 2 * (h - 1), (column + 1) / 2 * (w - 1)
    value = torch.zeros(len(table), dtype=table.dtype)
    for i, j in product(range(h), range(w)):
        value += table[:, i, j] * max(0.0, 1 - abs(r - i)) * max(0.0, 1 - abs(c - j))
    return value


def plain_deformable_attention(layer: DeformableAttention, x: Tensor) -> Tensor:
    """One picture [C, side, side], head by head and pixel by pixel."""
    c, side = len(x), layer.side
    pixels = list(product(range(side), repeat=2))
    query = layer.query(x[None])[0]
    reference = layer.reference(x[None])[0].tanh()
    heads_each, head_width, group_width = layer.heads // layer.groups, c // layer.heads, c // layer.groups
    out = torch.zeros_like(x)
    sampled = torch.zeros_like(x)
    places = []
    for group in range(layer.groups):
        own = slice(group * group_width, (group + 1) * group_width)
        offset = layer.offset(query[None, own])[0].tanh() * 2 / side
        for i, j in pixels:
            (row, column), (down, across) = reference[:, i, j].tolist(), offset[:, i, j].tolist()
            factor = 1.0 if row * down > 0 and column * across > 0 else 0.25
            places.append((row + factor * down, column + factor * across))
            sampled[own, i, j] = bilinear(x[own], *places[-1])
    key, value = layer.key(sampled[None])[0], layer.value(sampled[None])[0]
    for head in range(layer.heads):
        own, first = slice(head * head_width, (head + 1) * head_width), head // heads_each * side**2
        for i, j in pixels:
            weights = (query[own, i, j][:, None] * key[own].flatten(1)).sum(0) / head_width**0.5
            for k in range(side**2):
                row, column = places[first + k]
                down, across = ((2 * i + 1) / side - 1 - row) / 2, ((2 * j + 1) / side - 1 - column) / 2
                weights[k] += bilinear(layer.bias[head : head + 1], down, across)[0]
            out[own, i, j] = (weights.softmax(0) * value[own].flatten(1)).sum(1)
    return layer.project(out[None])[0]


def test_deformable_attention_pixel_by_pixel() -> None:
    layer = spread(DeformableAttention(8, heads=4, groups=2, side=3, kernel=3))
    batch = numbers(2, 8, 3, 3)
    with torch.no_grad():
        expected = torch.stack([plain_deformable_attention(layer, x) for x in batch])
        torch.testing.assert_close(layer(batch), expected)


def test_an_offset_is_held_back_unless_it_leads_outwards_with_its_reference() -> None:
    layer = spread(DeformableAttention(4, heads=2, groups=1, side=5, kernel=3))
    x = numbers(1, 4, 5, 5)
    layer.reference.weight.data.zero_()
    layer.reference.bias.data = torch.tensor([0.4, -0.6], dtype=torch.float64)
    found: list[bool] = []
    with torch.no_grad():
        query = layer.query(x)
        offset = (layer.offset(query).tanh() * REACH / 5)[0].flatten(1).T
        moved = layer.points(x, query)[0] - layer.reference.bias.tanh()
    for step, free in zip(moved, offset, strict=True):
        outwards = bool(free[0] > 0 and free[1] < 0)
        found.append(outwards)
        torch.testing.assert_close(step, free * (1 if outwards else HELD_BACK))
    assert set(found) == {True, False}


def test_a_layer_left_out_of_some_pictures_is_right_on_the_whole() -> None:
    torch.manual_seed(0)
    layer = AttentionLayer(4, nn.Identity(), drop=0.5)
    for p in layer.feed.parameters():
        p.data.zero_()  # only the attention's place is left: the normed input
    x = numbers(1, 4, 3, 3).float().expand(4000, -1, -1, -1)
    with torch.no_grad():
        changes = layer.train()(x) - x
        expected = layer.eval()(x[:1])[0] - x[0]
    left_out = (changes.abs().amax((1, 2, 3)) == 0).float().mean()
    assert left_out == pytest.approx(0.5, abs=0.04)
    torch.testing.assert_close(changes.mean(0), expected, atol=0.1, rtol=0)
    assert expected.abs().max() > 1
