"""Q-Align's levels."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from luxel.benchmark.blocks.features import Features  # noqa: E402
from luxel.benchmark.methods.qalign import LevelScore, level  # noqa: E402
from stand_ins.method_builds import Promise, built, images, numbers  # noqa: E402


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
    batch, targets = images(4, 64, 64), torch.tensor([0.5, 9.5, 0.5, 9.5])
    batch[targets > 5] *= 0.2
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        model.own_loss(batch, targets).backward()
        optimizer.step()
    with torch.no_grad():
        assert (model.eval()(batch) - torch.tensor([0.0, 10.0, 0.0, 10.0])).abs().max() < 1
