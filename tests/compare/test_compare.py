"""Matching versions, figures, ranking, kept detail."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from luxel import images
from luxel.assessment.assessor import Assessor
from luxel.cli import app
from luxel.compare.compare import (
    LOST_DETAIL,
    compare_versions,
    match,
    ranking,
    remark,
)
from luxel.compare.results import interval_text, page, ranking_csv
from luxel.errors import LuxelError
from luxel.filters.gaussian import blur
from luxel.photometry import expose, to_linear, to_srgb
from stand_ins.comparisons import comparison, write


@pytest.fixture(scope="module")
def assessor(weights: Path) -> Assessor:
    return Assessor(weights, backend="onnxruntime")


# Matching -------------------------------------------------------------------------------------------------------------


def test_folders_are_matched_by_stem_and_what_is_missing_is_named(tmp_path: Path) -> None:
    for file in ("in/a.jpg", "in/b.jpg", "in/c.jpg", "fec/a.png", "fec/b.png", "fec/d.png", "smg/b.tif", "smg/a.jpg"):
        write(tmp_path / file)
    matching = match(tmp_path / "in", [tmp_path / "fec", tmp_path / "smg"])
    assert matching.versions == ("original", "fec", "smg")
    assert [case.name for case in matching.cases] == ["a", "b"]
    assert matching.cases[1].files["smg"] == tmp_path / "smg" / "b.tif"
    assert matching.unmatched == (
        "c.jpg: left out, because fec and smg lack it",
        "d.png: left out, because original and smg lack it",
    )


def test_files_are_one_case_named_apart(tmp_path: Path) -> None:
    original, *others = [write(tmp_path / name) for name in ("a.jpg", "a-fec.png", "a-smg.png")]
    matching = match(original, others)
    assert matching.versions == ("original", "a-fec", "a-smg")
    assert [case.name for case in matching.cases] == ["a"]
    same = [write(tmp_path / name) for name in ("fec/a.png", "smg/a.png")]
    assert match(original, same).versions == ("original", "fec", "smg")
    deeper = [write(tmp_path / name) for name in ("x/out/a.png", "y/out/a.png", "y/out/original.png")]
    assert len(set(match(original, deeper).versions)) == 4


@pytest.mark.parametrize(
    ("original", "enhanced", "reason"),
    [
        ("in", [], "nothing to compare"),
        ("gone", ["fec"], "gone: no such file"),
        ("in", ["gone"], "gone: no such file"),
        ("in", ["fec", "in/a.jpg"], "a.jpg: files and folders are mixed"),
        ("in/a.jpg", ["fec"], "fec: files and folders are mixed"),
        ("in", ["other"], "no picture has the same name"),
        ("in", ["twice"], "has the same name; keep one"),
        ("in", ["empty"], "no picture in this folder"),
    ],
)
def test_what_cannot_be_matched_is_reported_in_one_line(
    tmp_path: Path, original: str, enhanced: list[str], reason: str
) -> None:
    for file in ("in/a.jpg", "fec/a.png", "other/z.png", "twice/a.png", "twice/a.jpg"):
        write(tmp_path / file)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LuxelError, match=reason) as caught:
        match(tmp_path / original, [tmp_path / name for name in enhanced])
    assert "\n" not in str(caught.value)


# Figures and ranking --------------------------------------------------------------------------------------------------


def test_figures_are_those_of_the_map(tmp_path: Path, assessor: Assessor) -> None:
    # The stand-in says r = 0.5 - Y', so a grey of level n has |r| = |0.5 - n / 255|.
    files = [write(tmp_path / f"{level}.png", level) for level in (26, 102, 230)]
    result = compare_versions(match(files[0], files[1:]), lambda: assessor)
    figures = result.figures["26"]
    for version, level in zip(result.versions, (26, 102, 230), strict=True):
        assert figures[version].residual == pytest.approx(abs(0.5 - level / 255), abs=2e-3)
        assert figures[version].score == pytest.approx(
            8 - (14 if level < 127 else 10) * figures[version].residual, abs=1e-4
        )
    assert (figures["original"].under, figures["original"].over) == (1.0, 0.0)
    assert (figures["102"].under, figures["102"].over) == (0.0, 0.0)
    assert [rank.version for rank in ranking(result)] == ["102", "original", "230"]


def test_an_unreadable_version_leaves_its_picture_out_for_all(tmp_path: Path, assessor: Assessor) -> None:
    for file in ("in/a.png", "in/b.png", "fec/a.png"):
        write(tmp_path / file)
    (tmp_path / "fec/b.png").write_bytes(b"no picture")
    result = compare_versions(match(tmp_path / "in", [tmp_path / "fec"]), lambda: assessor)
    assert list(result.figures) == ["a"]
    assert len(result.left_out) == 1
    assert "b.png" in result.left_out[0]
    assert "b is left out" in result.left_out[0]
    (tmp_path / "fec/a.png").write_bytes(b"")
    with pytest.raises(LuxelError, match="nothing to compare"):
        compare_versions(match(tmp_path / "in", [tmp_path / "fec"]), lambda: assessor)


def test_one_picture_has_no_interval_and_says_so() -> None:
    ranks = ranking(comparison(np.array([[0.4, 0.1]])))
    assert [rank.residual.low for rank in ranks] == [None, None]
    assert [rank.first for rank in ranks] == [None, None]
    assert "no interval" in remark(1)
    assert interval_text(ranks[0].residual) == "0.100"
    assert "rough" in remark(9)
    assert "rough" not in remark(10)


def test_intervals_agree_with_the_normal_ones_for_many_pictures() -> None:
    rng = np.random.default_rng(3)
    values = np.clip(rng.normal([0.3, 0.25], 0.05, size=(400, 2)), 0, 1)
    first, second = ranking(comparison(values))
    assert (first.version, second.version) == ("method 1", "original")
    for rank, column in ((second, values[:, 0]), (first, values[:, 1])):
        half = 1.96 * column.std(ddof=1) / 20
        assert rank.residual.mean == pytest.approx(column.mean(), abs=1e-12)
        assert rank.residual.low == pytest.approx(column.mean() - half, abs=half / 10)
        assert rank.residual.high == pytest.approx(column.mean() + half, abs=half / 10)
    assert first.better == int(np.sum(values[:, 1] < values[:, 0]))


def test_pairing_sees_a_small_steady_gain_that_the_spread_of_pictures_would_hide() -> None:
    hard_and_easy = np.linspace(0.1, 0.6, 30)
    rank = ranking(comparison(np.stack([hard_and_easy, hard_and_easy - 0.01], axis=1)))[0]
    assert rank.version == "method 1"
    assert rank.change is not None
    assert rank.change.low == pytest.approx(-0.01, abs=1e-9)
    assert rank.change.high == pytest.approx(-0.01, abs=1e-9)
    assert rank.residual.low is not None
    assert rank.residual.low < rank.residual.mean - 0.03
    assert rank.first == 1.0


def test_ranks_are_the_same_in_every_run_and_first_places_share_all_resamples() -> None:
    values = np.random.default_rng(0).uniform(0.1, 0.5, (12, 4))
    once, twice = ranking(comparison(values)), ranking(comparison(values))
    assert once == twice
    assert sum(rank.first or 0.0 for rank in once) == pytest.approx(1.0)
    assert [rank.residual.mean for rank in once] == sorted(values.mean(axis=0))


# Detail ---------------------------------------------------------------------------------------------------------------


def textured(seed: int = 0) -> np.ndarray:
    """A well exposed picture with structure at all scales, uint8 [96, 128, 3]."""
    rng = np.random.default_rng(seed)
    plane = sum(
        np.kron(rng.uniform(-1, 1, (96 // n, 128 // n)), np.ones((n, n))) * weight
        for n, weight in ((32, 0.1), (16, 0.08), (8, 0.06), (4, 0.05))
    )
    return np.repeat(np.rint(255 * np.clip(0.5 + plane, 0, 1))[..., None], 3, axis=2).astype(np.uint8)


def test_versions_that_lost_detail_never_rank_above_the_original(tmp_path: Path, assessor: Assessor) -> None:
    picture = textured()
    images.write(tmp_path / "in.png", picture)
    soft = np.stack([blur(picture[..., c], 8) for c in range(3)], axis=-1)
    lost = {"grey": np.full_like(picture, 128), "flat": 128 + 0.1 * (picture.astype(float) - 128), "soft": soft}
    bright = to_srgb(expose(to_linear(picture / 255), 0.7)) * 255
    for name, version in {**lost, "bright": bright}.items():
        images.write(tmp_path / f"{name}.png", np.rint(version).astype(np.uint8))
    result = compare_versions(
        match(tmp_path / "in.png", [tmp_path / f"{name}.png" for name in (*lost, "bright")]), lambda: assessor
    )
    ranks = ranking(result)
    assert [rank.version for rank in ranks[:2]] == ["original", "bright"]
    assert ranks[1].detail.mean > 0.8
    assert {rank.version: rank.reason for rank in ranks[2:]} == dict.fromkeys(lost, LOST_DETAIL)
    assert {rank.better for rank in ranks[2:]} == {0}
    assert ranks[2].residual.mean < ranks[0].residual.mean  # By its residual alone it would be first.
    assert "lost detail" in ranking_csv(result, ranks)
    assert "lost detail" in page(result, ranks, {}, [], weights="w")
    assert result.unlike == []


def test_a_version_that_lost_detail_is_first_in_no_resample() -> None:
    result = comparison(np.array([[0.4, 0.1], [0.3, 0.1]]))
    for row in result.figures.values():
        row["method 1"] = replace(row["method 1"], detail=0.1)
    first, last = ranking(result)
    assert (first.version, first.first, last.first, last.lost) == ("original", 1.0, 0.0, 2)


def test_swapped_pictures_are_reported(tmp_path: Path, weights: Path) -> None:
    for seed, other in ((1, 1), (2, 3), (3, 2)):
        for folder, content, level in (("low", seed, 0.3), ("high", other, 1.0)):
            (tmp_path / folder).mkdir(exist_ok=True)
            images.write(tmp_path / folder / f"{seed}.png", (textured(content) * level).astype(np.uint8))
    out = tmp_path / "out"
    command = ["compare", str(tmp_path / "low"), str(tmp_path / "high"), "--weights", str(weights), "--out", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    reported = re.findall(r"(\d)\.png: pictures do not match", result.output)
    assert reported == ["2", "3"]
    assert "pictures do not match" in (out / "compare.html").read_text()
    rows = list(csv.DictReader((out / "pictures.csv").open()))
    assert [row["matches"] for row in rows if row["version"] == "high"] == ["yes", "no", "no"]
