"""The language of criteria: conditions, bands, questions, regions, verdicts."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from luxel import criteria
from luxel.criteria import CriteriaError, Verdict
from luxel.criteria.condition import Compare, parse, truth
from stand_ins.criteria_made import MOOD, OTHERWISE, WORDS, band, made, mask, residual_with


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("over < 5 %", "over < 5 %"),
        ("over<.05", "over < 5 %"),
        ("picture.over(high) >= 31%", "over(0.2) >= 31 %"),
        ("face.mean <= low", "face.mean <= -0.2"),
        ("mean > -0.1", "mean > -0.1"),
        ("not (mood or a) and b or over < 1 %", "(not (mood or a) and b) or over < 1 %"),
        ("a and (b or mood)", "a and (b or mood)"),
    ],
)
def test_conditions_read_as_written(text: str, again: str) -> None:
    assert str(parse(text, WORDS)) == again
    assert str(parse(again, WORDS)) == again


def test_thirty_one_percent_is_exactly_that_number() -> None:
    condition = parse("over < 31 %", WORDS)
    assert isinstance(condition, Compare)
    assert condition.value == 31 / 100
    assert not condition.holds(310 / 1000)


@pytest.mark.parametrize("text", ["a and b", "a or b", "not a", "not (a and not b) or mood", "a and (b or mood)"])
def test_truth_is_undecided_exactly_where_the_answers_could_change_it(text: str) -> None:
    condition = parse(text, WORDS)
    names = ("a", "b", "mood")
    for given in product((True, False, None), repeat=3):
        known = dict(zip(names, given, strict=True))
        results = set()
        for full in product((True, False), repeat=3):
            filled = {n: f if known[n] is None else known[n] for n, f in zip(names, full, strict=True)}
            results.add(truth(condition, lambda atom, filled=filled: filled[atom.question]))
        # No atom stands twice in these conditions, so Kleene's logic is exact for them.
        expected = results.pop() if len(results) == 1 else None
        assert truth(condition, lambda atom, known=known: known[atom.question]) is expected


def test_first_match_from_the_top_and_the_answer_when_none_matches(tmp_path: Path) -> None:
    table = made(tmp_path, band("over < 20 %", 90), band("over < 40 %", 70), '[otherwise]\nscore = 5\nlabel = "x"\n')
    assert [table.score(residual_with(over)).score for over in (0.1, 0.2, 0.39, 0.4)] == [90, 70, 70, 5]
    last = table.score(residual_with(0.5))
    assert (last.label, last.band.when, last.band.line) == ("x", None, 13)
    quiet = made(tmp_path, band("over < 20 %", 90), OTHERWISE).score(residual_with(0.5))
    assert quiet.score is None
    assert quiet.scored


def test_thresholds_of_the_file_and_of_a_measure(tmp_path: Path) -> None:
    head = "scale = [0, 1]\n[thresholds]\nover = 0.3\nunder = 0.1\n"
    table = made(tmp_path, band("over < 1 % and under(0.3) < 1 % and either >= 50 %", 1), OTHERWISE, head=head)
    verdict = table.score(residual_with(0.5, 0.5, size=0.2))
    assert verdict.score == 1
    assert {str(m): v for m, v in verdict.measured.items()} == {"over": 0, "under(0.3)": 0, "either": 0.5}


def test_means(tmp_path: Path) -> None:
    table = made(tmp_path, band("mean < -0.1 and shift > 0.1 and mean_abs > 0.4", 1), OTHERWISE)
    verdict = table.score(residual_with(0.7, 0.3, size=0.5))
    assert {str(m): round(v, 6) for m, v in verdict.measured.items()} == {"mean": -0.2, "shift": 0.2, "mean_abs": 0.5}
    assert verdict.score == 1


def test_a_question_is_reported_and_never_guessed(tmp_path: Path) -> None:
    table = made(tmp_path, MOOD, band("mood and over > 5 %", 80, "moody"), band("over <= 50 %", 40), OTHERWISE)
    asked = table.score(residual_with(0.2))
    assert (asked.score, asked.scored) == (40, True)
    assert [(need.name, need.text, need.band.score) for need in asked.needs_person] == [
        ("mood", "Does it serve the mood?", 80)
    ]
    assert str(asked).endswith("a person must answer: mood")
    assert any("needs a person" in line and "for 80" in line for line in asked.explain())
    assert table.score(residual_with(0.2), answers={"mood": True}).score == 80
    assert table.score(residual_with(0.2), answers={"mood": False}).needs == ()
    assert table.score(residual_with(0.01)).needs == (), "decided without the question"
    with pytest.raises(CriteriaError, match=r"no question named 'moody'; its questions: mood"):
        table.score(residual_with(0.2), answers={"moody": True})


def test_regions_are_measured_each_on_its_own(tmp_path: Path) -> None:
    table = made(
        tmp_path,
        '[regions]\nface = "the face"\n',
        band("face.over >= 50 % and over < 10 % and face.area < 11 %"),
        OTHERWISE,
    )
    residual = np.zeros((10, 100), dtype=np.float32)
    residual[:5, :10] = -0.5
    verdict = table.score(residual, {"face": mask(slice(0, 10))})
    assert verdict.score == 50
    assert {str(m): v for m, v in verdict.measured.items()} == {"face.over": 0.5, "over": 0.05, "face.area": 0.1}


def test_without_regions_there_is_no_score_that_depends_on_them(tmp_path: Path) -> None:
    table = made(tmp_path, '[regions]\nface = "x"\n', band("over < 1 %", 100), band("face.over < 5 %", 60), OTHERWISE)
    assert table.score(residual_with(0)).score == 100, "decided before the region matters"
    verdict = table.score(residual_with(0.2))
    assert (verdict.score, verdict.scored) == (None, False)
    assert "no score, it needs: face" in verdict.headline()
    assert verdict.needs[0].text == "region 'face': no regions were given"
    empty = table.score(residual_with(0.2), {"face": mask(slice(0, 0))})
    assert (empty.score, empty.needs[0].text) == (None, "region 'face': there is none of it in this picture")


def test_an_optional_region_that_is_not_there_has_nothing_wrong(tmp_path: Path) -> None:
    regions = '[regions]\nface = { about = "x", optional = true }\n'
    table = made(tmp_path, regions, band("face.either < 5 % and face.area <= 0 %"), OTHERWISE)
    assert table.score(residual_with(0.5), {}).score == 50
    assert table.score(residual_with(0.5), {"face": mask(slice(0, 0))}).score == 50


def test_regions_by_other_names_and_by_what_is_left(tmp_path: Path) -> None:
    regions = '[regions]\nface = { from = ["Human Head", "skin"] }\nrest = { outside = ["face"] }\n'
    table = made(tmp_path, regions, band("face.over > 99 % and rest.over <= 0 % and rest.area >= 70 %"), OTHERWISE)
    given = {"human-head": mask(slice(0, 10)), "skin": mask(slice(10, 30)), "tree": mask(slice(50, 60))}
    residual = np.zeros((10, 100), dtype=np.float32)
    residual[:, :30] = -0.4
    assert table.score(residual, given).score == 50


def test_a_region_that_the_masks_do_not_know_is_rejected_with_the_line(tmp_path: Path) -> None:
    table = made(tmp_path, '[regions]\nface = "x"\n', band("over < 1 %"), band("face.over < 5 %"), OTHERWISE)
    with pytest.raises(CriteriaError, match=r"mine\.toml:11: the band names region 'face', .*given: 'sky', 'tree'\)"):
        table.score(residual_with(0.2), {"tree": mask(slice(0, 5)), "sky": mask(slice(5, 9))})


@pytest.mark.parametrize(
    ("residual", "regions", "image", "expected"),
    [
        (np.zeros(5), None, None, "give float"),
        (np.zeros((5, 5), dtype=int), None, None, "give float"),
        (np.full((5, 5), np.nan), None, None, "not numbers"),
        (np.zeros((5, 5)), {"face": np.zeros((5, 4), dtype=bool)}, None, r"mask 'face' is bool \(5, 4\)"),
        (np.zeros((5, 5)), {"face": np.zeros((5, 5))}, None, "mask 'face' is float64"),
        (np.zeros((5, 5)), None, np.zeros((5, 4, 3)), "give the picture it is of"),
    ],
)
def test_arrays_that_do_not_fit(
    tmp_path: Path, residual: np.ndarray, regions: dict | None, image: np.ndarray | None, expected: str
) -> None:
    collapse = "[collapse]\nblack = 0.05\nwhite = 0.95\nby_map = 0.4\n"
    table = made(tmp_path, collapse, '[regions]\nface = "x"\n', band("face.over < 1 % or black > 5 %"), OTHERWISE)
    with pytest.raises(CriteriaError, match=expected):
        table.score(residual, regions, image=image)


def test_a_verdict_is_plain_json_and_explains_itself() -> None:
    verdict: Verdict = criteria.load("street").score(residual_with(0.1), {"subject": mask(slice(0, 20))})
    row = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert row["criteria"] == "street"
    assert row["measured"]["subject.either"] == 0.1
    lines = verdict.explain()
    assert lines[0].startswith(f"street: {verdict.score:g}, {verdict.label} (line {verdict.band.line})")
    assert any("yes" in line and "subject.either" in line for line in lines) or verdict.band.when is None
    tried = [step.result for step in verdict.steps]
    assert tried[-1] is True
    assert True not in tried[:-1]
