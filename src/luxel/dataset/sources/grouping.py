"""Which shots of one camera are exposures of one scene: by time and exposure, where that is open by what they show.

The cost is linear in the number of shots: a shot is compared with its neighbours, never with all others.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from luxel.dataset.align.same_scene import SAME_SCENE, scene_similarity
from luxel.dataset.align.tones import Tones, similarity
from luxel.dataset.sources.camera_data import CameraData
from luxel.dataset.sources.source_files import natural
from luxel.errors import ImageError

MAX_GAP = 5.0
"""Seconds between the end of one exposure and the beginning of the next in a bracket."""

MIN_STEP = 0.25
"""Stops by which two exposures must differ to count as two: thirds of a stop are steps, the meter's wavering is not."""

_OPEN = 4  # scenes that a shot of interleaved scenes is compared with
_RECENT = 8  # shots of a scene among which the one nearest in exposure is looked for
_PAUSE, _PAUSE_RATIO = 3.0, 2.5  # seconds, and times the usual interval, that part two sets
_QUARTERS = {1: 0, 6: 3, 3: 2, 8: 1}
"""EXIF orientation -> counterclockwise quarter turns that bring the stored picture upright; without mirrored ones."""

ToneReader = Callable[["Shot"], Tones]
"""Reads the coarse tones of a shot, turned by `Shot.turn`. Raises ImageError."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A file, the folder it was found from, its facts, and the counterclockwise quarter turns that bring it to lie as
    the other frames of its bracket do."""

    file: Path
    root: Path
    facts: CameraData
    turn: int = 0

    @property
    def stops(self) -> float:
        return self.facts.stops or 0.0


Place = list[list[Shot]]
"""Sets of shots that show one place, in time order: each set of two exposures or more is a bracket."""


def places(shots: Sequence[Shot], look: ToneReader, *, gap: float = MAX_GAP) -> list[Place]:
    """Shots that state time and exposure, as places and sets.

    shots: any order, any cameras and folders.
    look: called for the shots that must be compared by what they show; one that cannot be read stays alone.
    gap: see MAX_GAP.
    """
    series: dict[tuple[Any, ...], list[Shot]] = {}
    for shot in shots:
        f = shot.facts
        by_time = f.exposure_s is not None  # stops of a time and of a compensation have no constant in common
        key = (shot.file.parent, f.format, f.device, f.body, frozenset((f.width, f.height)), by_time)
        series.setdefault(key, []).append(shot)
    found: list[Place] = []
    for members in series.values():
        for run in _runs(sorted(members, key=lambda s: (s.facts.taken or 0.0, natural(s.file.name))), gap):
            for alike in _turned_alike(run, look):
                found += _places_of_run(alike, look)
    return found


