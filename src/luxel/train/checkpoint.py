"""Checkpoints, written atomically and forced to disk."""

from pathlib import Path
from typing import Any

import torch

from luxel.errors import LuxelError
from luxel.jobs.atomic import writing_file
from luxel.model.torch_files import read_torch


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that a crash at any moment leaves either the old one or the new one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing_file(path, sync=True) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:  # torch turns a failed write into a RuntimeError
        raise LuxelError(f"{path}: cannot be written: {_reason(error)}; free some space and run again") from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state written by `save_checkpoint`, on the CPU; LuxelError if the file is damaged."""
    state = read_torch(path, remedy="delete it to start again", kind=LuxelError)
    if not isinstance(state, dict):
        raise LuxelError(f"{path}: holds a {type(state).__name__}, not a checkpoint; delete it to start again")
    return state


def _reason(error: Exception) -> str:
    """One line: the system's own words where an error of the operating system is at the bottom."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__context__
    return str(error).splitlines()[0] if str(error) else type(error).__name__
