"""Criteria files (TOML) read and checked; every fault is one line with the file and the line number in it."""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

from luxel.criteria.condition import (
    METRICS,
    WHOLE,
    WORDS,
    Compare,
    Condition,
    ConditionError,
    Vocabulary,
    atoms,
    parse,
)
from luxel.criteria.coverage import Coverage, TangledError, in_words
from luxel.criteria.measuring import Collapse, Region
from luxel.criteria.rules import Criteria
from luxel.criteria.toml_lines import Key, key_lines, line_of
from luxel.criteria.verdict import Band
from luxel.errors import CriteriaError
from luxel.jobs.records import open_regular

MAX_FILE = 1_000_000
"""Bytes; a criteria file has a few thousand."""

_KEYS = {
    "": (
        "name",
        "about",
        "source",
        "scale",
        "thresholds",
        "levels",
        "collapse",
        "regions",
        "questions",
        "band",
        "otherwise",
    ),
    "thresholds": ("over", "under"),
    "collapse": ("black", "white", "by_map"),
    "regions": ("about", "from", "outside", "optional"),
    "band": ("score", "label", "when"),
    "otherwise": ("score", "label"),
}
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


def read(path: Path, name: str) -> Criteria:
    """The criteria in a file, checked. name: what to call them in results.

    Raises CriteriaError "FILE:LINE: ..." for a file that is missing, no text, no TOML; for unknown keys and names,
    wrong types and values; for a band that can never match and for values that no band matches (`coverage`).
    """
    try:
        with open_regular(path) as handle:
            data = handle.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise CriteriaError(f"{path}: more than {MAX_FILE} bytes; this is not a criteria file")
        text = data.decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        raise CriteriaError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = 1 + data[: error.start].count(b"\n")
        raise CriteriaError(f"{path}:{line}: not UTF-8 text; a criteria file is TOML") from error
    return _File(path, text).criteria(name)


