"""The language of criteria: `either < 20 % and (face.over(high) < 5 % or mood)`, parsed into a small tree.

    condition  = part { "or" part }              part = step { "and" step }
    step       = [ "not" ] ( "(" condition ")" | comparison | QUESTION )
    comparison = measure ( "<" | "<=" | ">" | ">=" ) value
    measure    = [ REGION "." ] METRIC [ "(" value ")" ]
    value      = [ "-" ] ( NUMBER [ "%" ] | LEVEL )

A question is something no map decides, so truth has three values: True, False and None, undecided (Kleene's logic).
"""

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

MetricKind = Literal["share", "residual"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that a map gives for a region. kind: a share of area, or a residual. about: for people."""

    kind: MetricKind
    lowest: float
    about: str
    takes_threshold: bool = False


METRICS: dict[str, Metric] = {
    "over": Metric("share", 0.0, "share of area with r < -threshold", takes_threshold=True),
    "under": Metric("share", 0.0, "share of area with r > threshold", takes_threshold=True),
    "either": Metric("share", 0.0, "over and under together", takes_threshold=True),
    "mean": Metric("residual", -1.0, "mean of r: above 0 too dark, below 0 too bright"),
    "shift": Metric("residual", 0.0, "size of that mean, whatever its sign"),
    "mean_abs": Metric("residual", 0.0, "mean of the size of r"),
    "black": Metric("share", 0.0, "share of area lost to black"),
    "white": Metric("share", 0.0, "share of area lost to white"),
    "area": Metric("share", 0.0, "share of the picture that the region covers; 0 if there is none of it"),
}
"""Every number a condition can ask for; the highest value of each is 1."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
WORDS = frozenset({"and", "or", "not"})
WHOLE = "picture"
"""Region name of the whole picture; `picture.over` is the same as `over`."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of one region. region: None is the whole picture. threshold: None is that of the file."""

    metric: str
    region: str | None = None
    threshold: float | None = None

    def __str__(self) -> str:
        place = f"{self.region}." if self.region else ""
        return f"{place}{self.metric}" + (f"({self.threshold:g})" if self.threshold is not None else "")

    def number(self, value: float) -> str:
        """A value of this measure for people: "31.0 %" or "+0.123"."""
        if METRICS[self.metric].kind == "share":
            return f"{100 * value:.1f} %"
        return f"{value:+.3f}" if self.metric == "mean" else f"{value:.3f}"


@dataclass(frozen=True, slots=True)
class Compare:
    """measure sign value."""

    measure: Measure
    sign: str
    value: float

    def holds(self, measured: float) -> bool:
        """Whether a measured number satisfies the comparison."""
        return _COMPARE[self.sign](measured, self.value)

    def __str__(self) -> str:
        share = METRICS[self.measure.metric].kind == "share"
        return f"{self.measure} {self.sign} " + (f"{100 * self.value:.10g} %" if share else f"{self.value:g}")


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that only a person can answer."""

    question: str

    def __str__(self) -> str:
        return self.question


@dataclass(frozen=True, slots=True)
class Not:
    """True where its part is false."""

    part: "Condition"

    def __str__(self) -> str:
        return f"not {_bracketed(self.part)}"


@dataclass(frozen=True, slots=True)
class All:
    """Parts joined by "and"."""

    parts: tuple["Condition", ...]

    def __str__(self) -> str:
        return " and ".join(map(_bracketed, self.parts))


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Parts joined by "or"."""

    parts: tuple["Condition", ...]

    def __str__(self) -> str:
        return " or ".join(map(_bracketed, self.parts))


Atom = Compare | Ask
Condition = Atom | Not | All | AnyOf


def truth(condition: Condition, known: Callable[[Atom], bool | None]) -> bool | None:
    """Whether a condition holds; None where that depends on something undecided. known: the same for its atoms."""
    match condition:
        case Not(part):
            inner = truth(part, known)
            return None if inner is None else not inner
        case All(parts) | AnyOf(parts):
            deciding = isinstance(condition, AnyOf)  # one True decides "or", one False decides "and"
            results = [truth(part, known) for part in parts]
            if deciding in results:
                return deciding
            return None if None in results else not deciding
        case _:
            return known(condition)


def atoms(condition: Condition) -> Iterator[Atom]:
    """Every comparison and question of a condition, in the order written."""
    match condition:
        case Not(part):
            yield from atoms(part)
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from atoms(part)
        case _:
            yield condition


def deciding(condition: Condition, known: Callable[[Atom], bool | None]) -> Iterator[Atom]:
    """The atoms that make a condition what it is: the false ones of a false "and", the open ones of an open one ..."""
    value = truth(condition, known)
    match condition:
        case Not(part):
            yield from deciding(part, known)
        case All(parts) | AnyOf(parts):
            for part in parts:
                if truth(part, known) is value:
                    yield from deciding(part, known)
        case _:
            yield condition


class ConditionError(ValueError):
    """A condition that cannot be read. at: offset of the fault in the text."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names a criteria file has defined. levels: name -> number, such as "slightly" -> 0.15."""

    levels: Mapping[str, float]
    regions: frozenset[str]
    questions: frozenset[str]


def parse(text: str, vocabulary: Vocabulary) -> Condition:
    """The tree of a condition. Raises ConditionError: bad grammar, an unknown name, a value outside its range."""
    return _Parser(text, vocabulary).parse()


MAX_DEPTH = 50
"""Brackets and nots inside each other that a condition may have."""

_TOKEN = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign><=|>=|<|>|[().%-])|(?P<bad>\S)")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Parser:
    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._names = vocabulary
        self._tokens = [_Token(str(m.lastgroup), m[0], m.start()) for m in _TOKEN.finditer(text)]
        self._end = _Token("end", "the end", len(text))
        for token in self._tokens:
            if token.kind == "bad":
                hint = '; write "and", "or", "not"' if token.text in "&|!" else ""
                hint = "; compare with <, <=, > or >=" if token.text == "=" else hint
                raise ConditionError(f"{token.text!r} is not allowed here{hint}", token.at)
        self._place = 0
        self._depth = 0

    def parse(self) -> Condition:
        if not self._tokens:
            raise ConditionError("the condition is empty; write one such as: either < 10 %", 0)
        condition = self._alternatives()
        if self._next is not self._end:
            raise ConditionError(f'expected "and", "or" or the end, found {self._next.text!r}', self._next.at)
        return condition

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place] if self._place < len(self._tokens) else self._end

    def _take(self, *texts: str) -> _Token | None:
        token = self._next
        if token is self._end or token.text not in texts:
            return None
        self._place += 1
        return token

    def _need(self, text: str, after: str) -> None:
        if not self._take(text):
            raise ConditionError(f"expected {text!r} after {after}, found {self._next.text!r}", self._next.at)

    def _alternatives(self) -> Condition:
        parts = [self._sequence()]
        while self._take("or"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _sequence(self) -> Condition:
        parts = [self._step()]
        while self._take("and"):
            parts.append(self._step())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _step(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ConditionError(f"more than {MAX_DEPTH} brackets and nots inside each other", self._next.at)
        try:
            return self._single()
        finally:
            self._depth -= 1

    def _single(self) -> Condition:
        if self._take("not"):
            return Not(self._step())
        if self._take("("):
            inner = self._alternatives()
            self._need(")", "the condition in brackets")
            return inner
        if self._next.kind == "name" and self._next.text in self._names.questions:
            self._place += 1
            return Ask(self._tokens[self._place - 1].text)
        return self._comparison()

    def _comparison(self) -> Compare:
        token = self._next
        if token.kind == "number" or token.text in self._names.levels or token.text == "-":
            raise ConditionError(f"{token.text!r} comes first; write the measure first: over >= 5 %", token.at)
        measure = self._measure()
        sign = self._take(*_COMPARE)
        if sign is None:
            raise ConditionError(
                f"expected <, <=, > or >= after {str(measure)!r}, found {self._next.text!r}", self._next.at
            )
        at = self._next.at
        value, percent = self._value()
        metric = METRICS[measure.metric]
        if percent and metric.kind == "residual":
            raise ConditionError(f"{measure.metric} is a residual, not a share; write a number such as 0.2", at)
        if not metric.lowest <= value <= 1.0:
            remedy = f"write {value:g} %" if metric.kind == "share" and value <= 100 else "fix the value"
            raise ConditionError(f"{measure.metric} runs from {metric.lowest:g} to 1, not to {value:g}; {remedy}", at)
        return Compare(measure, sign.text, value)

    def _measure(self) -> Measure:
        token = self._name("a measure")
        region: str | None = None
        if self._take("."):
            if token.text != WHOLE and token.text not in self._names.regions:
                known = sorted(self._names.regions)
                known_names = f"[regions] has {', '.join(known)}" if known else "the file has no [regions]"
                raise ConditionError(
                    f"unknown region {token.text!r}{_near(token.text, known)}; {known_names}", token.at
                )
            region = None if token.text == WHOLE else token.text
            token = self._name(f"a measure of {token.text!r}")
        if token.text not in METRICS:
            raise self._unknown(token)
        if token.text == "area" and region is None:
            raise ConditionError("area is that of a region; write REGION.area", token.at)
        threshold: float | None = None
        bracket = self._take("(")
        if bracket:
            at = self._next.at
            threshold, percent = self._value()
            if not METRICS[token.text].takes_threshold:
                raise ConditionError(f"{token.text} has no threshold; remove the brackets", bracket.at)
            if percent or not 0.0 < threshold < 1.0:
                raise ConditionError("a threshold is a residual between 0 and 1, such as 0.3", at)
            self._need(")", "the threshold")
        return Measure(token.text, region, threshold)

    def _name(self, what: str) -> _Token:
        token = self._next
        if token.kind != "name" or token.text in WORDS:
            raise ConditionError(f"expected {what}, found {token.text!r}", token.at)
        self._place += 1
        return token

    def _unknown(self, token: _Token) -> ConditionError:
        known = [*METRICS, *sorted(self._names.questions)]
        if token.text in self._names.regions or token.text == WHOLE:
            return ConditionError(
                f"{token.text!r} is a region; say what of it: {token.text}.over, .under, ...", token.at
            )
        return ConditionError(
            f"unknown measure {token.text!r}{_near(token.text, known)}; there are {', '.join(known)}", token.at
        )

    def _value(self) -> tuple[float, bool]:
        """The number and whether it was written in percent."""
        negative = self._take("-") is not None
        token = self._next
        if token.kind == "number":
            value = float(token.text)
        elif token.kind == "name" and token.text in self._names.levels:
            value = self._names.levels[token.text]
        elif token.kind == "name" and token.text not in WORDS:
            known = sorted(self._names.levels)
            known_names = f"[levels] has {', '.join(known)}" if known else "the file has no [levels]"
            raise ConditionError(f"unknown level {token.text!r}{_near(token.text, known)}; {known_names}", token.at)
        else:
            raise ConditionError(f"expected a number or a level, found {token.text!r}", token.at)
        self._place += 1
        percent = self._take("%") is not None
        if percent:
            # 31 / 100 and 0.31 are the same double; 31 * 0.01 is not.
            value /= 100
        return -value if negative else value, percent


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _bracketed(part: Condition) -> str:
    return f"({part})" if isinstance(part, All | AnyOf) else str(part)