def sets_of(shots: Sequence[Shot]) -> list[list[Shot]]:
    """Shots of one place in time order, cut into sets by exposure and time alone.

    A pattern of exposures that comes again is a set each time; so is what a pause parts. Within a set two shots may be
    alike. Otherwise a new set begins where an exposure comes again.
    """
    stops = [s.stops for s in shots]
    count = len(shots)
    if _levels(stops) == count:
        return [list(shots)]
    if _levels(stops) == 1:
        return [[s] for s in shots]
    for period in range(2, count // 2 + 1):
        again = all(abs(stops[i] - stops[i + period]) < MIN_STEP for i in range(count - period))
        if again and _levels(stops[:period]) > 1:
            return [list(shots[i : i + period]) for i in range(0, count, period)]
    if (cut := _pause(shots)) is not None:
        return sets_of(shots[:cut]) + sets_of(shots[cut:])
    pairs = _without_pairs(shots)
    if _levels([s.stops for s in pairs]) == len(pairs) or _levels(stops) == count - 1:
        return [list(shots)]
    return _recurrences(shots)


def _places_of_run(run: Sequence[Shot], look: ToneReader) -> list[Place]:
    """The places of shots that follow each other."""
    sets = sets_of(run)
    sure = all(s.facts.clock != "file" for s in run)  # the time of a file may be that of an export of many scenes
    if all(len(s) == 1 for s in sets) or (len(sets) == 1 and sure and _levels([s.stops for s in run]) == len(run)):
        return [sets]
    coarse: dict[Path, Tones] = {}
    alone: list[Place] = []
    for shot in run:
        try:
            coarse[shot.file] = look(shot)
        except ImageError:
            alone.append([[shot]])  # the scene of this file will fail with the reason
    run = [s for s in run if s.file in coarse]
    if not run:
        return alone
    sets = sets_of(run)
    if not all(_one_scene(s, coarse) for s in sets):
        return [sets_of(scene) for scene in _scenes(run, coarse)] + alone
    joined: list[Place] = []
    for members in sets:
        if joined and _same_place(joined[-1][-1], members, coarse):
            joined[-1].append(members)
        else:
            joined.append([members])
    return joined + alone


def _runs(shots: Sequence[Shot], gap: float) -> list[list[Shot]]:
    """Shots in time order, cut where the camera rested.

    A camera states when an exposure began or when it ended, and after a long one many take a dark frame that lasts as
    long: so the longer of two neighbouring exposures is allowed twice.
    """
    runs = [[shots[0]]]
    for before, shot in pairwise(shots):
        longest = max(before.facts.exposure_s or 0.0, shot.facts.exposure_s or 0.0)
        if (shot.facts.taken or 0.0) - (before.facts.taken or 0.0) - 2 * longest > gap:
            runs.append([])
        runs[-1].append(shot)
    return runs


def _turned_alike(run: Sequence[Shot], look: ToneReader) -> list[list[Shot]]:
    """A run whose frames lie alike. Frames of another orientation are turned if they then show what the others show (a
    camera that points up or down guesses), and are runs of their own if not (a camera that was turned)."""

    def lies(shot: Shot) -> tuple[int, bool]:
        return _QUARTERS.get(shot.facts.orientation, 0), shot.facts.width > shot.facts.height

    ways = Counter(map(lies, run))
    if len(ways) == 1:
        return [list(run)]
    usual = ways.most_common(1)[0][0]
    main = [s for s in run if lies(s) == usual]
    turned: list[Shot] = []
    others: dict[tuple[int, bool], list[Shot]] = {}
    for shot in run:
        if lies(shot) == usual:
            continue
        swapped = lies(shot)[1] != usual[1]
        stated = (usual[0] - lies(shot)[0]) % 4
        turns = [stated] if bool(stated % 2) == swapped else [1, 3] if swapped else [2]
        right = _turned_like(shot, turns, min(main, key=lambda s: abs(s.stops - shot.stops)), look)
        if right is None:
            others.setdefault(lies(shot), []).append(shot)
        else:
            turned.append(right)
    order = {shot.file: i for i, shot in enumerate(run)}
    return [sorted([*main, *turned], key=lambda s: order[s.file]), *others.values()]


def _turned_like(shot: Shot, turns: Sequence[int], other: Shot, look: ToneReader) -> Shot | None:
    """The shot turned so that it shows what another shows, or None."""
    best, limit = None, SAME_SCENE
    try:
        there = look(other)
        for turn in turns:
            candidate = replace(shot, turn=turn)
            here = look(candidate)
            if here.lightness.shape == there.lightness.shape:
                likeness = scene_similarity(here, there).ssim
                if likeness >= limit:
                    best, limit = candidate, likeness
    except ImageError:
        return None
    return best


def _one_scene(shots: Sequence[Shot], coarse: dict[Path, Tones]) -> bool:
    """Whether the shots of a set show one scene, each beside its neighbours in exposure. Frames that show nothing in
    common do not count against it."""
    ordered = sorted(shots, key=lambda s: s.stops)
    return all(_alike(coarse[a.file], coarse[b.file]) is not False for a, b in pairwise(ordered))


def _same_place(before: Sequence[Shot], after: Sequence[Shot], coarse: dict[Path, Tones]) -> bool:
    """Whether two sets show one place, by the two frames that are nearest in exposure."""
    a, b = min(((a, b) for a in before for b in after), key=lambda pair: abs(pair[0].stops - pair[1].stops))
    return _alike(coarse[a.file], coarse[b.file]) is not False


def _alike(a: Tones, b: Tones) -> bool | None:
    """Whether two frames show the same scene, None if they show too little in common to say."""
    likeness = similarity(a, b).ssim
    if not np.isnan(likeness) and likeness < SAME_SCENE:
        likeness = scene_similarity(a, b).ssim
    return None if np.isnan(likeness) else likeness >= SAME_SCENE


def _scenes(run: Sequence[Shot], coarse: dict[Path, Tones]) -> list[list[Shot]]:
    """Shots in time order, parted by what they show: scenes may be interleaved, but only a few at a time."""
    scenes: list[list[Shot]] = []
    for shot in run:
        matches = []
        for scene in reversed(scenes[-_OPEN:]):
            nearest = min(scene[-_RECENT:], key=lambda s: abs(s.stops - shot.stops))
            if _alike(coarse[shot.file], coarse[nearest.file]):
                matches.append(scene)
        # A frame between two exposures can join what had too little in common before it came.
        scenes = [scene for scene in scenes if not any(scene is match for match in matches)]
        joined = sorted([*(s for match in matches for s in match), shot], key=lambda s: s.facts.taken or 0.0)
        scenes.append(joined)
    return sorted(scenes, key=lambda scene: scene[0].facts.taken or 0.0)


def _levels(stops: Sequence[float]) -> int:
    """How many exposures there are, those less than MIN_STEP apart counted once."""
    return 1 + sum(b - a >= MIN_STEP for a, b in pairwise(sorted(stops)))


def _pause(shots: Sequence[Shot]) -> int | None:
    """Index of the shot before which the camera rested clearly longer than usual, if that parts equal exposures."""
    starts = [s.facts.taken or 0.0 for s in shots]
    waits = [b - a - (s.facts.exposure_s or 0.0) for (a, b), s in zip(pairwise(starts), shots, strict=False)]
    cut = max(range(1, len(shots)), key=lambda i: waits[i - 1])
    others = waits[: cut - 1] + waits[cut:]
    if not others or waits[cut - 1] < max(_PAUSE, _PAUSE_RATIO * median(others)):
        return None
    parts = ([s.stops for s in part] for part in (shots[:cut], shots[cut:]))
    alike = sum(len(part) - _levels(part) for part in parts)
    return cut if alike < len(shots) - _levels([s.stops for s in shots]) else None


def _without_pairs(shots: Sequence[Shot]) -> list[Shot]:
    """The shots without the second of each two neighbours of one exposure; three alike are not a pair."""
    kept: list[Shot] = []
    skipped = False
    for i, shot in enumerate(shots):
        pair = i > 0 and abs(shot.stops - shots[i - 1].stops) < MIN_STEP
        if pair and not skipped:
            skipped = True
            continue
        skipped = False
        kept.append(shot)
    return kept


def _recurrences(shots: Sequence[Shot]) -> list[list[Shot]]:
    """A new set begins where an exposure comes again."""
    sets: list[list[Shot]] = [[]]
    for shot in shots:
        if any(abs(shot.stops - s.stops) < MIN_STEP for s in sets[-1]):
            sets.append([])
        sets[-1].append(shot)
    return sets
