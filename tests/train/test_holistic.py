"""The holistic head, the loss and the metric: laws, then a real fit."""

import csv
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs luxel[train]")

import luxel  # noqa: E402
from luxel.errors import DatasetError, LuxelError  # noqa: E402
from luxel.images import write  # noqa: E402
from luxel.model.holistic import HolisticHead, map_features  # noqa: E402
from luxel.residual import mean_residual_score, people_score  # noqa: E402
from luxel.train.holistic import fine_tune, head_agreement, read_scores, split_groups  # noqa: E402
from luxel.train.recipe import HolisticRecipe  # noqa: E402


def test_untrained_head_is_the_score_without_fine_tuning() -> None:
    residual = torch.rand(4, 1, 33, 47) * 2 - 1
    scores = HolisticHead().eval()(map_features(residual))
    assert scores.tolist() == pytest.approx([mean_residual_score(r[0].numpy()) for r in residual], abs=1e-4)


def test_features_do_not_depend_on_the_maps_size() -> None:
    small = torch.rand(1, 1, 8, 8) - 0.5
    large = small.repeat_interleave(6, 2).repeat_interleave(5, 3)
    assert torch.allclose(map_features(small), map_features(large), atol=1e-5)


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Flat pictures of many greys; the "person" likes 0.62 best."""
    rng = np.random.default_rng(0)
    with (tmp_path / "scores.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("img_id", "ref_id", "score"))
        for i in range(60):
            grey = rng.uniform(0.05, 0.95)
            picture = np.clip(grey + 0.05 * rng.standard_normal((40, 48, 3)), 0, 1)
            write(tmp_path / f"{i}.png", np.rint(picture * 255).astype(np.uint8))
            writer.writerow((f"{i}.png", f"scene{i // 3}", round(10 * (1 - abs(grey - 0.62)), 3)))
    return tmp_path


def test_fine_tuning_learns_another_taste(scores: Path, tmp_path: Path) -> None:
    recipe = HolisticRecipe.model_validate(
        {
            "kind": "holistic",
            "data": {"table": str(scores / "scores.csv"), "pictures": str(scores)},
            "train": {"splits": 2, "steps": 400},
            "output": {"folder": str(tmp_path / "run")},
        }
    )
    rows = fine_tune(recipe, report=lambda line: None)
    assert len(rows) == 2
    for row in rows:
        assert row["train"] + row["test"] == 60
        assert row["with"]["srcc"] > max(row["without"]["srcc"], row["constant"]["srcc"])
        low, high = row["with"]["srcc_interval"]
        assert low <= row["with"]["srcc"] <= high
    assert (tmp_path / "run" / "head.npz").is_file()


def test_splits_keep_scenes_apart(scores: Path) -> None:
    rows = read_scores(scores / "scores.csv", scores)
    for seed in range(5):
        inside, outside = split_groups(rows, 0.8, seed)
        assert not {rows[i].group for i in inside} & {rows[i].group for i in outside}
        assert sorted(inside + outside) == list(range(60))


def test_spaq_and_bad_tables(tmp_path: Path) -> None:
    for i in range(10):
        write(tmp_path / f"{i}.png", np.zeros((10, 10, 3), np.uint8))
    table = tmp_path / "t.csv"

    def wrote(header: str, row: str) -> Path:
        table.write_text("\n".join([header, *(row.format(i) for i in range(10))]))
        return table

    assert read_scores(wrote("Image name,MOS,Exposure", "{}.png,50,73"), tmp_path)[0].score == pytest.approx(7.3)
    for header, row, message in (
        ("picture,value", "{}.png,3", "columns picture, value"),
        ("image,score", "{}.png,good", "not a number"),
        ("image,score", "{}.png,11", "outside 0-10"),
        ("image,score", "x{}.png,3", "no such picture"),
    ):
        with pytest.raises(DatasetError, match=message):
            read_scores(wrote(header, row), tmp_path)
    table.write_text("image,score\n0.png,3\n")
    with pytest.raises(DatasetError, match="ten or more"):
        read_scores(table, tmp_path)
    with pytest.raises(DatasetError, match="no such file"):
        read_scores(tmp_path / "none.csv", tmp_path)


def test_perfect_and_opposite_agreement() -> None:
    truth = np.linspace(1, 9, 40)
    assert head_agreement(truth, truth).srcc == pytest.approx(1)
    assert head_agreement(truth, 10 - truth).lcc == pytest.approx(-1)


def test_loss_is_differentiable_frozen_and_finite() -> None:
    loss = luxel.ExposureLoss()
    loss.train()
    assert not loss.network.training
    for value in (0.0, 0.5, 1.0):
        picture = torch.full((1, 3, 32, 32), value, requires_grad=True)
        loss(picture).backward()
        assert torch.isfinite(picture.grad).all()
        assert picture.grad.abs().max() > 0
    assert all(p.grad is None and not p.requires_grad for p in loss.network.parameters())
    with pytest.raises(LuxelError, match="H, W >= 8"):
        loss(torch.rand(3, 32, 32))
    with pytest.raises(LuxelError, match="reduction"):
        luxel.ExposureLoss(reduction="sum")


def test_loss_gradient_agrees_with_differences() -> None:
    torch.manual_seed(0)
    loss = luxel.ExposureLoss().double()
    loss.network.double()
    picture = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    direction = torch.randn_like(picture)
    leaf = picture.clone().requires_grad_(True)
    value = loss(leaf)
    value.backward()
    slope = float((leaf.grad * direction).sum())
    step = 1e-6
    with torch.no_grad():
        difference = float(loss(picture + step * direction) - loss(picture - step * direction)) / (2 * step)
    assert slope == pytest.approx(difference, rel=1e-3)


def test_loss_sees_exposure() -> None:
    """A dark and a blown version of a scene cost more than the scene; descending the loss brightens the dark one."""
    rng = np.random.default_rng(0)
    scene = torch.tensor(rng.uniform(0.3, 0.7, (1, 3, 64, 64)), dtype=torch.float32)
    loss = luxel.ExposureLoss()
    dark, blown = scene * 0.2, (scene * 2).clamp(max=1)
    assert loss(dark) > loss(scene)
    assert loss(blown) > loss(scene)
    leaf = dark.clone().requires_grad_(True)
    loss(leaf).backward()
    assert leaf.grad.mean() < 0


def test_loss_under_autocast_is_the_same() -> None:
    loss, picture = luxel.ExposureLoss(), torch.rand(1, 3, 40, 40)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(picture)
    assert inside.dtype == torch.float32
    assert float(inside) == pytest.approx(float(loss(picture)), abs=1e-6)


def test_metric_is_the_mean_over_pictures_whatever_the_batches() -> None:
    pytest.importorskip("torchmetrics", reason="ExposureResidual needs torchmetrics")
    loss, metric = luxel.ExposureLoss(reduction="none"), luxel.ExposureResidual()
    batches = [torch.rand(2, 3, 32, 40), torch.rand(1, 3, 48, 32) * 0.2]
    for batch in batches:
        metric.update(batch)
    result = metric.compute()
    expected = torch.cat([loss(b) for b in batches]).mean()
    assert float(result["residual"]) == pytest.approx(float(expected), rel=1e-5)
    maps = [loss.residual(b)[i].detach().numpy() for b in batches for i in range(len(b))]
    assert float(result["score"]) == pytest.approx(np.mean([people_score(r) for r in maps]), rel=1e-5)
    assert {v.numel() for v in metric.metric_state.values()} == {1}  # sums, no stored pictures
    metric.reset()
    assert torch.isnan(metric.compute()["residual"])
