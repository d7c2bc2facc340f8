"""Criteria as loaded: bands, thresholds, regions, questions, and the scoring of a map by them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.criteria.condition import Ask, Atom, Compare, Measure, atoms, deciding, truth
from luxel.criteria.measuring import Collapse, Pixels, Region, UnknownRegionError, find_region, lightness_map
from luxel.criteria.verdict import Band, Need, Step, Verdict, needs_of
from luxel.errors import CriteriaError
from luxel.photometry import Mask


@dataclass(frozen=True, slots=True)
class Criteria:
    """Criteria of one file, checked. `luxel.criteria.load` makes them.

    name: as loaded by.
    path: the file.
    title: for people.
    about: for people, longer.
    source: who states these criteria.
    scale: lowest and highest score.
    over: |r| above which a pixel counts as overexposed, in lightness.
    under: |r| above which a pixel counts as underexposed, in lightness.
    levels: name -> number, for conditions.
    collapse: what counts as lost to black and to white; None without that section.
    regions: name -> region, for conditions.
    questions: name -> question to a person.
    bands: from the top.
    otherwise: the answer when none matches; None where one always does.
    """

    name: str
    path: Path
    title: str
    about: str
    source: str
    scale: tuple[float, float]
    over: float
    under: float
    levels: Mapping[str, float]
    collapse: Collapse | None
    regions: Mapping[str, Region]
    questions: Mapping[str, str]
    bands: tuple[Band, ...]
    otherwise: Band | None

    def measures(self) -> list[Measure]:
        """Every number the bands ask for, in the order of the file."""
        found = (a.measure for b in self.bands if b.condition for a in atoms(b.condition) if isinstance(a, Compare))
        return list(dict.fromkeys(found))

    def score(
        self,
        residual: npt.ArrayLike,
        regions: Mapping[str, Mask] | None = None,
        *,
        image: npt.ArrayLike | None = None,
        answers: Mapping[str, bool] | None = None,
    ) -> Verdict:
        """The verdict on one map.

        residual: [H, W] in [-1, 1], in lightness.
        regions: name -> bool [H, W], such as `luxel.regions.regions.read_regions` returns.
        image: [H, W, 3] sRGB-encoded, uint8, uint16 or float in [0, 1]; it makes `black` and `white` exact, which are
            estimated from the map alone without it.
        answers: question -> yes or no, for questions that a person has answered; the others count as open: they make no
            band match, and the verdict reports them.
        Raises CriteriaError, with the line, where a band names a region that `regions` do not know, for an answer to a
        question the file does not ask, and for arrays of wrong shape.
        """
        values = np.asarray(residual)
        if values.ndim != 2 or values.size == 0 or values.dtype.kind != "f":
            raise CriteriaError(f"residual is {values.dtype} of shape {values.shape}; give float [H, W]")
        if np.isnan(values.min()):
            raise CriteriaError("residual holds values that are not numbers")
        given = dict(answers or {})
        for question in given:
            if question not in self.questions:
                asked = ", ".join(self.questions) or "none"
                raise CriteriaError(f"{self.name}: no question named {question!r}; its questions: {asked}")
        measured = self._measure(values, regions, image)

        def known(atom: Atom) -> bool | None:
            if isinstance(atom, Ask):
                return given.get(atom.question)
            return atom.holds(measured[atom.measure]) if atom.measure in measured else None

        missing = "no regions were given" if regions is None else "there is none of it in this picture"
        return self._decide(known, measured, missing)

    def _decide(
        self, known: Callable[[Atom], bool | None], measured: Mapping[Measure, float], why_missing: str
    ) -> Verdict:
        steps: list[Step] = []
        needs: list[Need] = []
        for band in self.bands:
            assert band.condition is not None
            result = truth(band.condition, known)
            steps.append(Step(band, result, tuple(deciding(band.condition, known))))
            if result:
                return self._verdict(band, measured, needs, steps)
            if result is None:
                needs += needs_of(band, known, self.questions, why_missing)
        # `load` rejects a file in which nothing may match, so an answer is missing only while something is undecided.
        last = self.otherwise or Band(None, "undecided", self.bands[-1].line)
        steps.append(Step(last, True, ()))
        return self._verdict(last, measured, needs, steps)

    def _verdict(self, band: Band, measured: Mapping[Measure, float], needs: list[Need], steps: list[Step]) -> Verdict:
        missing = any(need.kind == "region" for need in needs)
        score = None if missing else band.score
        return Verdict(self.name, score, band.label, band, measured, tuple(needs), tuple(steps))

    def _measure(
        self, residual: npt.NDArray[Any], regions: Mapping[str, Mask] | None, image: npt.ArrayLike | None
    ) -> dict[Measure, float]:
        """Every measure of the file that is available; those of regions that are missing are left out."""
        wanted = self.measures()
        light: npt.NDArray[np.float32] | None = None
        if image is not None and any(measure.metric in ("black", "white") for measure in wanted):
            given = np.asarray(image)
            if given.shape != (*residual.shape, 3):
                raise CriteriaError(f"image is {given.shape} but its map {residual.shape}; give the picture it is of")
            light = lightness_map(given)
        measured: dict[Measure, float] = {}
        for name in dict.fromkeys(measure.region for measure in wanted):
            values, brightness, area = residual, light, 1.0
            if name is not None:
                if regions is None:
                    continue
                mask = self._mask(name, regions, residual.shape)
                values, brightness = residual[mask], None if light is None else light[mask]
                area = values.size / residual.size
            pixels = Pixels(values, brightness, (self.over, self.under))
            for measure in (m for m in wanted if m.region == name):
                if measure.metric == "area":
                    measured[measure] = area
                elif area > 0 or (name is not None and self.regions[name].optional):
                    measured[measure] = pixels.measure(measure.metric, measure.threshold, self.collapse)
        return {measure: measured[measure] for measure in wanted if measure in measured}

    def _mask(self, name: str, given: Mapping[str, Mask], shape: tuple[int, ...]) -> Mask:
        try:
            return find_region(name, self.regions, given, (shape[0], shape[1]))
        except UnknownRegionError as error:
            missing, names = error.args
            band = next(b for b in self.bands if b.condition and _names_region(b, name))
            listed = ", ".join(map(repr, names[:8])) or "none"
            raise CriteriaError(
                f"{self.path}:{band.line}: the band names region {missing!r}, which is not given (given: {listed}); "
                f"rename it there, or list its name as from = [...] under [regions] here"
            ) from None
        except ValueError as error:
            raise CriteriaError(f"{self.name}: {error}") from None


def _names_region(band: Band, name: str) -> bool:
    assert band.condition is not None
    return any(isinstance(atom, Compare) and atom.measure.region == name for atom in atoms(band.condition))
