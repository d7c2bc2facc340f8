"""What a worker process does with one picture. Nothing of a request becomes a path: files have names of our own."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from luxel.assessment.assessor import Assessor
from luxel.assessment.batch import Settings
from luxel.criteria import Criteria, load
from luxel.criteria.scorer import RegionSource, Scorer
from luxel.draw.files import MAP_KINDS, MapStyle
from luxel.errors import CriteriaError, LuxelError, RegionsError, reason_of
from luxel.images.writing import png_bytes
from luxel.regions.regions import read_regions

DEFAULT_CRITERIA = "fig9"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOrder:
    """By which criteria a picture is scored.

    criteria: a known name, or the content of a criteria file.
    regions: content of a label picture or COCO JSON; None without regions.
    answers: question -> answer.
    """

    criteria: str | bytes = DEFAULT_CRITERIA
    regions: bytes | None = None
    answers: Mapping[str, bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One picture and what is wanted of it.

    image: content of the file. name: what its sender calls it, for the answer only.
    map: kind of `luxel.draw.files.MAP_KINDS` to draw, None for figures only. full_size: draw it at the picture's size.
    score: None for the assessment.
    """

    image: bytes
    name: str = ""
    map: str | None = None
    full_size: bool = False
    score: ScoreOrder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of an order.

    facts: plain JSON values of the answer. drawing: PNG of the map.
    error: one line, where there is no answer. fault: whether the error is the service's and not the picture's.
    seconds: that it took in the process.
    """

    facts: Mapping[str, Any]
    drawing: bytes | None = None
    error: str | None = None
    fault: bool = False
    seconds: float = 0.0


def start(
    settings: Settings, threads: int, criteria: Mapping[str, Path], scratch: Path
) -> Callable[[Order | None], Result]:
    """Called once in each process: loads the network, returns what does one order; None only loads.

    scratch: folder for files while they are read; each process has one of its own in it (`remove_dead_scratch`).
    Raises LuxelError for weights or criteria that cannot be used.
    """
    own = scratch / str(os.getpid())
    own.mkdir(exist_ok=True)
    tempfile.tempdir = str(own)
    bench = _Bench(settings.assessor(threads), settings.style, {name: load(file) for name, file in criteria.items()})
    return bench.do


def remove_dead_scratch(scratch: Path) -> None:
    """Removes the folders of processes that have ended, except on Windows, where nothing says so."""
    for folder in scratch.iterdir() if os.name == "posix" else ():
        try:
            os.kill(int(folder.name), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:  # another user's process has its number now
            continue


class _Bench:
    """One process's tools."""

    def __init__(self, assessor: Assessor, style: MapStyle, criteria: Mapping[str, Criteria]) -> None:
        self._assessor, self._style, self._criteria = assessor, style, criteria

    def do(self, order: Order | None) -> Result:
        """The result of an order. Whatever goes wrong is a result, so that one picture never ends the service."""
        if order is None:
            return Result(facts={})
        begun = time.perf_counter()
        facts: dict[str, Any] = {"name": order.name or None}
        drawing, problem, fault = None, None, False
        try:
            if order.score is None:
                answer, drawing = self._assess(order)
            else:
                answer, problem = self._score(order.image, order.name, order.score)
            facts |= answer
        except OSError as error:  # no room for the file while it is read
            problem, fault = f"{error.strerror or error}", True
        except Exception as error:
            problem, fault = _reason(error, order)
        seconds = time.perf_counter() - begun
        return Result(facts=facts, drawing=drawing, error=problem, fault=fault, seconds=seconds)

    def _assess(self, order: Order) -> tuple[dict[str, Any], bytes | None]:
        assessment = self._assessor.assess(order.image, full_size=order.map is not None)
        facts = assessment.to_dict()
        del facts["path"]
        if order.map is None:
            return facts, None
        style = MapStyle(
            palette=self._style.palette,
            limit=self._style.limit,
            threshold=self._style.threshold,
            full_size=order.full_size,
        )
        drawn = MAP_KINDS[order.map](assessment.image, assessment.residual, style, assessment.caption())
        return facts, png_bytes(drawn)

    def _score(self, image: bytes, name: str, order: ScoreOrder) -> tuple[dict[str, Any], str | None]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            try:
                criteria = self._known(order.criteria, folder)
                answers = dict(order.answers or {})
                if unknown := sorted(set(answers) - set(criteria.questions)):
                    asked = ", ".join(criteria.questions) or "none"
                    raise CriteriaError(f"{criteria.name} has no question {unknown[0]!r}; its questions: {asked}")
                regions = None if order.regions is None else _regions_from(order.regions, folder, name)
                scorer = Scorer(criteria, make_assessor=lambda: self._assessor, regions=regions, answers=answers)
                (folder / "image").write_bytes(image)
                scored = scorer.score(folder / "image")
            except (CriteriaError, RegionsError) as error:
                raise type(error)(str(error).replace(f"{folder}{os.sep}", "")) from error
            facts = scored.to_dict()
            problem = facts.pop("error")
            del facts["path"]
            return facts, None if problem is None else problem.replace(f"{folder}{os.sep}", "")

    def _known(self, criteria: str | bytes, folder: Path) -> Criteria:
        if isinstance(criteria, bytes):
            (folder / "criteria.toml").write_bytes(criteria)
            return load(folder / "criteria.toml")
        return self._criteria[criteria] if criteria in self._criteria else _shipped(criteria)


def _reason(error: Exception, order: Order) -> tuple[str, bool]:
    """Why there is no answer, and whether that is the service's fault: an error that stops every picture."""
    try:
        return reason_of(error, f"{len(order.image)} bytes"), False
    except LuxelError as fault:
        return str(fault), True


@cache
def _shipped(name: str) -> Criteria:
    return load(name)


def _regions_from(content: bytes, folder: Path, name: str) -> RegionSource:
    """Regions from the content of a label picture or COCO JSON.

    folder: where the file is put while it is read. name: of the picture, by which COCO JSON of several is searched.
    """
    start = content.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")[:1]  # after the marks of UTF-8, -16 and -32
    path = folder / ("regions.json" if start in (b"{", b"[") else "regions.png")
    path.write_bytes(content)
    # A name in our own folder, where no such file is: only the name counts.
    picture = folder / PurePosixPath(name.replace("\\", "/")).name if name else None
    return lambda _path, _image, shape: read_regions(path, shape, picture=picture)
