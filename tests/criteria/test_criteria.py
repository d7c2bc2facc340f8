"""Criteria: Fig. 9, what a condition means, what a file may not say, and that the check of bands tells the truth."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from luxel import criteria
from luxel.criteria import Criteria, CriteriaError, Verdict
from luxel.criteria.condition import Ask, Compare, Vocabulary, parse, truth
from luxel.criteria.coverage import Coverage
from luxel.criteria.toml_lines import key_lines, line_of

HEAD = "scale = [0, 100]\n[thresholds]\nover = 0.1\nunder = 0.1\n"
OTHERWISE = '[otherwise]\nlabel = "none"\n'
SHIPPED = ["fig9", "ecommerce", "landscape", "night", "portrait", "street"]


def band(when: str, score: float = 50, label: str = "a band") -> str:
    return f'[[band]]\nscore = {score}\nlabel = "{label}"\nwhen = "{when}"\n'


def write(folder: Path, *parts: str, head: str = HEAD) -> Path:
    path = folder / "mine.toml"
    path.write_text(head + "".join(parts), encoding="utf-8")
    return path


def made(folder: Path, *parts: str, head: str = HEAD) -> Criteria:
    return criteria.load(write(folder, *parts, head=head))


def residual_with(over: float = 0.0, under: float = 0.0, size: float = 0.5, pixels: int = 1000) -> np.ndarray:
    """A map with these shares of pixels at -size and +size, 0 elsewhere."""
    values = np.zeros(pixels, dtype=np.float32)
    values[: round(over * pixels)] = -size
    values[pixels - round(under * pixels) :] = size
    return values.reshape(10, -1)


def scene_of_figure_9() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Five regions that are 12, 37, 12, 37 and 11 % wrong, so that 31 % of all is."""
    residual = np.zeros(10_000, dtype=np.float32)
    masks = {}
    start = 0
    for name, pixels, wrong in (("a", 600, 72), ("b", 3800, 1406), ("c", 600, 72), ("d", 3800, 1406), ("e", 1200, 132)):
        masks[name] = np.zeros(10_000, dtype=bool)
        masks[name][start : start + pixels] = True
        residual[start : start + wrong] = 0.4 if name in "ac" else -0.4
        start += pixels
    return residual.reshape(100, 100), {name: mask.reshape(100, 100) for name, mask in masks.items()}


# --- Fig. 9 ---------------------------------------------------------------------------------------------------------


def test_the_worked_example_of_figure_9() -> None:
    residual, masks = scene_of_figure_9()
    table = criteria.load("fig9")
    shares = {name: table.score(residual[mask][None]).measured for name, mask in masks.items()}
    printed = [round(100 * next(v for m, v in of.items() if str(m) == "either")) for of in shares.values()]
    assert printed == [12, 37, 12, 37, 11]
    verdict = table.score(residual)
    assert {str(m): round(100 * v) for m, v in verdict.measured.items()}["either"] == 31
    assert verdict.score == 40
    assert "30 %" in verdict.label
    assert verdict.needs == ()


@pytest.mark.parametrize("size", [0.3, 0.4, 0.5, 0.6])
@pytest.mark.parametrize(("over", "under"), [(0.31, 0), (0, 0.31), (0.2, 0.11)])
def test_a_third_wrong_is_40_however_wrong_and_to_whichever_side(over: float, under: float, size: float) -> None:
    assert criteria.load("fig9").score(residual_with(over, under, size)).score == 40


def test_figure_9_by_area() -> None:
    table = criteria.load("fig9")
    scores = [table.score(residual_with(under=share, size=0.3)).score for share in (0, 0.03, 0.07, 0.1, 0.2, 0.3)]
    assert scores == [100, 90, 80, 70, 60, 40]
    assert table.score(residual_with(0.3, 0.3, 0.3)).score == 20
    assert table.score(residual_with(0.5, 0.5, 0.5)).score == 10


