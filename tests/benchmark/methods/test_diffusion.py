"""Diffusion itself: noise levels, the training loss, sampling."""

import math
from functools import partial

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402

from luxel.benchmark.blocks import diffusion  # noqa: E402
from luxel.benchmark.methods import gsad, pydiff  # noqa: E402
from stand_ins.method_builds import dead, images  # noqa: E402


def test_levels_fall_from_one_as_the_added_variance_says() -> None:
    levels = diffusion.noise_levels(*gsad.SCHEDULE)
    assert levels.shape == (501,)
    assert levels[0] == 1
    assert (levels.diff() < 0).all()
    added = 1 - (levels[1:] / levels[:-1]).double() ** 2
    torch.testing.assert_close(added, torch.linspace(1e-4, 2e-2, 500, dtype=torch.double), atol=1e-6, rtol=0)


def test_noise_comes_off_again() -> None:
    clean, noise, level = 2 * images(4, 8, 8) - 1, torch.randn(4, 3, 8, 8), torch.tensor([0.05, 0.3, 0.9, 1.0])
    noisy = diffusion.add_noise(clean, level, noise)
    torch.testing.assert_close(diffusion.remove_noise(noisy, level, noise), clean, atol=1e-4, rtol=0)
    assert torch.equal(noisy[3], clean[3])


def test_drawn_examples_are_what_they_say() -> None:
    levels = diffusion.noise_levels(50, 1e-4, 0.2)
    clean = 2 * images(400, 4, 4) - 1
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
    clean = 2 * images(64, 8, 8) - 1

    def knows(condition: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        share = level.view(-1, 1, 1, 1)
        return (noisy - share * condition) / (1 - share**2).sqrt()

    assert diffusion.training_loss(knows, clean, clean, levels) < 1e-3
    blind = diffusion.training_loss(lambda c, noisy, level: torch.zeros_like(noisy), clean, clean, levels)
    assert abs(blind - math.sqrt(2 / math.pi)) < 0.02


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("strides", [(1,), (1, 1, 1), (2, 2, 1, 1), (4, 2, 1)])
def test_sampling_with_perfect_knowledge_gives_the_picture(eta: float, strides: tuple[int, ...]) -> None:
    clean = 2 * torch.nn.functional.interpolate(images(2, 4, 6), scale_factor=4) - 1

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
    image = 2 * images(2, 32, 64) - 1
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
    clean = 2 * images(2, 32, 32) - 1
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
