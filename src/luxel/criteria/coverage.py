"""Can a band ever match, and does something always match? Decided by trying every combination of value ranges.

Between two neighbouring numbers that a file compares a measure with, no condition on that measure changes. So the range
of every measure falls into finitely many cells, and a band matches for some picture only if it matches for some
combination of cells. Combinations that no map can give, because over and under exclude each other and the like, are
left out where one relation between two or three measures shows it; several relations together are not followed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from luxel.criteria.condition import METRICS, Ask, Atom, Compare, Condition, Measure, atoms, deciding, truth

MAX_STEPS = 50_000
"""Combinations tried before a file is called too tangled to check; the shipped files need a few hundred."""

_TINY = 1e-9


class TangledError(ValueError):
    """A file has so many measures in one band that the check would take too long."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of the values of a measure: one number (low == high), or all numbers strictly between two."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """A value inside."""
        return (self.low + self.high) / 2

    @property
    def open(self) -> bool:
        """Whether the ends themselves are outside."""
        return self.low < self.high


@dataclass(frozen=True, slots=True)
class _Bound:
    """sum of weight * measure >= least, which holds for every map."""

    weights: tuple[tuple[Measure, float], ...]
    least: float = 0.0

    def possible(self, cells: Mapping[Measure, Cell]) -> bool:
        most, reached = 0.0, True
        for measure, weight in self.weights:
            cell = cells[measure]
            most += weight * (cell.high if weight > 0 else cell.low)
            reached = reached and not cell.open
        return most > self.least + _TINY or (reached and most > self.least - _TINY)


Assignment = dict[Measure | Ask, "Cell | bool"]


class Coverage:
    """The check for one file. conditions: of its bands, from the top. thresholds: (over, under) of the file."""

    def __init__(self, conditions: Sequence[Condition], thresholds: tuple[float, float]) -> None:
        self._conditions = conditions
        self._thresholds = thresholds
        compared: dict[Measure, set[float]] = {}
        for condition in conditions:
            for atom in atoms(condition):
                if isinstance(atom, Compare):
                    compared.setdefault(atom.measure, set()).add(atom.value)
        for measure, values in compared.items():
            if measure.metric == "mean":
                values.add(0.0)  # so that |mean| is plain in every cell
        self._cells = {measure: _cells(measure, values) for measure, values in compared.items()}
        self._bounds: dict[Measure, list[_Bound]] = {measure: [] for measure in compared}
        for bound in _bounds(list(compared), thresholds):
            for measure, _ in bound.weights:
                self._bounds[measure].append(bound)

    def reach(self, band: int) -> Assignment | None:
        """Values for which a band is the first that matches; None if there are none. band: index from 0."""
        return self._solve([(self._conditions[band], True), *((c, False) for c in self._conditions[:band])])

    def possible(self, band: int) -> bool:
        """Whether a band's own condition holds for any values, whatever stands above it."""
        return self._solve([(self._conditions[band], True)]) is not None

    def gap(self) -> Assignment | None:
        """Values for which no band matches; None if every picture has a band."""
        return self._solve([(condition, False) for condition in self._conditions])

    def _solve(self, wanted: Sequence[tuple[Condition, bool]]) -> Assignment | None:
        """Values that give every condition its wanted truth; None if there are none. Raises TangledError."""
        values: Assignment = {}
        steps = 0

        def known(atom: Atom) -> bool | None:
            value = values.get(atom if isinstance(atom, Ask) else atom.measure)
            if isinstance(atom, Compare) and isinstance(value, Cell):
                return atom.holds(value.middle)
            return value if isinstance(value, bool) else None

        def search() -> bool:
            nonlocal steps
            steps += 1
            if steps > MAX_STEPS:
                raise TangledError
            undecided: Atom | None = None
            for condition, goal in wanted:
                result = truth(condition, known)
                if result is None:
                    undecided = undecided or next(deciding(condition, known))
                elif result is not goal:
                    return False
            if undecided is None:
                return True
            key = undecided if isinstance(undecided, Ask) else undecided.measure
            for choice in self._choices(key):
                values[key] = choice
                if self._fits(key, values) and search():
                    return True
            del values[key]
            return False

        return values if search() else None

    def _choices(self, key: Measure | Ask) -> Iterator[Cell | bool]:
        yield from (False, True) if isinstance(key, Ask) else self._cells[key]

    def _fits(self, key: Measure | Ask, values: Assignment) -> bool:
        """Whether some map can have these values, as far as the relations of `key` say."""
        if isinstance(key, Ask):
            return True
        cells = {m: cell for m, cell in values.items() if isinstance(m, Measure) and isinstance(cell, Cell)}
        for bound in self._bounds[key]:
            if all(measure in cells for measure, _ in bound.weights) and not bound.possible(cells):
                return False
        return _shift_fits(key, cells)