def test_figure_9_by_degree_of_an_even_shift() -> None:
    table = criteria.load("fig9")
    even = [np.full((8, 8), shift, dtype=np.float32) for shift in (0.0, 0.1, 0.17, 0.19, 0.21, 0.24, 0.3, 0.39)]
    assert [table.score(r).score for r in even] == [100, 100, 70, 60, 50, 30, 20, 10]
    assert [table.score(-r).score for r in even] == [100, 100, 70, 60, 50, 30, 20, 10]


@pytest.mark.parametrize(("share", "size", "rest", "score"), [(0.25, 0.4, 0.15, 50), (0.35, 0.5, 0.15, 30)])
@pytest.mark.parametrize("sign", [1, -1])
def test_figure_9_by_degree_at_a_moderate_area(share: float, size: float, rest: float, score: int, sign: int) -> None:
    residual = np.full((10, 100), sign * rest, dtype=np.float32)
    residual.reshape(-1)[: round(share * 1000)] = sign * size
    assert criteria.load("fig9").score(residual).score == score


@pytest.mark.parametrize("sides", ["over", "under", "both", "under beside 20 % over"])
@pytest.mark.parametrize("rest", [0.0, 0.1, 0.17, 0.24])
def test_figure_9_never_gives_the_worse_picture_more(sides: str, rest: float) -> None:
    """Over a grid of area x degree, the rest of the picture right or a little off."""
    areas, sizes = np.linspace(0, 0.8, 41), np.linspace(0.25, 1, 26)
    table = criteria.load("fig9")
    scores = np.zeros((len(areas), len(sizes)))
    for (i, area), (j, size) in product(enumerate(areas), enumerate(sizes)):
        over, under = {
            "over": (area, 0.0),
            "under": (0.0, area),
            "both": (area / 2, area / 2),
            "under beside 20 % over": (0.2, area),
        }[sides]
        residual = residual_with(over, under, size)
        residual[residual == 0] = rest if sides != "over" else -rest
        score = table.score(residual).score
        assert score is not None
        scores[i, j] = score
    assert np.all(np.diff(scores, axis=0) <= 0), "more area, higher score"
    assert np.all(np.diff(scores, axis=1) <= 0), "higher degree, higher score"
    assert len(np.unique(scores)) >= 3


RESIDUALS = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@for_any(RESIDUALS, st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12))
def test_figure_9_never_gives_more_when_pixels_move_away_from_right(values: list[float], further: list[float]) -> None:
    before = np.array([values], dtype=np.float32)
    away = np.where(before < 0, -1, 1) * np.array([further[: len(values)]], dtype=np.float32)
    table = criteria.load("fig9")
    low, high = table.score(np.clip(before + away, -1, 1)).score, table.score(before).score
    assert low is not None
    assert high is not None
    assert low <= high


def test_the_bands_of_fig9_stand_in_falling_order_and_have_upper_limits_only() -> None:
    empty, *rest = criteria.load("fig9").bands
    assert empty.score == 0
    scores = [b.score for b in rest]
    assert scores == [100, 90, 80, 70, 60, 50, 40, 30, 20]
    for b in rest:
        assert b.when is not None
        assert set(b.when.split()) & {">", ">=", "or", "not", "shift", "over", "under"} == set()


def test_black_and_white_pictures_get_0() -> None:
    table = criteria.load("fig9")
    for value, wanted in ((0.0, 0.5), (1.0, -0.5)):
        image = np.full((8, 8, 3), value, dtype=np.float32)
        residual = np.full((8, 8), wanted, dtype=np.float32)
        assert table.score(residual, image=image).score == 0
        assert table.score(residual).score == 0, "the map alone must do"
    dark = np.full((8, 8, 3), 0.1, dtype=np.float32)
    assert table.score(np.full((8, 8), 0.45, dtype=np.float32), image=dark).score == 10, "dark is not black"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_criteria_are_sound_and_complete(name: str) -> None:
    table = criteria.load(name)
    assert table.about
    assert table.source
    assert table.scale == (0, 100)
    rng = np.random.default_rng(3)
    masks = {region: rng.random((10, 10)) < 0.5 for region in table.regions}
    for _ in range(60):
        residual = np.clip(rng.normal(rng.uniform(-0.5, 0.5), rng.uniform(0, 0.3), (10, 10)), -1, 1)
        verdict = table.score(residual.astype(np.float32), masks or None)
        assert verdict.scored
        assert verdict.score is not None


