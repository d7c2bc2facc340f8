"""DEIQT, MUSIQ, EAT and Q-Align: laws of every build, published counts, DEIQT's panel, MUSIQ's patches."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor  # noqa: E402

from luxel.benchmark import registry  # noqa: E402
from luxel.benchmark.blocks.features import Features  # noqa: E402
from luxel.benchmark.blocks.transformer import VisionTransformer  # noqa: E402
from luxel.benchmark.methods.deiqt import PanelScore  # noqa: E402
from luxel.benchmark.methods.musiq import CELLS, MUSIQ, StandardConv, hashed, resized  # noqa: E402
from stand_ins.method_builds import Promise, built, count, images, numbers, spread  # noqa: E402

NAMES = ("deiqt", "musiq", "eat", "qalign")
CASES = [(name, task) for name in NAMES for task in registry.facts(name).tasks]


# Laws of every build


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_gradient_reaches_every_parameter_that_trains(name: str, task: str) -> None:
    model = built(name, task).train()
    for seed in range(2):  # layers left out of some pictures
        out = model(images(4, 96, 128, seed))
        weights = torch.tensor([1.0, -2.0, 3.0, -1.0]).view(-1, *[1] * (out.ndim - 1))
        (weights * out).sum().backward()
    # no attention depends on the bias of its keys: a softmax forgets what all its inputs share
    trained = {key: p for key, p in model.named_parameters() if p.requires_grad and not key.endswith("key.bias")}
    assert [key for key, p in trained.items() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_prediction_does_not_depend_on_its_batch(name: str, task: str) -> None:
    model = built(name, task).eval()
    batch = images(3, 97, 110)
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
    image = images(1, 96, 160)
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
        tokens = network(images(1, 32, 32).repeat(1, 1, 3, 5)).maps[0].flatten(2)[0].T
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
        network(images(1, 256, 256))
    assert seen == [1 + 64 + 49 + 144]