def in_words(values: Assignment) -> str:
    """Values of a solution for people: "either = 15 %, mean = 0.1"."""
    parts = []
    for key, value in values.items():
        if isinstance(key, Ask):
            parts.append(f"{key} = {'yes' if value else 'no'}")
        elif isinstance(value, Cell):
            share = METRICS[key.metric].kind == "share"
            parts.append(f"{key} = {100 * value.middle:.4g} %" if share else f"{key} = {value.middle:.4g}")
    return ", ".join(parts)


def _cells(measure: Measure, compared: set[float]) -> list[Cell]:
    ends = sorted({METRICS[measure.metric].lowest, *compared, 1.0})
    points = [Cell(end, end) for end in ends]
    between = [Cell(low, high) for low, high in pairwise(ends)]
    # Ranges first: they make the more telling examples.
    return between + points


def _bounds(measures: Sequence[Measure], thresholds: tuple[float, float]) -> Iterator[_Bound]:
    """What holds between the measures of one region, whatever the map."""

    def beyond(measure: Measure) -> tuple[float, float]:
        """The thresholds a share counts from, to the over and to the under side; 2 where it counts nothing."""
        over, under = (measure.threshold or t for t in thresholds)
        match measure.metric:
            case "over":
                return over, 2.0
            case "under":
                return 2.0, under
            case "either":
                return over, under
            case "white":
                return thresholds[0], 2.0
            case _:
                return 2.0, thresholds[1]  # black

    shares = {"over", "under", "either", "black", "white"}
    by_region: dict[str | None, list[Measure]] = {}
    for measure in measures:
        by_region.setdefault(measure.region, []).append(measure)
    for here in by_region.values():
        areas = [m for m in here if m.metric in shares]
        for a in areas:
            for b in areas:
                wide, narrow = beyond(a), beyond(b)
                lost = a.metric in ("black", "white")
                if a != b and not lost and wide[0] <= narrow[0] and wide[1] <= narrow[1]:
                    yield _Bound(((a, 1.0), (b, -1.0)))
        overs = [m for m in areas if m.metric in ("over", "white")]
        unders = [m for m in areas if m.metric in ("under", "black")]
        for a in overs:
            for b in unders:
                yield _Bound(((a, -1.0), (b, -1.0)), -1.0)
                for c in areas:
                    (over, _), (_, under) = beyond(a), beyond(b)
                    covered = over <= beyond(c)[0] and under <= beyond(c)[1]
                    if c.metric == "either" and covered and a.metric == "over" and b.metric == "under":
                        yield _Bound(((a, 1.0), (b, 1.0), (c, -1.0)))
        means = {m.metric: m for m in here if m.metric in ("mean", "shift", "mean_abs")}
        for small, large in (("shift", "mean_abs"), ("mean", "shift"), ("mean", "mean_abs")):
            if small in means and large in means:
                yield _Bound(((means[large], 1.0), (means[small], -1.0)))
                yield _Bound(((means[large], 1.0), (means[small], 1.0)))


def _shift_fits(key: Measure, cells: Mapping[Measure, Cell]) -> bool:
    """shift is |mean|: it cannot exceed it either. Cells of mean never cross 0, which `Coverage` ensures."""
    mean, shift = (cells.get(Measure(metric, key.region)) for metric in ("mean", "shift"))
    if mean is None or shift is None:
        return True
    largest = max(abs(mean.low), abs(mean.high))
    reached = not mean.open and not shift.open
    return largest > shift.low + _TINY or (reached and largest > shift.low - _TINY)
