"""The TensorBoard log of a run, written in the thread that calls it: an error is raised where it happens."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from luxel.errors import LuxelError


class EventLog:
    """Numbers by step, in a file that TensorBoard reads. Each writing reaches the file before it returns."""

    def __init__(self, folder: Path) -> None:
        """Begins a file of its own in the folder, which is made. Raises LuxelError (a full disk)."""
        from tensorboard.compat.proto.event_pb2 import Event

        self._path = folder / f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LuxelError(f"{folder}: cannot be made ({error.strerror}); give another output.folder") from error
        self._append(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds numbers of one step. values: by name, "/" between the group and the number. Raises LuxelError."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        numbers = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        event = Event(wall_time=time.time(), step=step, summary=Summary(value=numbers))
        self._append(event.SerializeToString())

    def _append(self, event: bytes) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        try:
            with self._path.open("ab") as file:
                RecordWriter(file).write(event)
        except OSError as error:
            raise LuxelError(
                f"{self._path}: cannot be written: {error.strerror}; free some space and run the same command again"
            ) from error
