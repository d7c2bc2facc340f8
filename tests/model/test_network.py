"""Laws of P-IEANet and its modules."""

import pytest

torch = pytest.importorskip("torch", reason="needs luxel[train]")

from luxel.model.attention import RegionAttention, area_pool  # noqa: E402
from luxel.model.lightness import LightnessChannelAttention, LightnessPixelAttention  # noqa: E402
from luxel.model.losses import gradient_loss, pixel_loss, ssim_loss  # noqa: E402
from luxel.model.network import build, parameter_count  # noqa: E402
from luxel.model.prediction import Prediction  # noqa: E402
from luxel.model.structure import DIRECTIONS, GradientEmbedding, directional_gradients, replicate_border  # noqa: E402
from luxel.model.wavelet import Wavelet  # noqa: E402


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    net = build().eval()
    torch.nn.init.normal_(net.predict.last.weight, std=0.3)  # so that the map is not nearly zero
    return net


def test_parameter_budget() -> None:
    net = build()
    structure, lightness = parameter_count(net.structure), parameter_count(net.lightness)
    assert parameter_count(net) <= 2_700_000
    assert structure <= 1_100_000
    assert lightness <= 1_700_000
    assert parameter_count(build(without="structure")) == parameter_count(net) - structure
    assert parameter_count(build(without="lightness")) == parameter_count(net) - lightness


@pytest.mark.parametrize("size", [(8, 8), (33, 65), (64, 200), (9, 300)])
def test_any_size(network: torch.nn.Module, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        residual = network(torch.rand(2, 3, *size))
    assert residual.shape == (2, 1, *size)
    assert residual.abs().max() <= 1
    assert torch.isfinite(residual).all()


def test_batch_neighbours_do_not_matter_and_there_is_no_state(network: torch.nn.Module) -> None:
    pictures = torch.rand(3, 3, 48, 80)
    with torch.inference_mode():
        together = network(pictures)
        alone = torch.cat([network(p[None]) for p in pictures])
        again = network(pictures)
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.equal(together, again)
    assert network.train()(pictures[:1]).allclose(alone[:1], atol=1e-5)  # training mode changes nothing either
    network.eval()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_are_finite_with_gradient(network: torch.nn.Module, value: float) -> None:
    picture = torch.full((1, 3, 40, 40), value, requires_grad=True)
    network(picture).abs().mean().backward()
    assert torch.isfinite(picture.grad).all()


@pytest.mark.parametrize("without", ["none", "dwt", "structure", "lightness"])
def test_every_parameter_learns(without: str) -> None:
    torch.manual_seed(1)
    net = build(without=without, channels=4, structure_widths=(4, 8, 8), lightness_widths=(4, 8, 8))
    torch.nn.init.normal_(net.predict.last.weight, std=0.3)
    net(torch.rand(2, 3, 64, 64)).square().mean().backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None]
    assert not idle


@pytest.mark.parametrize("wavelet", ["db2", "sym4"])
def test_other_wavelets_fit_the_same_network(wavelet: str) -> None:
    assert build(wavelet=wavelet)(torch.rand(1, 3, 64, 64)).shape == (1, 1, 64, 64)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_prediction_is_the_mlp_of_the_inverse_and_of_nothing_else(wavelet: str) -> None:
    """Section 3.3 literally; computing it for a whole cell at once changes nothing."""
    inverse, predict = Wavelet(wavelet), Prediction(5, width=6)
    torch.nn.init.normal_(predict.last.weight)
    low, high = torch.randn(2, 5, 6, 8), torch.randn(2, 15, 6, 8)
    merged = inverse.merge(low, high)
    expected = torch.tanh(predict.last(torch.relu(predict.hidden(merged))))
    assert torch.allclose(predict(low, high, inverse), expected, atol=1e-5)


def test_the_image_itself_comes_out_of_the_inverse(network: torch.nn.Module) -> None:
    image = torch.rand(1, 3, 64, 96)
    low, high_1 = network.fine.split(image)
    low, high_2 = network.coarse.split(low)
    a_o, (z_2, z_1) = network.lightness_features(low), network.structure_features(high_2, high_1)
    merged = network.fine.merge(network.coarse.merge(a_o, z_2), z_1)
    assert torch.allclose(merged[:, :3], image, atol=1e-5)


def test_an_ablation_removes_the_bands_of_its_module() -> None:
    torch.manual_seed(3)
    image = torch.rand(1, 3, 64, 64)
    wavelet = Wavelet()
    low, high = wavelet.split(image)
    no_lightness, no_structure = build(without="lightness").eval(), build(without="structure").eval()
    for net in (no_lightness, no_structure):
        torch.nn.init.normal_(net.predict.last.weight, std=0.3)
    brighter = wavelet.merge(low + 0.2, high)  # the same details around another mean
    flat = torch.nn.functional.interpolate(torch.nn.functional.avg_pool2d(image, 4), scale_factor=4)  # no details
    with torch.inference_mode():
        assert torch.allclose(no_lightness(brighter), no_lightness(image), atol=1e-4)
        assert torch.allclose(no_structure(flat), no_structure(image), atol=1e-4)


