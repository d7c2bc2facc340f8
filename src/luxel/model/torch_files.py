"""Files that torch wrote, read without running anything in them."""

import pickle
import warnings
from pathlib import Path

import torch

from luxel.errors import LuxelError, WeightsError


def read_torch(path: Path, *, remedy: str, kind: type[LuxelError] = WeightsError) -> object:
    """What `torch.save` wrote, on the CPU: tensors and plain values only.

    path: the file.
    remedy: what to do with one that cannot be read, the end of the message.
    kind: class of the error.
    Raises `kind` in one line, without torch's own advice, which is to run what an untrusted file holds.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how the file was written
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types here, by how the file is broken
        raise kind(f"{path}: {_reason(error)}; {remedy}") from error


def _reason(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return f"cannot be read: {cause.strerror}"
        cause = cause.__context__
    if isinstance(error, pickle.UnpicklingError) and "unsupported" in str(error).lower():
        return "holds more than tensors and plain values, which may be code that reading it would run"
    return f"is not a file that torch wrote, or it is damaged ({type(error).__name__})"
