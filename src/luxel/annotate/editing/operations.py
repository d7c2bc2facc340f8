"""Operations: what a person does to a task, as data. A log of them gives the task's map.

Undo and redo are operations too, so history only grows. Bodies from browsers are read by these models and nothing else.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from luxel.annotate.editing.exposure_table import MAX_THIRDS
from luxel.residual_files import SCALE

MAX_SIDE = 16_384
MAX_POINTS = 2_000
MAX_SEGMENTS = 5_000

Code = Annotated[int, Field(ge=-SCALE, le=SCALE)]
Thirds = Annotated[int, Field(ge=-MAX_THIRDS, le=MAX_THIRDS)]
Percent = Annotated[int, Field(ge=0, le=100)]
Quarter = Annotated[int, Field(ge=-4 * MAX_SIDE, le=8 * MAX_SIDE)]
Segments = Annotated[list[Annotated[int, Field(ge=0, lt=65_536)]], Field(min_length=1, max_length=MAX_SEGMENTS)]
Granularity = Literal["coarse", "medium", "fine"]
Mode = Literal["set", "add", "smooth", "start", "not_judged"]
"""set: to a value. add: a value. smooth: to the mean around. start: as the task started. not_judged: leave out."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SetSegments(_Strict):
    """Reference: the change of lightness of segments becomes `values`, one code each. how: what the person pressed."""

    kind: Literal["set_segments"]
    granularity: Granularity
    segments: Segments
    values: Annotated[list[Code], Field(min_length=1, max_length=MAX_SEGMENTS)]
    how: Annotated[str, Field(max_length=40)] = ""


class ResetSegments(_Strict):
    """Reference: segments go back to how the task started."""

    kind: Literal["reset_segments"]
    granularity: Granularity
    segments: Segments


class BrushStroke(_Strict):
    """Residual: a stroke. points: x, y in quarters of a pixel. stops: thirds of a stop instead of `value`."""

    kind: Literal["brush"]
    mode: Mode
    points: Annotated[
        list[Annotated[list[Quarter], Field(min_length=2, max_length=2)]], Field(min_length=1, max_length=MAX_POINTS)
    ]
    radius: Annotated[int, Field(ge=1, le=1024)]
    hardness: Percent = 80
    opacity: Percent = 100
    value: Code = 0
    stops: Thirds | None = None


class FillSegments(_Strict):
    """Residual: segments as a whole. source: a stored map in place of `value`."""

    kind: Literal["fill"]
    mode: Mode
    granularity: Granularity
    segments: Segments
    opacity: Percent = 100
    value: Code = 0
    stops: Thirds | None = None
    source: Literal["model", "rules"] | None = None


class Undo(_Strict):
    """Takes back the last operation that counts; target: its number."""

    kind: Literal["undo"]
    target: Annotated[int, Field(ge=1)]


class Redo(_Strict):
    """Takes back the last undo; target: number of the operation that counts again."""

    kind: Literal["redo"]
    target: Annotated[int, Field(ge=1)]


class StartOver(_Strict):
    """Another person takes the task: everything before does not count. Written by the server only."""

    kind: Literal["start_over"]


Edit = SetSegments | ResetSegments | BrushStroke | FillSegments
Operation = Edit | Undo | Redo | StartOver
ClientOperation = Annotated[Edit | Undo | Redo, Field(discriminator="kind")]

_READER: TypeAdapter[Operation] = TypeAdapter(Annotated[Operation, Field(discriminator="kind")])
KINDS_OF_TASK = {
    "reference": ("set_segments", "reset_segments"),
    "residual": ("brush", "fill"),
}


def read_operation(payload: Any) -> Operation:
    """An operation from JSON values. Raises pydantic.ValidationError."""
    return _READER.validate_python(payload)


class OperationError(ValueError):
    """An operation that its task cannot have: another kind, an undo out of order, a segment that is not there."""


class History:
    """Which operations of a log count: a stack of done and one of undone numbers."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.undone: list[int] = []

    def append(self, seq: int, operation: Operation) -> None:
        """Takes operation number `seq`. Raises OperationError for an undo or redo out of order."""
        if isinstance(operation, Undo):
            if not self.done or self.done[-1] != operation.target:
                raise OperationError(f"undo of {operation.target}: the last operation that counts is another")
            self.undone.append(self.done.pop())
        elif isinstance(operation, Redo):
            if not self.undone or self.undone[-1] != operation.target:
                raise OperationError(f"redo of {operation.target}: it is not the last that was undone")
            self.done.append(self.undone.pop())
        elif isinstance(operation, StartOver):
            self.done, self.undone = [], []
        else:
            self.done.append(seq)
            self.undone.clear()


def counted(log: Sequence[tuple[int, Operation]]) -> list[Edit]:
    """The edits of a log that count, in order. log: number and operation. Raises OperationError as `History` does."""
    history = History()
    edits = {}
    for seq, operation in log:
        history.append(seq, operation)
        if isinstance(operation, Edit):
            edits[seq] = operation
    return [edits[seq] for seq in history.done]


def check_operation(operation: Operation, kind: str, segment_counts: dict[str, int]) -> None:
    """Raises OperationError for an operation that a task of this kind cannot have.

    kind: "reference" or "residual". segment_counts: granularity to number of segments.
    """
    if isinstance(operation, Undo | Redo | StartOver):
        return
    if operation.kind not in KINDS_OF_TASK[kind]:
        raise OperationError(f"a {kind} task has no operation {operation.kind!r}")
    if isinstance(operation, BrushStroke):
        return
    count = segment_counts[operation.granularity]
    if max(operation.segments) >= count:
        raise OperationError(f"segment {max(operation.segments)}: {operation.granularity} segments end at {count - 1}")
    if len(set(operation.segments)) != len(operation.segments):
        raise OperationError("a segment is named twice")
    if isinstance(operation, SetSegments) and len(operation.values) != len(operation.segments):
        raise OperationError(f"{len(operation.values)} values for {len(operation.segments)} segments")