def test_cost_is_linear_in_pixels(network: torch.nn.Module) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    def cost(side: int) -> int:
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network(torch.rand(1, 3, side, 256))
        return counter.get_total_flops()

    assert cost(1024) <= 4.05 * cost(256)


def test_gradients_have_eight_directions_and_vanish_on_flat_features() -> None:
    assert len(set(DIRECTIONS)) == 8
    assert directional_gradients(torch.full((1, 2, 5, 6), 3.0)).abs().max() == 0
    ramp = torch.arange(6.0).repeat(5, 1)[None, None]  # grows by one per column
    found = directional_gradients(ramp)[0, :, 2, 2]
    assert found.tolist() == [float(column) for _, column in DIRECTIONS]


def test_opposite_gradients_mirror_each_other() -> None:
    z = torch.rand(1, 1, 7, 7)
    g = dict(zip(DIRECTIONS, directional_gradients(z)[0], strict=True))
    assert torch.allclose(g[0, 1][:, :-1], -g[0, -1][:, 1:])
    assert torch.allclose(g[1, 1][:-1, :-1], -g[-1, -1][1:, 1:])


def test_gradient_embedding_is_its_convolution_of_the_gradient_maps() -> None:
    embed = GradientEmbedding(6)
    z = torch.rand(2, 6, 9, 11)
    expected = torch.nn.functional.conv2d(directional_gradients(z), embed.weight, embed.bias)
    assert torch.allclose(embed(z), expected, atol=1e-6)
    flat = embed(torch.full((1, 6, 5, 5), 3.0))
    assert torch.allclose(flat, embed.bias[None, :, None, None].expand_as(flat), atol=1e-6)


def test_replicated_border_is_torchs_own() -> None:
    z = torch.rand(2, 3, 5, 7)
    assert torch.equal(replicate_border(z), torch.nn.functional.pad(z, (1, 1, 1, 1), mode="replicate"))


def test_area_pool_is_adaptive_average_pooling_where_both_divide() -> None:
    x = torch.rand(2, 3, 16, 24)
    assert torch.allclose(area_pool(x, 8), torch.nn.functional.adaptive_avg_pool2d(x, 8), atol=1e-6)
    odd = torch.rand(1, 1, 7, 13)
    assert torch.allclose(area_pool(odd, 4).mean(), odd.mean(), atol=1e-6)  # every pixel counts once


def test_region_attention_follows_a_mirror() -> None:
    attention = RegionAttention(8, grid=4)
    x = torch.rand(1, 8, 16, 16)
    assert torch.allclose(attention(x.flip(-1)), attention(x).flip(-1), atol=1e-5)


@pytest.mark.parametrize("channels", [5, 8, 17, 96, 216])
def test_region_attention_takes_any_number_of_channels(channels: int) -> None:
    attention = RegionAttention(channels, grid=2)
    assert channels % attention.heads == 0
    assert attention(torch.rand(1, channels, 4, 6)).shape == (1, channels, 4, 6)


def test_pixel_attention_is_the_weighted_sum_of_its_convolutions() -> None:
    lpa = LightnessPixelAttention(6, grid=2)
    torch.nn.init.uniform_(lpa.weights)
    f_c = torch.rand(2, 6, 12, 12)
    x = torch.relu(lpa.attention(lpa.mix(f_c)))
    expected = torch.sigmoid(sum(w * c(x) for w, c in zip(lpa.weights, lpa.convolutions, strict=True)))  # Eq. (6)
    assert torch.allclose(lpa(f_c), expected, atol=1e-6)


def test_channel_attention_only_scales_channels() -> None:
    lca = LightnessChannelAttention(8)
    x = torch.rand(2, 8, 6, 6) + 0.1
    ratio = lca(x) / x
    assert torch.allclose(ratio, ratio[..., :1, :1].expand_as(ratio), atol=1e-5)
    assert ((ratio > 0) & (ratio < 1)).all()


def test_losses_are_distances() -> None:
    a, b = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    for kind in ("l1", "l2", "smooth_l1"):
        assert pixel_loss(a, a, kind) == 0
        assert pixel_loss(a, b, kind) == pixel_loss(b, a, kind) > 0
    assert pixel_loss(a, b) == pytest.approx(float((a - b).abs().mean()))  # Eq. (7)
    assert gradient_loss(a, a + 0.3) < 1e-6  # an offset has no edges
    assert gradient_loss(a, b) > 0


def test_ssim_loss_is_one_minus_the_metric() -> None:
    from luxel.metrics import ssim

    a, b = torch.rand(3, 1, 20, 17) * 2 - 1, torch.rand(3, 1, 20, 17) * 2 - 1
    mixed = 0.7 * a + 0.3 * b
    assert ssim_loss(a, a) == pytest.approx(0, abs=1e-5)
    assert ssim_loss(mixed, a) < ssim_loss(b, a)
    metric = sum(ssim(r[0].numpy(), p[0].numpy()) for r, p in zip(a, mixed, strict=True)) / 3
    assert ssim_loss(mixed, a) == pytest.approx(1 - metric, abs=1e-5)
