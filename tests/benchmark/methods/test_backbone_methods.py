"""Methods on ImageNet backbones: laws of every build, and what each does beside its backbone."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch.nn import functional as F  # noqa: E402

from luxel.benchmark import registry  # noqa: E402
from luxel.benchmark.blocks import two_scales  # noqa: E402
from luxel.benchmark.blocks.features import Features  # noqa: E402
from luxel.benchmark.methods import alamp, arniqa, mlsp, reiqa, tanet  # noqa: E402
from stand_ins.method_builds import BACKBONE_METHODS, built, images, warmed  # noqa: E402

CASES = [(name, task) for name in BACKBONE_METHODS for task in registry.facts(name).tasks]


# Laws of every build


@pytest.mark.parametrize("name", BACKBONE_METHODS)
def test_the_smallest_picture_the_contract_allows(name: str) -> None:
    with torch.no_grad():
        assert built(name, "score").eval()(images(2, 32, 40)).isfinite().all()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_gradient_reaches_every_parameter_that_trains(name: str, task: str) -> None:
    model = built(name, task).train()
    for seed in range(2):  # dropout hides some
        out = model(images(4, 96, 128, seed))
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
    batch = images(3, 97, 110)
    batch[1] *= 0.2
    with torch.no_grad():
        together = model(batch)
        alone = torch.cat([model(image[None]) for image in batch])
    assert (together - alone).abs().max() < 0.01 * (together[0] - together[1]).abs().max()


# What each method does beside its backbone


def test_arniqa_features_have_length_one_at_either_scale() -> None:
    network = warmed(arniqa.network(tiny=True))
    vector = network(images(2, 96, 64)).vector
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
    image = images(1, 64, 64)
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
    image[:, :, top : top + side, left : left + side] = images(1, side, side)
    corners = alamp.choose_patches(image, side)[0]
    assert corners[0].tolist() == [top, left]


def test_alamp_spreads_its_patches() -> None:
    for image in (torch.full((1, 3, 160, 200), 0.5), images(1, 160, 200)):
        corners = alamp.choose_patches(image, 40)[0].float()
        assert corners.min() >= 0
        assert (corners <= torch.tensor([120.0, 160.0])).all()
        assert F.pdist(corners).min() >= 40  # none covers another


def test_alamp_chooses_where_two_textures_compete_the_stronger_then_the_other() -> None:
    image = torch.full((1, 3, 160, 200), 0.5)
    image[:, :, :40, :40] += 0.1 * images(1, 40, 40)
    image[:, :, 60:100, 80:120] += 0.05 * images(1, 40, 40)
    corners = alamp.choose_patches(image, 40)[0].tolist()
    assert corners[0] == [0, 0]
    assert [60, 80] in corners


def test_alamp_cuts_the_patches_it_chose() -> None:
    image = images(2, 90, 120)
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
    image = images(1, 96, 96)
    before = network(image).vector
    monkeypatch.setattr(alamp, "choose_patches", lambda i, s, choose=alamp.choose_patches: choose(i, s).flip(1))
    after = network(image).vector
    details = network.vector - alamp.LAYOUT
    torch.testing.assert_close(before[:, :details], after[:, :details])


def test_mlsp_wide_keeps_places_that_narrow_averages_away() -> None:
    backbone = mlsp.network(tiny=True).backbone
    narrow, wide = mlsp.MLSP(backbone).eval(), mlsp.MLSP(backbone, grid=5).eval()
    image = images(1, 299, 299)  # its first maps have 35 pixels a side, so that bins of five do not overlap
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
    image = images(3, 224, 224)
    with torch.no_grad():
        themes = network.theme.logits(image)
        target = network.target(themes)
        layers = zip(target, network.generated_weight(themes), network.generated_bias(themes), strict=True)
        one_by_one = torch.stack([F.linear(q, w[None], b) for q, w, b in layers])
        network.target_norm.running_mean.fill_(one_by_one.mean())
        expected = network.target_norm(one_by_one).relu().expand(-1, 10)
        torch.testing.assert_close(network(image).vector[:, 10:20], expected)
    assert expected.max() > 0
