"""GSAD: laws of its noise, its structure term against torch.linalg, its two stages; Retinexformer's size."""

import pytest

torch = pytest.importorskip("torch", reason="needs luxel[train]")

from torch import Tensor  # noqa: E402

from luxel.benchmark.blocks.diffusion import add_noise, draw, noise_levels  # noqa: E402
from luxel.enhance.enhancer import pad_to_multiple  # noqa: E402
from luxel.enhance.gsad import Gsad, GsadStructureStage, GsadUncertaintyStage, posterior_sample  # noqa: E402
from luxel.enhance.recipe import GsadSection, RetinexformerSection  # noqa: E402
from luxel.enhance.retinexformer import RetinexformerEnhancer  # noqa: E402
from luxel.enhance.structure import cluster, patches, singular_value_distance  # noqa: E402

TINY = GsadSection(
    width=8, multipliers=(1, 2), blocks=1, groups=4, clusters=2, sampling={"steps": 3, "first": 1e-3, "last": 0.9}
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def fixed(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_published_sizes() -> None:
    with torch.device("meta"):
        for enhancer, count in (
            (RetinexformerEnhancer(RetinexformerSection()), 1_605_701),
            (Gsad(GsadSection()), 17_434_182),
        ):
            assert sum(p.numel() for p in enhancer.parameters()) == count


def test_alpha_bar_falls_from_one_and_ends_where_it_was_published() -> None:
    section = GsadSection()
    for schedule, last in ((section.noise, None), (section.sampling, 7e-4)):
        levels = noise_levels(schedule.steps, schedule.first, schedule.last)
        assert levels[0] == 1
        assert (levels.diff() < 0).all()
        if last is not None:
            assert float(levels[-1]) == pytest.approx(last, rel=0.1)


def test_forward_noise_has_the_variance_of_its_level() -> None:
    clean = torch.full((4, 3, 96, 96), 0.3)
    drawn = draw(clean, noise_levels(500, 1e-4, 2e-2), fixed(), one_step=True)
    rest = drawn.noisy - drawn.level.view(-1, 1, 1, 1) * clean
    torch.testing.assert_close(rest.var((1, 2, 3)), 1 - drawn.level**2, rtol=0.05, atol=1e-4)
    assert len(set(drawn.before.tolist())) == 1
    assert len(set(drawn.level.tolist())) == 4
    assert (drawn.before >= drawn.level).all()


def test_the_posterior_has_the_forward_distribution() -> None:
    """From the true clean image, a sample of the posterior is distributed as the image noised one step less."""
    clean = torch.full((1, 1, 400, 400), 0.4)
    drawn = draw(clean, torch.tensor([1.0, 0.8, 0.5]), fixed(3), one_step=True)
    found = posterior_sample(clean, drawn, fixed(1))
    assert float(found.mean()) == pytest.approx(float(drawn.before) * 0.4, abs=0.01)
    assert float(found.var()) == pytest.approx(1 - float(drawn.before) ** 2, abs=0.01)


def test_structure_term_of_one_matrix_is_that_of_torch_linalg() -> None:
    one, other = random(1, 9, 16), random(1, 9, 16, seed=1)
    found = singular_value_distance(one, other, torch.zeros(1, 9, dtype=torch.long), 1)
    expected = (torch.linalg.svd(one[0])[1] - torch.linalg.svd(other[0])[1]).abs().sum()
    torch.testing.assert_close(found[0], expected)


def test_structure_term_adds_its_clusters_and_images_up() -> None:
    one, other = random(2, 12, 9), random(2, 12, 9, seed=1)
    clusters = torch.tensor([[0, 1, 2] * 4, [2, 2, 0] * 4])
    found = singular_value_distance(one, other, clusters, 3)
    for b in range(2):
        parts = [(one[b][clusters[b] == c], other[b][clusters[b] == c]) for c in range(3)]
        expected = sum(
            (torch.linalg.svdvals(mine) - torch.linalg.svdvals(theirs)).abs().sum()
            for mine, theirs in parts
            if len(mine)
        )
        torch.testing.assert_close(found[b], torch.as_tensor(expected))
    assert float(singular_value_distance(one, one, clusters, 3).abs().max()) < 1e-5


def test_patches_and_clusters() -> None:
    image = torch.arange(2 * 3 * 8 * 12).reshape(2, 3, 8, 12).float()
    found = patches(image, 4)
    assert found.shape == (2, 6, 16)
    torch.testing.assert_close(found[1, 4], image[1].mean(0)[4:8, 4:8].flatten())
    groups = cluster(torch.cat([random(1, 5, 4), random(1, 7, 4) + 20], 1), 2)
    assert groups.tolist() == [[0] * 5 + [1] * 7]


def test_the_second_stage_begins_where_the_first_ended() -> None:
    torch.manual_seed(0)
    first = GsadUncertaintyStage(TINY)
    second = GsadStructureStage(TINY, first)
    kept = {key: value.clone() for key, value in second.frozen.state_dict().items()}
    assert all(torch.equal(value, second.denoiser.state_dict()[key]) for key, value in kept.items())
    low, high = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    terms = second.terms(low, high, fixed())
    (terms.fidelity + terms.exposure(terms.output.mean((1, 2, 3)))).backward()
    assert all(p.grad is None for p in second.frozen.parameters())
    trained = [p for p in second.denoiser.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.any() for p in trained)


def test_output_and_share_of_a_step() -> None:
    """At a level near 1 the implied image is close to the ground truth even with random weights, and counts fully."""
    torch.manual_seed(0)
    enhancer = GsadStructureStage(TINY.model_copy(update={"noise": TINY.sampling}), GsadUncertaintyStage(TINY))
    enhancer.levels = torch.tensor([1.0, 0.9999])
    high = torch.rand(2, 3, 16, 16)
    terms = enhancer.terms(high / 8, high, fixed())
    assert float(terms.share.min()) > 0.999
    assert float((terms.output - high).detach().abs().mean()) < 0.05


def test_sampling_is_the_generator_s_and_keeps_the_size() -> None:
    torch.manual_seed(0)
    enhancer = GsadUncertaintyStage(TINY).eval()
    low = torch.rand(1, 3, 13, 18)
    with torch.no_grad():
        one, same, other = (enhancer.enhance(low, fixed(seed)) for seed in (1, 1, 2))
    assert one.shape == low.shape
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert float(one.min()) >= 0
    assert float(one.max()) <= 1


def test_noise_of_a_perfect_denoiser_gives_the_clean_image() -> None:
    clean, noise = torch.rand(1, 3, 4, 4) * 2 - 1, random(1, 3, 4, 4)
    level = torch.tensor([0.3])
    from luxel.enhance.gsad import implied_clean

    drawn = draw(clean, torch.tensor([1.0, 0.3]), fixed())
    exact = type(drawn)(add_noise(clean, level, noise), level, noise, torch.ones(1))
    torch.testing.assert_close(implied_clean(exact, noise), clean, rtol=1e-4, atol=1e-4)


def test_padding_is_mirrored_and_found_again() -> None:
    image = torch.rand(1, 3, 5, 3)
    padded, (rows, columns) = pad_to_multiple(image, 8)
    assert padded.shape == (1, 3, 8, 8)
    assert torch.equal(padded[..., rows, columns], image)