def test_names_lists_the_shipped_ones() -> None:
    assert criteria.names() == SHIPPED


PURPOSES = [  # facts of the published tables: what is wrong where, and the score
    ("landscape", {}, {}, 100),
    ("landscape", {"": (0.03, 0)}, {}, 80),
    ("landscape", {"": (0, 0.1)}, {}, 60),
    ("landscape", {"": (0.1, 0.1)}, {}, 40),
    ("landscape", {"": (0.3, 0)}, {}, 20),
    ("landscape", {"": (0.25, 0.25)}, {}, 10),
    ("portrait", {"background": (0.05, 0)}, {}, 100),
    ("portrait", {"background": (0.2, 0)}, {}, 90),
    ("portrait", {"face": (0, 0.05)}, {}, 80),
    ("portrait", {"face": (0, 0.1)}, {}, 60),
    ("portrait", {"face": (0.2, 0)}, {}, 40),
    ("portrait", {"face": (0.4, 0)}, {}, 20),
    ("street", {"background": (0, 0.3)}, {}, 100),
    ("street", {"subject": (0, 0.08)}, {}, 80),
    ("street", {"background": (0, 0.45)}, {"mood": True}, 80),
    ("street", {"subject": (0.15, 0)}, {}, 60),
    ("street", {"background": (0.3, 0)}, {}, 40),
    ("street", {"background": (0, 1), "subject": (0, 0.05)}, {}, 20),
    ("street", {"background": (0, 1), "subject": (0, 0.05)}, {"intended": True}, 60),
    ("night", {"": (0.03, 0.4)}, {}, 100),
    ("night", {"": (0.07, 0)}, {}, 80),
    ("night", {"": (0.15, 0)}, {}, 60),
    ("night", {}, {"turned_to_day": True}, 60),
    ("night", {"": (0.3, 0)}, {}, 40),
    ("night", {"": (0.6, 0)}, {}, 20),
    ("ecommerce", {"background": (0.4, 0)}, {}, 100),
    ("ecommerce", {"product": (0, 0.04)}, {}, 80),
    ("ecommerce", {"product": (0.05, 0.05)}, {}, 60),
    ("ecommerce", {"product": (0.25, 0)}, {}, 40),
    ("ecommerce", {"product": (0, 0.25)}, {}, 20),
    ("ecommerce", {}, {"unrecognisable": True}, 0),
]


@pytest.mark.parametrize(("name", "wrong", "answers", "score"), PURPOSES)
def test_purposes(name: str, wrong: dict, answers: dict, score: float) -> None:
    table = criteria.load(name)
    regions = [region for region in table.regions if region != "body"] or [""]
    parts = [residual_with(*wrong.get(region, (0, 0)), size=0.42) for region in regions]
    masks = {}
    for place, region in enumerate(regions):
        masks[region] = np.zeros((10, 100 * len(regions)), dtype=bool)
        masks[region][:, 100 * place : 100 * (place + 1)] = True
    verdict = table.score(np.hstack(parts), masks if table.regions else None, answers=answers)
    assert verdict.score == score, verdict.explain()


# --- the language ---------------------------------------------------------------------------------------------------

WORDS = Vocabulary({"high": 0.2, "low": -0.2}, frozenset({"face"}), frozenset({"mood", "a", "b"}))


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


# --- questions and regions ------------------------------------------------------------------------------------------

MOOD = '[questions]\nmood = "Does it serve the mood?"\n'


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


def mask(columns: slice) -> np.ndarray:
    found = np.zeros((10, 100), dtype=bool)
    found[:, columns] = True
    return found


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


# --- faults of a file -----------------------------------------------------------------------------------------------

