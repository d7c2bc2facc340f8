"""PyDiff and GSAD: laws of their builds, published counts, the U-Net they share, and diffusion itself."""

import math
from functools import partial

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402

from luxel.benchmark import registry  # noqa: E402
from luxel.benchmark.blocks import diffusion, sr3  # noqa: E402
from luxel.benchmark.methods import gsad, pydiff  # noqa: E402

NAMES = ("pydiff", "gsad")
CASES = [(name, task) for name in NAMES for task in registry.facts(name).tasks]


def pictures(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def built(name: str, task: str) -> nn.Module:
    torch.manual_seed(0)
    return registry.build(name, task, tiny=True)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def dead(module: nn.Module) -> list[str]:
    return [key for key, p in module.named_parameters() if p.grad is None or not p.grad.any()]


# Laws of every build


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_gradient_reaches_every_parameter(name: str, task: str) -> None:
    model = built(name, task).train()
    out = model(pictures(2, 48, 64))
    (torch.tensor([1.0, -2.0]).view(-1, *[1] * (out.ndim - 1)) * out).sum().backward()
    assert dead(model) == []


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_prediction_does_not_depend_on_its_batch(name: str, task: str) -> None:
    model = built(name, task).eval()
    batch = pictures(3, 41, 48)
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
        image, levels = pictures(1, 16, 16).expand(2, -1, -1, -1), torch.tensor([0.2, 0.9])
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
    ours = sr3.PixelAttention(8, groups=4)
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
    steps = (255 * pictures(2, 37, 53) ** 3).to(torch.uint8)
    steps[1, 2] = 77
    found = ((pydiff.equalised(steps / 127.5 - 1) + 1) * 127.5).round().to(torch.uint8)
    for b in range(2):
        for c in range(3):
            assert (found[b, c].numpy() == cv2.equalizeHist(steps[b, c].numpy())).all()


def test_the_condition_has_the_picture_first_and_places_last() -> None:
    image = 2 * pictures(2, 16, 24) - 1
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
    image = 2 * pictures(1, 16, 16) - 1
    image[..., 9, 2] = image[..., 3, 12]
    found = corrector(image, torch.tensor([0.5]))
    torch.testing.assert_close(found[..., 9, 2], found[..., 3, 12])
    assert not torch.allclose(found, corrector(image, torch.tensor([0.9])))
    found.square().sum().backward()
    assert dead(corrector) == []


# Diffusion


def test_levels_fall_from_one_as_the_added_variance_says() -> None:
    levels = diffusion.noise_levels(*gsad.SCHEDULE)
    assert levels.shape == (501,)
    assert levels[0] == 1
    assert (levels.diff() < 0).all()
    added = 1 - (levels[1:] / levels[:-1]).double() ** 2
    torch.testing.assert_close(added, torch.linspace(1e-4, 2e-2, 500, dtype=torch.double), atol=1e-6, rtol=0)


def test_noise_comes_off_again() -> None:
    clean, noise, level = 2 * pictures(4, 8, 8) - 1, torch.randn(4, 3, 8, 8), torch.tensor([0.05, 0.3, 0.9, 1.0])
    noisy = diffusion.add_noise(clean, level, noise)
    torch.testing.assert_close(diffusion.remove_noise(noisy, level, noise), clean, atol=1e-4, rtol=0)
    assert torch.equal(noisy[3], clean[3])


def test_drawn_examples_are_what_they_say() -> None:
    levels = diffusion.noise_levels(50, 1e-4, 0.2)
    clean = 2 * pictures(400, 4, 4) - 1
    drawn = diffusion.draw(clean, levels, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.noisy, diffusion.add_noise(clean, drawn.level, drawn.noise))
    assert drawn.level.min() >= levels[-1]
    assert drawn.level.max() <= 1
    counts = torch.histogram(drawn.level, levels.flip(0)).hist  # every step is as frequent, its ends are not preferred
    assert counts.sum() == 400
    assert counts.max() < 25
    assert drawn.level.unique().numel() > 300
    assert abs(drawn.noise.std() - 1) < 0.02


def test_training_loss_of_those_who_know_all_and_nothing() -> None:
    levels = diffusion.noise_levels(50, 1e-4, 0.2)
    clean = 2 * pictures(64, 8, 8) - 1

    def knows(condition: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        share = level.view(-1, 1, 1, 1)
        return (noisy - share * condition) / (1 - share**2).sqrt()

    assert diffusion.training_loss(knows, clean, clean, levels) < 1e-3
    blind = diffusion.training_loss(lambda c, noisy, level: torch.zeros_like(noisy), clean, clean, levels)
    assert abs(blind - math.sqrt(2 / math.pi)) < 0.02


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("strides", [(1,), (1, 1, 1), (2, 2, 1, 1), (4, 2, 1)])
def test_sampling_with_perfect_knowledge_gives_the_picture(eta: float, strides: tuple[int, ...]) -> None:
    clean = 2 * torch.nn.functional.interpolate(pictures(2, 4, 6), scale_factor=4) - 1

    def knows(condition: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        share = level.view(-1, 1, 1, 1)
        return (noisy - share * condition) / (1 - share**2).sqrt()

    levels = diffusion.noise_levels(*pydiff.SCHEDULE)
    found = diffusion.sample(knows, clean, levels, channels=3, strides=strides, eta=eta)
    torch.testing.assert_close(found, clean, atol=1e-3, rtol=0)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_sampling_draws_from_the_distribution_it_knows(eta: float) -> None:
    mean, deviation = 0.3, 0.15

    def best(condition: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """The expected noise where clean values are normal, in closed form."""
        a = level.view(-1, 1, 1, 1)
        return (1 - a**2).sqrt() * (noisy - a * mean) / (a**2 * deviation**2 + 1 - a**2)

    levels = diffusion.noise_levels(*pydiff.SCHEDULE)
    generator = torch.Generator().manual_seed(0)
    found = diffusion.sample(
        best, torch.zeros(1, 1, 80, 80), levels, channels=1, strides=(1,) * 1000, eta=eta, generator=generator
    )
    assert abs(found.mean() - mean) < 0.006
    assert abs(found.std() - deviation) < 0.01


def test_sampling_with_the_published_parts() -> None:
    torch.manual_seed(0)
    denoiser, corrector = pydiff.published(tiny=True)
    image = 2 * pictures(2, 32, 64) - 1
    draw = partial(
        diffusion.sample,
        denoiser.eval(),
        pydiff.condition(image),
        diffusion.noise_levels(*pydiff.SCHEDULE),
        channels=3,
        strides=pydiff.STRIDES,
    )
    first, again = (draw(correct=corrector, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert first.shape == image.shape
    assert first.abs().max() <= 1
    assert torch.equal(first, again)
    assert not torch.equal(first, draw(generator=torch.Generator().manual_seed(1)))


def test_uncertainty_divides_the_error_and_has_its_price() -> None:
    torch.manual_seed(0)
    denoiser = gsad.published(tiny=True)
    clean = 2 * pictures(2, 32, 32) - 1
    drawn = diffusion.draw(clean, diffusion.noise_levels(*gsad.SCHEDULE), torch.Generator().manual_seed(0))
    denoiser.uncertainty_loss(clean, drawn).backward()
    assert dead(denoiser) == []
    error = (denoiser(clean, drawn.noisy, drawn.level) - drawn.noise).abs().mean()
    last = denoiser.uncertain[4]
    for uncertainty in (0.0, math.log(2)):
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, uncertainty)
        expected = error * math.exp(-uncertainty) + 2 * uncertainty / clean.numel()
        torch.testing.assert_close(denoiser.uncertainty_loss(clean, drawn), expected)
