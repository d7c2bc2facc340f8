"""What criteria say about one map: the score, the band that matched, the numbers behind it, and what is left to ask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from luxel.criteria.condition import Ask, Atom, Compare, Condition, Measure, deciding


@dataclass(frozen=True, slots=True)
class Band:
    """One row of the table.

    score: None is an answer without a number.
    label: what people read.
    line: in the file.
    when: the condition as written; None for the answer when no band matches.
    condition: the condition as parsed; None with `when`.
    """

    score: float | None
    label: str
    line: int
    when: str | None = None
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """Why a band above the matched one could not be decided.

    kind: "person", a question that no map answers, or "region", a region that was not given or is not in the image.
    name: of the question or region.
    text: the question, or what is missing.
    band: the band that depends on it.
    """

    kind: Literal["person", "region"]
    name: str
    text: str
    band: Band


@dataclass(frozen=True, slots=True)
class Step:
    """One band tried.

    band: the band.
    result: True matched, False not, None undecided.
    because: the atoms that made it so.
    """

    band: Band
    result: bool | None
    because: tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of criteria for one map.

    criteria: name of the criteria.
    score: that of the matched band; None where that band has none, or where a region that decides is missing (`scored`
        says which).
    label: words of the matched band.
    band: the matched one.
    measured: every number the file asks for that could be measured.
    needs: what would have to be known to decide the bands above.
    steps: the bands tried, from the top.
    """

    criteria: str
    score: float | None
    label: str
    band: Band
    measured: Mapping[Measure, float]
    needs: tuple[Need, ...]
    steps: tuple[Step, ...]

    @property
    def scored(self) -> bool:
        """Whether everything that decides was there; open questions to a person do not count against it."""
        return not any(need.kind == "region" for need in self.needs)

    @property
    def needs_person(self) -> tuple[Need, ...]:
        """The open questions."""
        return tuple(need for need in self.needs if need.kind == "person")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {
            "criteria": self.criteria,
            "score": self.score,
            "label": self.label,
            "line": self.band.line,
            "when": self.band.when,
            "measured": {str(measure): value for measure, value in self.measured.items()},
            "needs": [
                {"kind": need.kind, "name": need.name, "text": need.text, "score": need.band.score}
                for need in self.needs
            ],
        }

    def explain(self) -> list[str]:
        """Lines for people: the answer, the numbers, and for every band tried why it matched or did not."""
        lines = [f"{self.criteria}: {self.headline()}", "measured:"]
        width = max((len(str(measure)) for measure in self.measured), default=0)
        lines += [f"  {measure!s:<{width}}  {measure.number(value)}" for measure, value in self.measured.items()]
        lines.append("bands, from the top:")
        for step in self.steps:
            result = {True: "yes", False: "no", None: "open"}[step.result]
            reasons = "; ".join(dict.fromkeys(self._reason(atom) for atom in step.because)) or "no band above matched"
            lines.append(f"  line {step.band.line:<3} {number(step.band.score):>4}  {result:<4}  {reasons}")
        for need in self.needs:
            lines.append(f"needs {self._need(need)}")
        return lines

    def headline(self) -> str:
        """The answer in one line: "40, slightly high / low, or 30 % (line 57)"."""
        if self.scored:
            return f"{number(self.score)}, {self.label} (line {self.band.line})"
        missing = ", ".join(dict.fromkeys(need.name for need in self.needs if need.kind == "region"))
        return f"no score, it needs: {missing}"

    def __str__(self) -> str:
        asked = ", ".join(dict.fromkeys(need.name for need in self.needs_person))
        return self.headline() + (f"; a person must answer: {asked}" if asked else "")

    def _need(self, need: Need) -> str:
        outcome = f"for {number(need.band.score)}, line {need.band.line}"
        return (
            f"a person: {need.name}: {need.text} ({outcome})" if need.kind == "person" else f"{need.text} ({outcome})"
        )

    def _reason(self, atom: Atom) -> str:
        if isinstance(atom, Ask):
            return f"{atom.question} is for a person to say"
        if atom.measure not in self.measured:
            return f"{atom} cannot be measured"
        return f"{atom} ({atom.measure.number(self.measured[atom.measure])})"


def number(score: float | None) -> str:
    """A score for people; "-" for none.

    score: the score; None for none.

    >>> number(7.5), number(None)
    ('7.5', '-')
    """
    return "-" if score is None else f"{score:g}"


def needs_of(
    band: Band, known: Callable[[Atom], bool | None], questions: Mapping[str, str], why_missing: str
) -> list[Need]:
    """What an undecided band depends on.

    known: truth of its atoms. questions: name -> text. why_missing: said of a region that could not be measured.
    """
    if band.condition is None:
        return []
    needs: dict[str, Need] = {}
    for atom in deciding(band.condition, known):
        if isinstance(atom, Ask):
            needs.setdefault(atom.question, Need("person", atom.question, questions[atom.question], band))
        elif isinstance(atom, Compare) and atom.measure.region is not None:
            name = atom.measure.region
            needs.setdefault(f"{name}.", Need("region", name, f"region {name!r}: {why_missing}", band))
    return list(needs.values())
