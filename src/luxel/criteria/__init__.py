"""Scores by anyone's criteria, from one residual map and without training (paper 5.2, appendix A.2, Fig. 9).

    criteria = luxel.criteria.load("fig9")            # or load("my-criteria.toml")
    verdict = criteria.score(assessment.residual)
    verdict.score, verdict.label, verdict.measured, verdict.needs_person

A criteria file is a table of bands, tried from the top; `docs/criteria.md` shows how to write one.
"""

import difflib
from pathlib import Path

from luxel.criteria.reading import read
from luxel.criteria.rules import Criteria
from luxel.criteria.verdict import Band, Need, Step, Verdict, number
from luxel.errors import CriteriaError

__all__ = ["Band", "Criteria", "CriteriaError", "Need", "Step", "Verdict", "load", "names", "number"]

_FOLDER = Path(__file__).with_name("shipped")


def names() -> list[str]:
    """Names of the criteria that come with luxel, the paper's own first.

    >>> names()[0]
    'fig9'
    """
    return sorted((path.stem for path in _FOLDER.glob("*.toml")), key=lambda name: (name != "fig9", name))


def load(name_or_file: str | Path) -> Criteria:
    """Criteria by the name of shipped ones or from a TOML file.

    name_or_file: "fig9", "portrait", ... (`names`), or the path of a criteria file.
    Raises CriteriaError for an unknown name and for a file with any fault, with its line.

    >>> verdict = load("fig9").score([[0.0, 0.0], [0.0, 0.0]])
    >>> verdict.score, verdict.needs_person
    (100.0, ())
    """
    shipped = names()
    if str(name_or_file) in shipped:
        return read(_FOLDER / f"{name_or_file}.toml", str(name_or_file))
    path = Path(name_or_file)
    if path.is_file() or path.suffix.lower() == ".toml":
        return read(path, path.stem)
    near = difflib.get_close_matches(str(name_or_file), shipped, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(shipped)}; or give a .toml file"
    raise CriteriaError(f"{name_or_file}: no such criteria; {hint}")
