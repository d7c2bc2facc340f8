"""Faults of a criteria file, and the check of its coverage."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from luxel import criteria
from luxel.criteria import Criteria, CriteriaError
from luxel.criteria.condition import Ask, Vocabulary, parse
from luxel.criteria.coverage import Coverage
from luxel.criteria.toml_lines import key_lines, line_of
from stand_ins.criteria_made import HEAD, MOOD, OTHERWISE, WORDS, band, made, write

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
