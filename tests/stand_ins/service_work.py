"""Work of a service's processes whose length and end the picture itself decides."""

import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from luxel.assessment.batch import Settings
from luxel.errors import WeightsError
from luxel.serve.work import Order, Result


def begin(
    settings: Settings, threads: int, criteria: Mapping[str, Path], scratch: Path
) -> Callable[[Order | None], Result]:
    """Like `luxel.serve.work.start`. A picture is a word and its argument, such as b"sleep 0.5" or b"wait FILE"."""
    own = scratch / str(os.getpid())
    own.mkdir(exist_ok=True)
    tempfile.tempdir = str(own)
    return _do


def begin_without_weights(*_: object) -> Callable[[Order | None], Result]:
    raise WeightsError("no-such.onnx: no such weights file; give a path to .onnx weights")


def _do(order: Order | None) -> Result:
    if order is None:
        return Result(facts={})
    word, _, argument = order.image.decode().partition(" ")
    if word == "sleep":
        (Path(tempfile.gettempdir()) / "half-read").write_bytes(order.image)
        time.sleep(float(argument))
    elif word == "wait":
        while not Path(argument).exists():
            time.sleep(0.01)
    elif word == "die" or (word == "die-once" and not Path(argument).exists()):
        Path(argument or os.devnull).touch()
        os._exit(9)
    elif word == "odd":
        return Result(facts={"score": math.nan})  # which JSON does not have
    elif word == "fault":
        return Result(facts={}, error="No space left on device", fault=True)
    return Result(facts={"name": order.name or None, "word": word}, seconds=0.01)