REGION = '[regions]\nface = "x"\n'
FAULTS = [
    ("scale = [0\n", 1, "not valid TOML"),
    ('scale = [0, 100]\nnames = "x"\n', 2, "unknown key 'names', did you mean 'name'?"),
    ("scale = [0, 100]\n", 1, "no [thresholds]"),
    ("scale = [0, 100]\nthresholds = 0.1\n", 2, "write it as a section [thresholds]"),
    ("scale = [0, 100]\n[thresholds]\nover = 0.1\nunder = 1.5\n", 4, "thresholds.under is 1.5"),
    ("scale = [0, 100]\n[thresholds]\nover = 0.1\n", 2, "thresholds.under is missing"),
    ("scale = [100, 0]\n[thresholds]\nover = 0.1\nunder = 0.1\n", 1, "the lowest score comes first"),
    ("[thresholds]\nover = 0.1\nunder = 0.1\n", 1, "scale is missing"),
    (HEAD, 1, "no bands"),
    (HEAD + "[band]\nscore = 1\n", 5, "no bands; write [[band]]"),
    (HEAD + OTHERWISE, 1, "no bands"),
    (HEAD + '[[band]]\nscore = 1\nlabel = "x"\n' + OTHERWISE, 5, "when is missing"),
    (HEAD + '[[band]]\nlabel = "x"\nwhen = "over < 1 %"\n' + OTHERWISE, 5, "this band has no score"),
    (HEAD + '[[band]]\nscore = 1\nwhen = "over < 1 %"\n' + OTHERWISE, 5, "label is missing"),
    (HEAD + band("over < 1 %", 101) + OTHERWISE, 6, "score is 101; the scale is 0 to 100"),
    (HEAD + band("over < 1 %") + "[otherwise]\nscore = 1\n", 9, "label is missing"),
    (HEAD + '[[band]]\nscore = 1\nlabel = "x"\nwhen = 3\n' + OTHERWISE, 8, "when is 3"),
    (HEAD + '[[band]]\nscore = 1\nlabel = "x"\nwehn = "over < 1 %"\n' + OTHERWISE, 8, "unknown key 'wehn', did you"),
    (HEAD + band("ovre < 1 %") + OTHERWISE, 8, "unknown measure 'ovre', did you mean 'over'?"),
    (HEAD + band("face.over < 1 %") + OTHERWISE, 8, "unknown region 'face'; the file has no [regions]"),
    (HEAD + REGION + band("faec.over < 1 %") + OTHERWISE, 10, "unknown region 'faec', did you mean 'face'?"),
    (HEAD + REGION + band("face < 1 %") + OTHERWISE, 10, "'face' is a region; say what of it"),
    (HEAD + band("over < slight") + OTHERWISE, 8, "unknown level 'slight'; the file has no [levels]"),
    (HEAD + "[levels]\nslightly = 0.1\n" + band("mean < slight") + OTHERWISE, 10, "did you mean 'slightly'?"),
    (HEAD + band("over < 20") + OTHERWISE, 8, "write 20 %"),
    (HEAD + band("mean < 20 %") + OTHERWISE, 8, "mean is a residual, not a share"),
    (HEAD + band("5 % < over") + OTHERWISE, 8, "write the measure first"),
    (HEAD + band("over = 5 %") + OTHERWISE, 8, "compare with <, <=, > or >="),
    (HEAD + band("over < 5 % && under < 1 %") + OTHERWISE, 8, 'write "and", "or", "not"'),
    (HEAD + band("(over < 5 %") + OTHERWISE, 8, "expected ')'"),
    (HEAD + band("over < 5 % under < 1 %") + OTHERWISE, 8, 'expected "and", "or" or the end'),
    (HEAD + band("over <") + OTHERWISE, 8, "expected a number or a level"),
    (HEAD + band("over(0) < 5 %") + OTHERWISE, 8, "a threshold is a residual between 0 and 1"),
    (HEAD + band("mean(0.2) < 0.1") + OTHERWISE, 8, "mean has no threshold"),
    (HEAD + band("area < 5 %") + OTHERWISE, 8, "write REGION.area"),
    (HEAD + band("black > 5 %") + OTHERWISE, 8, "need a [collapse] section"),
    (HEAD + "[collapse]\nblack = 0.9\nwhite = 0.5\nby_map = 0.4\n", 6, "black = 0.9 is not below white"),
    (HEAD + "[collapse]\nblack = 0.1\nwhite = 0.5\nby_map = 0.05\n", 8, "must lie beyond both [thresholds]"),
    (HEAD + "[regions]\nface = 3\n", 6, "face is 3"),
    (HEAD + '[regions]\nface = { form = "x" }\n', 6, "unknown key 'form', did you mean 'from'?"),
    (HEAD + '[regions]\nface = { from = "x" }\n', 6, "write a list"),
    (HEAD + '[regions]\nface = { optional = "yes" }\n', 6, "write true or false"),
    (HEAD + '[regions]\nface = { outside = ["body"] }\n', 6, "outside names the unknown region 'body'"),
    (HEAD + '[regions]\nface = { outside = ["face"] }\n', 6, "itself defined by what is outside"),
    (HEAD + '[regions]\n"Blue sky" = "x"\n', 6, "such as 'blue_sky'"),
    (HEAD + "[levels]\nover = 0.2\n", 6, "name 'over' is already a measure"),
    (HEAD + '[levels]\nface = 0.2\n[regions]\nface = "x"\n', 8, "name 'face' is already one of [levels]"),
    (HEAD + "[questions]\nmood = 3\n", 6, "mood is 3"),
    # bands that can never match, and values that no band matches
    (HEAD + band("over < 5 % and over > 6 %") + OTHERWISE, 8, "its condition contradicts itself"),
    (HEAD + band("over < 5 %") + band("over < 3 % and under < 1 %") + OTHERWISE, 12, "the band of line 5 takes all"),
    (HEAD + band("over < 5 %") + band("either < 5 %") + OTHERWISE, 12, "the band of line 5 takes all"),
    (HEAD + band("over < 5 %") + band("over >= 5 %") + band("under < 5 %") + OTHERWISE, 16, "of lines 5 to 9 together"),
    (HEAD + band("over < 5 %"), 5, "no band matches when over = 52.5 %"),
    (HEAD + band("over < 5 %") + band("over > 10 %"), 9, "no band matches when over = 7.5 %"),
    (HEAD + band("over < 5 %") + band("over > 5 %"), 9, "no band matches when over = 5 %"),
    (HEAD + MOOD + band("mood or over < 5 %"), 7, "no band matches when mood = no, over = 52.5 %"),
]


