"""The map that a task's operations give, from the map it started from."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from luxel.annotate.editing.exposure_table import MAX_THIRDS, exposure_table
from luxel.annotate.editing.maps import NOT_JUDGED, TOUCHED, UNTOUCHED, Codes, TaskMap
from luxel.annotate.editing.operations import BrushStroke, Edit, FillSegments, Mode, ResetSegments, SetSegments
from luxel.annotate.editing.segments import Segmentation
from luxel.annotate.editing.strokes import Brush, Window, added, coverage, smoothed, towards, window_of
from luxel.photometry import Float64Array


@dataclass(frozen=True, slots=True)
class Material:
    """What edits of a task refer to.

    segmentation: of the scene. grey: uint8 [H, W] lightness of the frame, None for a reference. sources: stored maps by
    name, codes [H, W].
    """

    segmentation: Segmentation
    grey: npt.NDArray[np.uint8] | None = None
    sources: dict[str, Codes] = field(default_factory=dict)


def replay(start: TaskMap, edits: Iterable[Edit], material: Material) -> TaskMap:
    """The map after the edits. start: cells [n fine segments] of a reference, [H, W] of a residual map.

    An edit that names a source the frame does not have leaves the map as it is.
    """
    codes, status = start.codes.copy(), start.status.copy()
    state = _State(start, codes, status, material)
    for edit in edits:
        state.apply(edit)
    return TaskMap(codes, status)


@dataclass(frozen=True, slots=True)
class _State:
    start: TaskMap
    codes: Codes
    status: npt.NDArray[np.uint8]
    material: Material

    def apply(self, edit: Edit) -> None:
        if isinstance(edit, SetSegments | ResetSegments):
            self._segments(edit)
        elif isinstance(edit, BrushStroke):
            points = np.asarray(edit.points, dtype=np.int64)
            height, width = self.codes.shape
            window = window_of(points, edit.radius, (height, width))
            brush = Brush(edit.radius, edit.hardness, edit.opacity)
            self._paint(edit, window, coverage(points, brush, window), max(1, edit.radius // 2))
        else:
            height, width = self.codes.shape
            members = self.material.segmentation.members(edit.granularity, edit.segments)
            rows, columns = np.flatnonzero(members.any(axis=1)), np.flatnonzero(members.any(axis=0))
            window = Window(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
            weight = np.where(members[window.slices], edit.opacity / 100.0, 0.0)
            self._paint(edit, window, weight, FILL_SMOOTHING)

    def _segments(self, edit: SetSegments | ResetSegments) -> None:
        of = self.material.segmentation.parents_of(edit.granularity)
        if isinstance(edit, ResetSegments):
            where = np.isin(of, edit.segments)
            self.codes[where], self.status[where] = self.start.codes[where], UNTOUCHED
            return
        for segment, value in zip(edit.segments, edit.values, strict=True):
            where = of == segment
            self.codes[where], self.status[where] = value, TOUCHED

    def _paint(self, edit: BrushStroke | FillSegments, window: Window, weight: Float64Array, smoothing: int) -> None:
        place = window.slices
        codes = self.codes[place].astype(np.int64)
        inside = weight > 0
        mode: Mode = edit.mode
        if mode == "not_judged":
            self.status[place][inside] = NOT_JUDGED
            return
        if mode == "start":
            self.codes[place][inside] = self.start.codes[place][inside]
            self.status[place][inside] = UNTOUCHED
            return
        if mode == "smooth":
            changed = towards(codes, smoothed(self.codes, window, smoothing), weight)
        else:
            amount = self._amount(edit, place)
            if amount is None:
                return
            changed = towards(codes, amount, weight) if mode == "set" else added(codes, amount, weight)
        self.codes[place][inside] = changed[inside].astype(np.int16)
        self.status[place][inside] = TOUCHED

    def _amount(
        self, edit: BrushStroke | FillSegments, place: tuple[slice, slice]
    ) -> npt.NDArray[np.int64] | int | None:
        if isinstance(edit, FillSegments) and edit.source is not None:
            source = self.material.sources.get(edit.source)
            return None if source is None else source[place].astype(np.int64)
        if edit.stops is None or self.material.grey is None:
            return edit.value
        row = exposure_table()[edit.stops + MAX_THIRDS]
        return np.asarray(row[self.material.grey[place]], dtype=np.int64)


FILL_SMOOTHING = 8
"""Radius in pixels by which filling a segment smoothes."""
