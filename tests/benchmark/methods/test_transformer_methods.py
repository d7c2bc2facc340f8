"""Methods on transformers: laws of every build, published counts, attention against plain forms of it, levels."""

from itertools import product

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from luxel.benchmark import registry  # noqa: E402
from luxel.benchmark.blocks.features import Features  # noqa: E402
from luxel.benchmark.blocks.transformer import EncoderBlock, VisionTransformer  # noqa: E402
from luxel.benchmark.blocks.window_attention import WindowAttention  # noqa: E402
from luxel.benchmark.methods.deiqt import PanelScore  # noqa: E402
from luxel.benchmark.methods.eat import HELD_BACK, REACH, AttentionLayer, DeformableAttention  # noqa: E402
from luxel.benchmark.methods.musiq import CELLS, MUSIQ, StandardConv, hashed, resized  # noqa: E402
from luxel.benchmark.methods.qalign import LevelScore, level  # noqa: E402

NAMES = ("deiqt", "musiq", "eat", "qalign")
CASES = [(name, task) for name in NAMES for task in registry.facts(name).tasks]


def pictures(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def built(name: str, task: str) -> nn.Module:
    torch.manual_seed(0)
    return registry.build(name, task, tiny=True)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def spread(module: nn.Module) -> nn.Module:
    """In double precision, every parameter far from where it starts, so that none is without effect."""
    module.double()
    for seed, p in enumerate(module.parameters()):
        p.data = 0.5 * numbers(*p.shape, seed=seed)
    return module.eval()


# Laws of every build


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_gradient_reaches_every_parameter_that_trains(name: str, task: str) -> None:
    model = built(name, task).train()
    for seed in range(2):  # layers left out of some pictures
        out = model(pictures(4, 96, 128, seed))
        weights = torch.tensor([1.0, -2.0, 3.0, -1.0]).view(-1, *[1] * (out.ndim - 1))
        (weights * out).sum().backward()
    # no attention depends on the bias of its keys: a softmax forgets what all its inputs share
    trained = {key: p for key, p in model.named_parameters() if p.requires_grad and not key.endswith("key.bias")}
    assert [key for key, p in trained.items() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_prediction_does_not_depend_on_its_batch(name: str, task: str) -> None:
    model = built(name, task).eval()
    batch = pictures(3, 97, 110)
    batch[1] *= 0.2
    with torch.no_grad():
        together = model(batch)
        alone = torch.cat([model(image[None]) for image in batch])
    assert (together - alone).abs().max() < 0.01 * (together[0] - together[1]).abs().max()


# Counts of the published networks


def test_counts_of_the_published_networks() -> None:
    with torch.device("meta"):
        counts = {name: count(registry.build(name, "score")) for name in ("deiqt", "musiq", "eat")}
        vit = VisionTransformer()
    assert counts == {name: registry.facts(name).official_params for name in counts}
    assert counts["deiqt"] == 24_043_776
    assert round(counts["musiq"] / 1e6, 3) == 27.126
    assert round(counts["eat"] / 1e6, 3) == 86.878
    # ViT-S/16 of DeiT III: 22,059,496 with its 1000 classes
    assert count(vit) + 385 * 1000 == 22_059_496


# The shared transformer


@pytest.mark.parametrize("scale", [None, 0.3])
def test_an_encoder_block_treats_all_tokens_alike(scale: float | None) -> None:
    block = spread(EncoderBlock(8, heads=2, hidden=12, layer_scale=scale))
    tokens, order = numbers(2, 7, 8), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    torch.testing.assert_close(block(tokens[:, order]), block(tokens)[:, order])


def test_an_encoder_block_is_the_one_torch_has() -> None:
    block = spread(EncoderBlock(8, heads=2, hidden=12))
    other = nn.TransformerEncoderLayer(
        8, 2, 12, 0.0, "gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True, dtype=torch.float64
    )
    names = "self_attn.in_proj_weight self_attn.in_proj_bias self_attn.out_proj.weight self_attn.out_proj.bias"
    names += " linear1.weight linear1.bias linear2.weight linear2.bias norm1.weight norm1.bias norm2.weight norm2.bias"
    norm, attention = block.attention
    ours = [attention.query_key_value, attention.project, block.feed[1], block.feed[3], norm, block.feed[0]]
    values = [value for layer in ours for value in (layer.weight, layer.bias)]
    other.load_state_dict(dict(zip(names.split(), values, strict=True)))
    tokens = numbers(2, 7, 8)
    torch.testing.assert_close(block(tokens), other(tokens))


def test_layer_scale_of_zero_leaves_the_tokens_alone() -> None:
    tokens = numbers(2, 5, 8)
    assert torch.equal(EncoderBlock(8, heads=2, hidden=12, layer_scale=0.0).double()(tokens), tokens)


def test_a_token_of_a_vision_transformer_stays_where_its_patch_is() -> None:
    torch.manual_seed(0)
    vit = VisionTransformer(channels=8, layers=0, heads=2)
    image = pictures(1, 224, 224)
    other = image.clone()
    other[..., 32:48, 16:32] = 0
    with torch.no_grad():
        (token, grid), (same, changed) = vit(image), vit(other)
    assert ((grid - changed).abs().amax((0, 1)) > 1e-5).nonzero().tolist() == [[2, 1]]
    assert torch.equal(token, same)


# Attention within windows


def masked_full_attention(layer: WindowAttention, x: Tensor) -> Tensor:
    """Every pixel against every other, pixel by pixel, with those outside its window masked."""
    b, c, h, w = x.shape
    window, heads = layer.window, layer.heads
    shifts = [layer.shift if side > window else 0 for side in (h, w)]
    pixels = list(product(range(h), range(w)))
    tokens = x.flatten(2).mT
    query, key, value = (
        part.reshape(b, h * w, heads, c // heads).transpose(1, 2) for part in layer.query_key_value(tokens).split(c, 2)
    )
    weights = query @ key.mT / (c // heads) ** 0.5
    for i, one in enumerate(pixels):
        for j, other in enumerate(pixels):
            together = all((p - s) // window == (q - s) // window for p, q, s in zip(one, other, shifts, strict=True))
            if together:
                down, across = (p - q + window - 1 for p, q in zip(one, other, strict=True))
                weights[:, :, i, j] += layer.bias[:, down * (2 * window - 1) + across]
            else:
                weights[:, :, i, j] = -torch.inf
    mixed = (weights.softmax(3) @ value).transpose(1, 2).flatten(2)
    return layer.project(mixed).mT.unflatten(2, (h, w))


@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("size", [(6, 6), (6, 3), (7, 8), (2, 5)])
def test_window_attention_is_full_attention_with_a_mask(shift: int, size: tuple[int, int]) -> None:
    layer = spread(WindowAttention(4, heads=2, window=3, shift=shift))
    x = numbers(2, 4, *size)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), masked_full_attention(layer, x))


def test_attention_within_windows_moves_with_whole_windows() -> None:
    layer = spread(WindowAttention(4, heads=2, window=4))
    x = numbers(1, 4, 12, 16)
    torch.testing.assert_close(layer(x.roll((4, -8), (2, 3))), layer(x).roll((4, -8), (2, 3)))


# DEIQT's panel


class Promise:
    """The widths a head asks of a network."""

    vector = 8


def test_the_panel_does_not_ask_where_a_patch_is() -> None:
    score = spread(PanelScore(Promise(), heads=2))  # type: ignore[arg-type]
    grid, token = numbers(2, 8, 3, 4), numbers(2, 8, seed=1)
    mirrored = score(Features((grid.flip(3),), token))
    torch.testing.assert_close(score(Features((grid,), token)), mirrored)
    assert (score(Features((grid,), -token)) - mirrored).abs().min() > 1e-3
    assert (score(Features((-grid,), token)) - mirrored).abs().min() > 1e-3


def test_the_panel_is_a_mean_of_opinions_whose_order_does_not_matter() -> None:
    score = spread(PanelScore(Promise(), heads=2))  # type: ignore[arg-type]
    features = Features((numbers(2, 8, 3, 4),), numbers(2, 8, seed=1))
    before = score(features)
    assert len(score.panel) == 6
    members: list[Tensor] = []
    score.decoder.register_forward_hook(lambda *call: members.append(call[2]))
    score(features)
    opinions = members[0] @ score.opinion.weight[0]
    torch.testing.assert_close(before, 5 + opinions.mean(1))
    score.panel.data = score.panel.data.flip(0)
    torch.testing.assert_close(score(features), before)
    score.opinion.weight.data *= 2
    torch.testing.assert_close(score(features) - 5, 2 * (before - 5))


# MUSIQ


@pytest.mark.parametrize("many", [1, 3, 7, 8, 10, 12, 30])
def test_the_hash_spreads_patches_evenly_in_order(many: int) -> None:
    cells = hashed(many)
    assert cells[0] == 0
    assert (cells.diff() >= 0).all()
    assert cells.max() < CELLS
    used = cells.bincount(minlength=CELLS)
    assert used.max() - used.min() <= 1


@pytest.mark.parametrize(
    ("size", "expected"), [((100, 200), (112, 224)), ((448, 64), (224, 32)), ((50, 50), (224, 224))]
)
def test_a_copy_keeps_the_aspect(size: tuple[int, int], expected: tuple[int, int]) -> None:
    flat = torch.full((1, 3, *size), 0.3)
    copy = resized(flat, 224)
    assert copy.shape[-2:] == expected
    torch.testing.assert_close(copy, torch.full_like(copy, 0.3))


def test_without_its_transformer_a_token_sees_its_own_patch_only() -> None:
    torch.manual_seed(0)
    network = MUSIQ(channels=16, layers=0, heads=2, stem=32, sides=(64,)).eval()
    image = pictures(1, 96, 160)
    other = image.clone()
    other[..., 64:96, 32:64] = 0
    with torch.no_grad():
        changed = (network(image).maps[0] - network(other).maps[0]).abs().amax((0, 1)) > 1e-5
    assert changed.shape == (3, 5)
    assert changed.nonzero().tolist() == [[2, 1]]


def test_equal_patches_are_distinguished_by_their_place() -> None:
    torch.manual_seed(0)
    network = MUSIQ(channels=16, layers=0, heads=2, stem=32, sides=()).eval()
    with torch.no_grad():
        tokens = network(pictures(1, 32, 32).repeat(1, 1, 3, 5)).maps[0].flatten(2)[0].T
    assert torch.pdist(tokens).min() > 1e-3


def test_a_standardised_filter_forgets_its_scale_and_its_mean() -> None:
    convolution = StandardConv(3, 5, 7, 2).double()
    x = numbers(2, 3, 32, 32)
    before = convolution(x)
    assert before.shape == (2, 5, 16, 16)
    convolution.weight.data = 3 * convolution.weight.data + 0.7
    torch.testing.assert_close(convolution(x), before)


def test_the_whole_sequence_is_as_long_as_published() -> None:
    network = MUSIQ(channels=16, layers=1, heads=2, stem=32)
    seen: list[int] = []
    network.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[1]))
    with torch.no_grad():
        network(pictures(1, 256, 256))
    assert seen == [1 + 64 + 49 + 144]


# EAT


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


# Q-Align's levels


def features_of(score: LevelScore, logits: Tensor) -> Features:
    """Features of which the head makes the given logits."""
    score.double()
    score.linear.weight.data = torch.eye(5, 8, dtype=torch.float64)
    score.linear.bias.data.zero_()
    return Features((), F.pad(logits, (0, 3)))


def test_a_score_is_the_expectation_of_its_levels() -> None:
    score = LevelScore(Promise())  # type: ignore[arg-type]
    certain = features_of(score, 1e3 * torch.eye(5, dtype=torch.float64))
    assert score(certain).tolist() == [0.0, 2.5, 5.0, 7.5, 10.0]
    share = numbers(20, 5).exp()
    share /= share.sum(1, keepdim=True)
    expected = [sum(2.5 * i * p for i, p in enumerate(row)) for row in share.tolist()]
    assert score(features_of(score, share.log() + 3)).tolist() == pytest.approx(expected)
    mirrored = score(features_of(score, share.log().flip(1)))
    torch.testing.assert_close(mirrored, 10 - torch.tensor(expected, dtype=torch.float64))


def test_levels_are_five_equal_ranges() -> None:
    scores = torch.tensor([0.0, 0.01, 2.0, 2.01, 4.0, 5.0, 6.0, 6.01, 8.0, 8.01, 10.0])
    assert level(scores).tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    many = level((torch.arange(1000) + 0.5) / 100)
    assert (many.diff() >= 0).all()
    assert many.bincount().tolist() == [200] * 5


def test_the_loss_is_the_surprise_at_the_right_level() -> None:
    score = LevelScore(Promise())  # type: ignore[arg-type]
    share = torch.tensor([[0.1, 0.2, 0.4, 0.2, 0.1], [0.5, 0.2, 0.1, 0.1, 0.1]], dtype=torch.float64)
    loss = score.loss(features_of(score, share.log()), torch.tensor([5.0, 9.0]))
    assert loss.item() == pytest.approx(-(torch.tensor(0.4).log() + torch.tensor(0.1).log()).item() / 2)


def test_learning_levels_moves_the_score_to_its_target() -> None:
    model = built("qalign", "score").train()
    images, targets = pictures(4, 64, 64), torch.tensor([0.5, 9.5, 0.5, 9.5])
    images[targets > 5] *= 0.2
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        model.own_loss(images, targets).backward()
        optimizer.step()
    with torch.no_grad():
        assert (model.eval()(images) - torch.tensor([0.0, 10.0, 0.0, 10.0])).abs().max() < 1
