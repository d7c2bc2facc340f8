"""Frames of a sequence: a folder of images in the order of their names, or a video through PyAV."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel import images
from luxel.errors import LuxelError, MissingExtraError
from luxel.jobs.find import find


@dataclass(frozen=True, slots=True)
class SequenceFrame:
    """One frame. number: from 0, in the sequence. name: its file's, or the number. image: a path or an array."""

    number: int
    name: str
    image: Path | npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Frames in order. rate: frames a second; None where nobody knows. count: how many, None likewise."""

    frames: Iterator[SequenceFrame]
    rate: float | None
    count: int | None


def open_sequence(place: Path, *, rate: float | None = None, every: int = 1) -> Sequence:
    """The frames of a folder or a video, read as they are taken.

    place: a folder of images, sorted by name, or a video file.
    rate: frames a second, instead of what the video says; of a folder nobody knows it.
    every: take every N-th frame; the rate is that of the frames that are taken.

    Raises LuxelError where there is no frame, MissingExtraError for a video without PyAV.
    """
    if place.is_dir():
        found = find([str(place)], endings=images.SUFFIXES, what="frame")[::every]
        frames = (SequenceFrame(number, file.path.name, file.path) for number, file in enumerate(found))
        return Sequence(frames, None if rate is None else rate / every, len(found))
    if not place.is_file():
        raise LuxelError(f"{place}: no such folder or video; give a folder of frames, or a video file")
    # PyAV would take any picture, damaged or not, for a video of one frame.
    if place.suffix.lower() in images.SUFFIXES and place.suffix.lower() != ".gif":
        raise LuxelError(f"{place}: a picture, not a video; give the folder of the frames")
    if find_spec("av") is None:
        raise MissingExtraError("reading videos", "video")
    stated = rate or _stated_rate(place)
    return Sequence(_of_video(place, every), None if stated is None else stated / every, None)


def _stated_rate(place: Path) -> float | None:
    with _opened(place) as video:
        stated = video.streams.video[0].average_rate
    return None if not stated else float(stated)


def _of_video(place: Path, every: int) -> Iterator[SequenceFrame]:
    with _opened(place) as video:
        decoded = islice(video.decode(video=0), 0, None, every)
        number = 0
        while True:
            try:
                frame = next(decoded, None)
                if frame is None:
                    return
                image: npt.NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
            except Exception as error:  # PyAV has an error for each of FFmpeg's
                raise LuxelError(f"{place}: frame {number}: cannot be decoded: {_reason(error)}") from error
            yield SequenceFrame(number, str(number), image)
            number += 1


def _opened(place: Path) -> Any:
    import av

    try:
        video = av.open(str(place))
    except Exception as error:
        raise LuxelError(f"{place}: not a video that FFmpeg reads: {_reason(error)}") from error
    if not video.streams.video:
        video.close()
        raise LuxelError(f"{place}: has no pictures, only other streams; give a video")
    return video


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
