"""Reads source files for a scan, one at a time: their headers, and what they show where frames are compared."""

from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import Self

from luxel import images
from luxel.dataset.align.same_scene import COARSE_SIDE
from luxel.dataset.align.tones import Tones, tones
from luxel.dataset.sources.camera_data import CameraData, camera_data
from luxel.errors import ImageError, reason_of
from luxel.jobs.processes import Pool, TaskError
from luxel.text import printable

_READ_SIDE = 4 * COARSE_SIDE  # decoded at reduced size, then averaged down in linear light
_REMEMBERED = 512

_Task = tuple[Path, bool]
_Answer = CameraData | Tones | ImageError


class SourceReader:
    """Reads files within a time limit, each once. A context manager, which ends its process."""

    def __init__(self, *, timeout: float | None = None, max_megapixels: float = 200.0) -> None:
        """timeout: seconds that one file may take, in a process that is ended then; None: no limit, in this process.

        max_megapixels: larger pictures are not decoded.
        """
        self._read = partial(_read, max_megapixels=max_megapixels)
        self._pool: Pool[_Task, _Answer] | None = None
        if timeout is not None:
            self._pool = Pool(partial(_worker, self._read), workers=1, timeout=timeout)
        self._answer = lru_cache(maxsize=_REMEMBERED)(self._ask)

    def header(self, file: Path) -> CameraData:
        """What a file says of itself. Raises ImageError: not a picture, or beyond the time limit."""
        answer = self._ask((file, False))
        if isinstance(answer, ImageError):
            raise answer
        assert isinstance(answer, CameraData)
        return answer

    def tones(self, file: Path) -> Tones:
        """Coarse tones of a picture, upright, short side `COARSE_SIDE`. Raises ImageError."""
        answer = self._answer((file, True))
        if isinstance(answer, ImageError):
            raise answer
        assert isinstance(answer, Tones)
        return answer

    def _ask(self, task: _Task) -> _Answer:
        if self._pool is None:
            return self._read(task)
        result = self._pool.submit(task).result()
        if isinstance(result, TaskError):
            return ImageError(f"{printable(task[0])}: {result.reason}")
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.close()


def _worker(read: "partial[_Answer]") -> "partial[_Answer]":
    """What the process begins with: nothing needs loading before."""
    return read


def _read(task: _Task, *, max_megapixels: float) -> _Answer:
    """The answer to one question. An error is a value: whatever a file makes a reader raise, the scan continues."""
    file, shown = task
    try:
        if not shown:
            return camera_data(file)
        return tones(images.read(file, max_megapixels=max_megapixels, working_size=_READ_SIDE).pixels, COARSE_SIDE)
    except ImageError as error:
        return error
    except Exception as error:
        return ImageError(f"{printable(file)}: {reason_of(error, file)}")