class _File:
    """One file while it is read."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._lines: dict[Key, int] = {}
        try:
            self._data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            message = re.sub(r" \(at (line \d+, column \d+|end of document)\)", "", str(error))
            found = re.search(r"at line (\d+)", str(error))
            line = int(found[1]) if found else 1 + text.rstrip().count("\n")
            raise CriteriaError(f"{path}:{line}: not valid TOML: {message[0].lower()}{message[1:]}") from None
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits; arrays 5,000 deep
            what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise CriteriaError(f"{path}:1: not valid TOML: {what}") from None
        self._lines = key_lines(text)

    def criteria(self, name: str) -> Criteria:
        self._check_keys("", self._data, ())
        over, under = self._thresholds()
        levels = self._levels()
        collapse = self._collapse(over, under)
        regions = self._regions()
        questions = self._questions()
        self._check_names(levels, regions, questions)
        scale = self._scale()
        bands = self._bands(Vocabulary(levels, frozenset(regions), frozenset(questions)), scale, collapse)
        otherwise = self._otherwise(scale)
        self._check_coverage(bands, otherwise, (over, under))
        return Criteria(
            name=name,
            path=self._path,
            title=self._text_of((), "name", default=name),
            about=self._text_of((), "about", default=""),
            source=self._text_of((), "source", default=""),
            scale=scale,
            over=over,
            under=under,
            levels=levels,
            collapse=collapse,
            regions=regions,
            questions=questions,
            bands=tuple(bands),
            otherwise=otherwise,
        )

    # --- sections ------------------------------------------------------------------------------------------------

    def _thresholds(self) -> tuple[float, float]:
        table = self._table("thresholds")
        if table is None:
            self._fail(
                (),
                "no [thresholds]; write the |residual| beyond which a pixel counts: over = 0.1, under = 0.1",
            )
        over, under = (self._number(("thresholds",), table, key, 0, 1, inside=True) for key in ("over", "under"))
        return over, under

    def _levels(self) -> dict[str, float]:
        table = self._table("levels") or {}
        return {key: self._number(("levels",), table, key, -1, 1) for key in table}

    def _collapse(self, over: float, under: float) -> Collapse | None:
        table = self._table("collapse")
        if table is None:
            return None
        black, white, by_map = (
            self._number(("collapse",), table, key, 0, 1, inside=True) for key in ("black", "white", "by_map")
        )
        if black >= white:
            self._fail(("collapse", "black"), f"black = {black:g} is not below white = {white:g}")
        if by_map <= max(over, under):
            self._fail(("collapse", "by_map"), f"by_map = {by_map:g} must lie beyond both [thresholds]")
        return Collapse(black, white, by_map)

    def _regions(self) -> dict[str, Region]:
        table = self._table("regions") or {}
        regions = {}
        for name, value in table.items():
            key = ("regions", name)
            if isinstance(value, str):
                value = {"about": value}
            if not isinstance(value, dict):
                self._fail(key, f'{name} is {_shown(value)}; write {name} = "what it is", or {{ about = "...", ... }}')
            self._check_keys("regions", value, key)
            regions[name] = Region(
                name,
                self._text_of(key, "about", value, default=""),
                self._strings(key, value, "from") or (name,),
                self._strings(key, value, "outside"),
                self._flag(key, value, "optional"),
            )
        for name, region in regions.items():
            self._check_outside(name, region, regions)
        return regions

    def _check_outside(self, name: str, region: Region, regions: Mapping[str, Region]) -> None:
        for other in region.outside:
            key = ("regions", name, "outside")
            if other not in regions:
                self._fail(key, f"outside names the unknown region {other!r}{_near(other, list(regions))}")
            if other == name or regions[other].outside:
                self._fail(key, f"outside names {other!r}, which is itself defined by what is outside others")

    def _questions(self) -> dict[str, str]:
        table = self._table("questions") or {}
        return {name: self._text_of(("questions",), name, table) for name in table}

    def _check_names(self, *tables: Mapping[str, object]) -> None:
        """Names must be usable in a condition and mean one thing."""
        owners = dict.fromkeys(METRICS, "a measure") | dict.fromkeys(WORDS, "a word of conditions")
        owners[WHOLE] = "the whole picture"
        for section, table in zip(("levels", "regions", "questions"), tables, strict=True):
            for name in table:
                if not _NAME.match(name):
                    self._fail((section, name), f"name {name!r}: use a-z, 0-9 and _, such as {_suggest(name)!r}")
                if name in owners:
                    self._fail((section, name), f"name {name!r} is already {owners[name]}; choose another")
                owners[name] = f"one of [{section}]"

    def _scale(self) -> tuple[float, float]:
        value = self._data.get("scale")
        if not (isinstance(value, list) and len(value) == 2 and all(_is_number(v) for v in value)):
            self._fail(
                ("scale",), f"scale is {_shown(value)}; write the lowest and the highest score: scale = [0, 100]"
            )
        if value[0] >= value[1]:
            self._fail(("scale",), f"scale = {value}: the lowest score comes first")
        return float(value[0]), float(value[1])

    def _bands(self, vocabulary: Vocabulary, scale: tuple[float, float], collapse: Collapse | None) -> list[Band]:
        tables = self._data.get("band")
        if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
            self._fail(("band",), "no bands; write [[band]] with score, label and when, best first")
        bands = []
        for index, table in enumerate(tables):
            key: Key = ("band", index)
            self._check_keys("band", table, key)
            when = self._text_of(key, "when", table)
            try:
                condition = parse(when, vocabulary)
            except ConditionError as error:
                self._fail((*key, "when"), f"when: {error}", below=self._lines_before(when, error.at, (*key, "when")))
            if collapse is None and _uses_collapse(condition):
                self._fail((*key, "when"), "black and white need a [collapse] section: black, white, by_map")
            score = self._score(key, table, scale)
            if score is None:
                self._fail(key, "this band has no score; write score = NUMBER")
            label = self._text_of(key, "label", table)
            bands.append(Band(score, label, line_of(self._lines, key), " ".join(when.split()), condition))
        return bands

    def _otherwise(self, scale: tuple[float, float]) -> Band | None:
        table = self._table("otherwise")
        if table is None:
            return None
        key = ("otherwise",)
        score = self._score(key, table, scale)
        return Band(score, self._text_of(key, "label", table), line_of(self._lines, key))

    def _check_coverage(self, bands: Sequence[Band], otherwise: Band | None, thresholds: tuple[float, float]) -> None:
        conditions = [band.condition for band in bands if band.condition is not None]
        coverage = Coverage(conditions, thresholds)
        index = 0
        try:
            for index in range(len(conditions)):
                if coverage.reach(index) is None:
                    self._fail(("band", index, "when"), _never(bands, index, coverage, thresholds))
            gap = None if otherwise else coverage.gap()
        except TangledError:
            message = "too many measures are combined to check the bands up to this one; split or simplify conditions"
            self._fail(("band", index, "when"), message)
        if gap is not None:
            message = (
                f"no band matches when {in_words(gap)}; widen a band, or add [otherwise] with a label (and a score)"
            )
            self._fail(("band", len(bands) - 1), message)

    # --- values --------------------------------------------------------------------------------------------------

    def _table(self, section: str) -> dict[str, Any] | None:
        value = self._data.get(section)
        if value is None:
            return None
        if not isinstance(value, dict):
            self._fail((section,), f"{section} is {_shown(value)}; write it as a section [{section}]")
        if section in _KEYS and section != "regions":
            self._check_keys(section, value, (section,))
        return value

    def _check_keys(self, section: str, table: Mapping[str, object], key: Key) -> None:
        for name in table:
            if name not in _KEYS[section]:
                known = list(_KEYS[section])
                message = f"unknown key {name!r}{_near(name, known)}; there are {', '.join(known)}"
                self._fail((*key, name), message)

    def _number(
        self, key: Key, table: Mapping[str, Any], name: str, low: float, high: float, *, inside: bool = False
    ) -> float:
        value = table.get(name)
        within = _is_number(value) and (low < value < high if inside else low <= value <= high)
        if not within:
            place = ".".join(str(part) for part in key if isinstance(part, str))
            found = "missing" if name not in table else _shown(value)
            self._fail((*key, name), f"{place}.{name} is {found}; give a number from {low:g} to {high:g}")
        return float(table[name])

    def _score(self, key: Key, table: Mapping[str, Any], scale: tuple[float, float]) -> float | None:
        if "score" not in table:
            return None
        value = table["score"]
        if not _is_number(value) or not scale[0] <= value <= scale[1]:
            self._fail((*key, "score"), f"score is {_shown(value)}; the scale is {scale[0]:g} to {scale[1]:g}")
        return float(value)

    def _text_of(
        self, key: Key, name: str, table: Mapping[str, Any] | None = None, *, default: str | None = None
    ) -> str:
        value = (self._data if table is None else table).get(name, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            found = "missing" if value is None else _shown(value)
            self._fail((*key, name), f'{name} is {found}; write {name} = "..."')
        return value

    def _strings(self, key: Key, table: Mapping[str, Any], name: str) -> tuple[str, ...]:
        value = table.get(name, [])
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            self._fail((*key, name), f'{name} is {_shown(value)}; write a list: {name} = ["...", "..."]')
        return tuple(value)

    def _flag(self, key: Key, table: Mapping[str, Any], name: str) -> bool:
        value = table.get(name, False)
        if not isinstance(value, bool):
            self._fail((*key, name), f"{name} is {_shown(value)}; write true or false")
        return value

    # --- faults --------------------------------------------------------------------------------------------------

    def _fail(self, key: Key, message: str, *, below: int = 0) -> NoReturn:
        raise CriteriaError(f"{self._path}:{line_of(self._lines, key) + below}: {message}")

    def _lines_before(self, when: str, at: int, key: Key) -> int:
        """Lines from the key of a condition to the fault in it, for conditions in triple quotes."""
        first = self._text.splitlines()[line_of(self._lines, key) - 1].rstrip()
        # TOML drops a line end right after the opening quotes.
        dropped = 1 if first.endswith(('"""', "'''")) and first.count(first[-3:]) == 1 else 0
        return when[:at].count("\n") + (dropped if "\n" in when or dropped else 0)


def _never(bands: Sequence[Band], index: int, coverage: Coverage, thresholds: tuple[float, float]) -> str:
    """Why a band can never match: it contradicts itself, or the bands above it take everything."""
    if not coverage.possible(index):
        return "this band can never match: its condition contradicts itself"
    for above in range(index):
        pair = [band.condition for band in (bands[above], bands[index]) if band.condition is not None]
        if Coverage(pair, thresholds).reach(1) is None:
            return f"this band can never match: the band of line {bands[above].line} takes all that it would"
    lines = f"{bands[0].line} to {bands[index - 1].line}"
    return f"this band can never match: the bands of lines {lines} together take all that it would"


def _uses_collapse(condition: Condition) -> bool:
    return any(isinstance(atom, Compare) and atom.measure.metric in ("black", "white") for atom in atoms(condition))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _shown(value: object) -> str:
    """A value of a file in a message, short and on one line."""
    if value is None:
        return "missing"
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _suggest(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return plain if _NAME.match(plain) else f"region_{plain}" if plain else "face"
