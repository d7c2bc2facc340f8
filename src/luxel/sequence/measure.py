"""A sequence in, a row for each frame and its stability out."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.assessment.assessor import Assessor
from luxel.assessment.many import assess_many
from luxel.errors import ImageError
from luxel.sequence.frames import Sequence, SequenceFrame
from luxel.sequence.stability import JUMP, Stability, brightness, stability

COLUMNS: dict[str, type] = {
    "frame": int,
    "name": str,
    "time": float,
    "brightness": float,
    "score": float,
    "over": float,
    "under": float,
    "ev": float,
    "error": str,
}
"""Columns of the frames' table, in order.

time: seconds from the first frame, empty where the rate is not known. brightness: stops, 0 is mid-grey. score: [0, 10].
over, under: area shares in [0, 1]. ev: advised compensation in stops. error: why a frame has no values.
"""


@dataclass(frozen=True, slots=True)
class MeasuredSequence:
    """A measured sequence. rows: with the keys of `COLUMNS`. rate: frames a second, None where nobody knows."""

    rows: list[dict[str, Any]]
    stability: Stability
    rate: float | None

    def values(self, column: str) -> npt.NDArray[np.float64]:
        """A column of numbers; NaN where a frame has none."""
        return np.array([np.nan if row[column] is None else row[column] for row in self.rows], np.float64)

    def to_dict(self) -> dict[str, Any]:
        """The stability as plain JSON values."""
        unit = "cycles per frame" if self.rate is None else "Hz"
        failed = sum(row["error"] is not None for row in self.rows)
        return {"rate": self.rate, "failed": failed, **asdict(self.stability), "flicker_unit": unit}


def measure_sequence(
    sequence: Sequence,
    assessor: Assessor,
    *,
    jobs: int = 1,
    timeout: float | None = None,
    jump: float = JUMP,
    progress: Callable[[int], None] = lambda done: None,
) -> MeasuredSequence:
    """Every frame assessed, and how steady they are together. A frame that cannot be read is a row with the reason.

    sequence: from `luxel.sequence.frames.open_sequence`.
    assessor: what assesses; its options hold in every process.
    jobs: frames at a time, each in a process of its own; 1 without a time limit works in this one.
    timeout: seconds that one frame may take, None for no limit.
    jump: as in `luxel.sequence.stability.stability`.
    progress: called with the number of frames done.

    Raises LuxelError for a video that cannot be decoded to its end.
    """
    waiting: deque[SequenceFrame] = deque()
    rows = []
    results = assess_many(_images(sequence.frames, waiting), assessor=assessor, jobs=jobs, timeout=timeout)
    for done, result in enumerate(results, start=1):
        frame = waiting.popleft()
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        row |= {"frame": frame.number, "name": frame.name}
        row["time"] = None if sequence.rate is None else frame.number / sequence.rate
        if isinstance(result, ImageError):
            row["error"] = str(result).removeprefix(f"{frame.image}: ")
        else:
            row |= {name: getattr(result, name) for name in ("score", "over", "under", "ev")}
            row["brightness"] = brightness(result.image)
        rows.append(row)
        progress(done)
    values = [np.nan if row["brightness"] is None else row["brightness"] for row in rows]
    return MeasuredSequence(rows, stability(values, sequence.rate or 1.0, jump=jump), sequence.rate)


def _images(frames: Iterable[SequenceFrame], waiting: "deque[SequenceFrame]") -> Iterator[Path | npt.NDArray[np.uint8]]:
    """What is assessed of each frame, which is noted: results come in the same order."""
    for frame in frames:
        # The pixels are not kept: only names and numbers are needed when the result comes.
        waiting.append(
            SequenceFrame(frame.number, frame.name, frame.image if isinstance(frame.image, Path) else Path("array"))
        )
        yield frame.image