@pytest.mark.parametrize(("text", "line", "expected"), FAULTS)
def test_a_faulty_file_is_rejected_in_one_line_with_its_line(
    tmp_path: Path, text: str, line: int, expected: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CriteriaError) as caught:
        criteria.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: "), message
    assert expected in message
    assert "\n" not in message


def test_files_that_are_not_criteria(tmp_path: Path) -> None:
    with pytest.raises(CriteriaError, match="no such criteria; did you mean 'portrait'"):
        criteria.load("portait")
    with pytest.raises(CriteriaError, match="no such criteria; there are fig9, "):
        criteria.load("xyz")
    with pytest.raises(CriteriaError, match=r"gone\.toml: cannot be read: No such file"):
        criteria.load(tmp_path / "gone.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"name = 1\n\xff\xfe")
    with pytest.raises(CriteriaError, match=r"binary\.toml:2: not UTF-8"):
        criteria.load(binary)
    binary.write_bytes(b"#" * 2_000_000)
    with pytest.raises(CriteriaError, match="not a criteria file"):
        criteria.load(binary)


def test_a_fault_inside_triple_quotes_is_found_on_its_line(tmp_path: Path) -> None:
    for opening, line in (('"""', 9), ('"""\n', 10)):
        path = write(
            tmp_path, f'[[band]]\nscore = 1\nlabel = "x"\nwhen = {opening}over < 5 %\nand foo > 1 %"""\n', OTHERWISE
        )
        with pytest.raises(CriteriaError, match=rf":{line}: when: unknown measure 'foo'"):
            criteria.load(path)


def test_lines_of_keys() -> None:
    text = '# [not.a.header]\na = """\n[[band]]\nx = 1\n"""\n[[band]]\n"b c" = [\n  1,\n  2 ] # c\n'
    text += "d.e = { f = 1 }\n[[band]]\n[x.y]\nz=1"
    lines = key_lines(text)
    assert lines == {
        ("a",): 2,
        ("band", 0): 6,
        ("band", 0, "b c"): 7,
        ("band", 0, "d", "e"): 10,
        ("band", 1): 11,
        ("x", "y"): 12,
        ("x", "y", "z"): 13,
    }
    assert line_of(lines, ("band", 1, "score")) == 11
    assert line_of(lines, ("nothing",)) == 1


def test_coverage_knows_how_measures_hang_together(tmp_path: Path) -> None:
    # No gap: mean is at least as large as shift says, and over excludes under.
    made(tmp_path, band("shift < 0.2"), band("mean >= 0.2"), band("mean <= -0.2"))
    made(tmp_path, band("over < 50 %"), band("under <= 50 %"))
    made(tmp_path, band("over(0.3) > 10 %"), band("over(0.2) <= 10 %"), band("either > 10 %"))
    made(tmp_path, band("mean_abs < 0.1"), band("shift >= 0.1"), band("mean_abs > 0.05"))
    with pytest.raises(CriteriaError, match="contradicts itself"):
        made(tmp_path, band("over > 60 % and under > 60 %"), OTHERWISE)
    with pytest.raises(CriteriaError, match="contradicts itself"):
        made(tmp_path, band("either > 60 % and over < 20 % and under < 20 %"), OTHERWISE)


MEASURES = ("over", "under", "either", "over(0.3)", "mean", "shift", "mean_abs")
COMPARISONS = st.builds(
    lambda measure, sign, value: f"{measure} {sign} {value}",
    st.sampled_from(MEASURES),
    st.sampled_from(("<", "<=", ">", ">=")),
    st.sampled_from(("0", "0.1", "0.3", "0.6", "1")),
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a} and {b})", inner, inner),
        st.builds(lambda a, b: f"({a} or {b})", inner, inner),
        inner.map(lambda a: f"not {a}"),
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@for_any(st.lists(CONDITIONS, min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_the_check_never_contradicts_a_map(texts: list[str], seed: int) -> None:
    """Whatever map comes: a band called unreachable is not its first match, and a file without gap has a match."""
    words = Vocabulary({}, frozenset(), frozenset())
    conditions = [parse(text, words) for text in texts]
    coverage = Coverage(conditions, (0.1, 0.1))
    reachable = [coverage.reach(index) is not None for index in range(len(conditions))]
    gap = coverage.gap()
    rng = np.random.default_rng(seed)
    table = Criteria("x", Path("x"), "", "", "", (0, 1), 0.1, 0.1, {}, None, {}, {}, _bands(conditions), None)
    for _ in range(25):
        levels = rng.choice([-1.0, -0.6, -0.35, -0.2, -0.05, 0.0, 0.05, 0.2, 0.35, 0.6, 1.0], rng.integers(1, 6))
        verdict = table.score(levels[None].astype(np.float32))
        if verdict.band.condition is None:
            assert gap is not None
        else:
            assert reachable[int(verdict.band.score or 0)]


def _bands(conditions: list) -> tuple[criteria.Band, ...]:
    return tuple(criteria.Band(float(i), "", 1, str(c), c) for i, c in enumerate(conditions))


def test_too_tangled_a_file_is_rejected_and_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luxel.criteria.coverage.MAX_STEPS", 10)
    parts = (f"(over(0.{n}) < 50 % or under(0.{n}) < 50 %)" for n in range(2, 9))
    with pytest.raises(CriteriaError, match=r"mine\.toml:12: too many measures are combined"):
        made(tmp_path, band("mean < 0.1"), band(" and ".join(parts) + " and mean < 0.2"), OTHERWISE)


def test_questions_are_atoms() -> None:
    assert parse("mood", WORDS) == Ask("mood")
