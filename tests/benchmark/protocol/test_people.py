"""The score against people's: laws of the fit, of the agreement and of its intervals."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("torch", reason="needs luxel[train]")

from luxel.benchmark.protocol.people import (
    ScoredScenes,
    fitted,
    intervals,
    joined,
    leave_scene_out,
    people_agreement,
    people_markdown,
    read_scenes,
    scored,
)
from luxel.dataset.reference.bracket import LEVELS
from luxel.errors import DatasetError
from luxel.photometry import lightness


def made(count: int, seed: int = 0, noise: float = 0.0) -> ScoredScenes:
    """Scenes whose people score by 8 - 12 under - 9 over, give or take."""
    rng = np.random.default_rng(seed)
    level = np.array(list(LEVELS.values())) + rng.normal(0, 0.5, (count, 1))
    under, over = np.maximum(-level, 0) * 0.07 + 0.02, np.maximum(level, 0) * 0.06 + 0.03
    people = np.clip(8 - 12 * under - 9 * over + noise * rng.standard_normal(under.shape), 0, 10)
    return ScoredScenes(tuple(f"{seed}-{i}" for i in range(count)), people, under, over)


def test_the_fit_finds_the_numbers_people_used() -> None:
    assert fitted(made(6), np.arange(6)) == pytest.approx((8, 12, 9), abs=1e-6)
    np.testing.assert_allclose(leave_scene_out(made(6)), made(6).people, atol=1e-6)


def test_perfect_scores_agree_in_every_figure() -> None:
    people = made(5).people
    found = people_agreement(people, people)
    assert (found.srcc, found.lcc, found.acc, found.best) == pytest.approx((1, 1, 1, 1))
    assert found.error == 0
    shifted = people_agreement(people, np.clip(people + 1, 0, 10))
    assert shifted.srcc == pytest.approx(1)
    assert shifted.error == pytest.approx(1)


def test_levels_without_a_score_do_not_count() -> None:
    scenes = made(4, noise=0.3)
    people, wrong = scenes.people.copy(), scored(scenes, 8, 12, 9)
    people[1, 3] = np.nan
    wrong[1, 3] = 99.0
    found = people_agreement(people, wrong)
    assert found.error < 1
    assert np.isfinite(fitted(ScoredScenes(scenes.names, people, scenes.under, scenes.over), np.arange(4))).all()


def test_intervals_hold_the_figure_and_narrow_with_scenes() -> None:
    widths = []
    for count in (6, 60):
        scenes = made(count, noise=1.0)
        scores = scored(scenes, 8, 12, 9)
        low, high = intervals(scenes.people, scores)["error"]
        assert low <= people_agreement(scenes.people, scores).error <= high
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]


def test_table_of_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    lines = ["file,N4,N3,N2,N1,P0,P1,P2,P3,P4"]
    for i in range(3):
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,1,2,3,4,5,6,5,,3")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    scenes = read_scenes(tmp_path, lambda image: 0.47 - lightness(image))
    assert scenes.people.shape == (3, 9)
    assert np.isnan(scenes.people[:, 7]).all()
    assert (np.diff(scenes.under, axis=1) <= 1e-6).all(), "more light is never more underexposed"
    both = joined([scenes, scenes])
    assert len(both.names) == 6
    assert "(6 scenes, 48 scores" in people_markdown(both)


@pytest.mark.parametrize(("row", "message"), [("0.png,1,2,x,4,5,6,5,4,3", "N2 has no score"), (None, "no such file")])
def test_what_cannot_be_read_is_named(tmp_path: Path, row: str | None, message: str) -> None:
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "0.png")
    if row:
        (tmp_path / "labels.csv").write_text(f"file,N4,N3,N2,N1,P0,P1,P2,P3,P4\n{row}\n")
    with pytest.raises(DatasetError, match=message):
        read_scenes(tmp_path, lambda image: lightness(image))
