"""Finished rows of a benchmark as files: one per (method, task, split, seed), its errors by picture beside it.

    FOLDER/
      METHOD.TASK.splitN.seedN.json     a `ResultRow`; METHOD is percent-encoded
      METHOD.TASK.splitN.seedN.npy      float32 [N], the error on every test picture, for paired tests

Each file is written atomically, the row after its errors, so that a killed run leaves nothing half done and resumes
with the rows that are missing.
"""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, TypeAdapter, ValidationError

from luxel.benchmark.facts import BenchmarkTask
from luxel.errors import LuxelError
from luxel.jobs.atomic import writing_file
from luxel.photometry import FloatArray

Status = Literal["ok", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """What came of one method on one split with one seed.

    method: name in a registry, or of anything else that was measured. split: number of the data split. seed: of the
    training. budget: what it could spend, "none" for what is not trained. status: "failed" rows have a reason and no
    measures.
    mae, ssim, psnr, sign: means over the test pictures of the pixel task; SSIM and PSNR (dB) with a data range of 1, as
    in the authors' released code, ssim_2 with that of residuals, 2. srcc, lcc, acc: of the score task. None where a
    measure does not apply or is not defined.
    params: with the head of the task. latency_ms, memory_mb: of one picture (`luxel.benchmark.protocol.footprint`).
    seconds_trained, images_seen: what was spent; None where nothing is trained. device: where it ran. data: name of the
    dataset, the same for all rows of a folder, "" where a run failed before it knew. version: of luxel.
    rules: batch, devices and precision of the training, the same for all rows of a folder; backbones: published weights
    it started from; both "" for what is not trained. scenes: the scene of every test picture with an error beside the
    row.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    method: str
    task: BenchmarkTask
    split: int
    seed: int
    budget: str
    status: Status
    version: str
    reason: str = ""
    mae: float | None = None
    ssim: float | None = None
    ssim_2: float | None = None
    psnr: float | None = None
    sign: float | None = None
    srcc: float | None = None
    lcc: float | None = None
    acc: float | None = None
    params: int | None = None
    latency_ms: float | None = None
    memory_mb: float | None = None
    seconds_trained: float | None = None
    images_seen: int | None = None
    device: str = ""
    data: str = ""
    rules: str = ""
    backbones: str = ""
    scenes: tuple[str, ...] = ()


_ROW = TypeAdapter(ResultRow)


def write_row(folder: Path, row: ResultRow, errors: npt.ArrayLike | None = None) -> ResultRow:
    """Writes a row, over an earlier one of the same name, and returns it as stored.

    errors: [N] finite, >= 0, one per scene of the row: MAE of a picture's map, or |error| of its score.
    A measure that is nan is stored as None. Raises LuxelError for a measure or error that is infinite, errors of
    another shape, a failed row without a reason, or a file that cannot be written.
    """
    path = _path(folder, row.method, row.task, row.split, row.seed)
    stored = _defined(row, path)
    if row.status == "failed" and not row.reason.strip():
        raise LuxelError(f"{path.name}: a failed row without a reason; give the reason")
    values = None if errors is None else _checked_errors(errors, row, path)
    stored = stored if errors is not None else replace(stored, scenes=())
    beside = _errors_path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if values is not None:
            with writing_file(beside, sync=True) as file:
                np.save(file, values)
        with writing_file(path, sync=True) as file:
            file.write((json.dumps(asdict(stored), indent=1, allow_nan=False) + "\n").encode())
        if values is None:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise LuxelError(f"{path}: cannot be written ({error.strerror}); free some space or choose another") from error
    return stored


def has_row(folder: Path, method: str, task: BenchmarkTask, split: int, seed: int, *, failed: bool = True) -> bool:
    """Whether a row is there. failed: count failed rows too. Raises LuxelError for a file that is not a row."""
    path = _path(folder, method, task, split, seed)
    return path.is_file() and (_read(path).status == "ok" or failed)


def read_row(folder: Path, method: str, task: BenchmarkTask, split: int, seed: int) -> ResultRow:
    """One row. Raises LuxelError if it is missing or damaged."""
    return _read(_path(folder, method, task, split, seed))


def read_rows(folder: Path) -> list[ResultRow]:
    """Every row of a folder, by task, method, split and seed. Raises LuxelError if there is none or one is damaged."""
    if not folder.is_dir():
        raise LuxelError(f"{folder}: no such folder; give the folder that luxel benchmark run wrote to")
    rows = [_read(path) for path in folder.glob("*.split*.seed*.json")]
    if not rows:
        raise LuxelError(f"{folder}: has no benchmark rows; give the folder that luxel benchmark run wrote to")
    return sorted(rows, key=lambda row: (row.task, row.method, row.split, row.seed))


def read_errors(folder: Path, row: ResultRow) -> FloatArray:
    """Errors of a row by picture, float32 [N]. Raises LuxelError if the row has none or the file does not fit it."""
    path = _errors_path(_path(folder, row.method, row.task, row.split, row.seed))
    if not row.scenes:
        raise LuxelError(f"{path.name}: the row has no errors by picture; make it again to compare it")
    try:
        errors = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise LuxelError(f"{path}: errors by picture cannot be read ({_first_line(error)}); {_REMEDY}") from error
    if errors.shape != (len(row.scenes),) or errors.dtype != np.float32:
        raise LuxelError(f"{path}: errors {errors.dtype} {errors.shape} for {len(row.scenes)} pictures; {_REMEDY}")
    return np.asarray(errors)


_REMEDY = "delete the row's files and run again"


def _path(folder: Path, method: str, task: BenchmarkTask, split: int, seed: int) -> Path:
    # Percent-encoding leaves names of different methods different, and dots out of what the glob looks at.
    name = quote(method, safe="").replace(".", "%2E")
    return folder / f"{name}.{task}.split{split}.seed{seed}.json"


def _errors_path(path: Path) -> Path:
    return path.with_suffix(".npy")


def _read(path: Path) -> ResultRow:
    try:
        row = _ROW.validate_json(path.read_bytes())
    except OSError as error:
        raise LuxelError(f"{path}: cannot be read ({error.strerror}); run the benchmark for it first") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        what = f"{where}: {problem['msg'].lower()}" if where else problem["msg"].splitlines()[0]
        raise LuxelError(f"{path}: is not a benchmark row ({what}); {_REMEDY}") from None
    if _path(path.parent, row.method, row.task, row.split, row.seed) != path:
        stated = f"{row.method}, {row.task}, split {row.split}, seed {row.seed}"
        raise LuxelError(f"{path}: holds the row of {stated}; rename or delete it")
    return row


def _defined(row: ResultRow, path: Path) -> ResultRow:
    """The row with None in the place of nan."""
    values = asdict(row)
    for name, value in values.items():
        if isinstance(value, float) and math.isinf(value):
            raise LuxelError(f"{path.name}: {name} is infinite; a mean over test pictures must be a number")
        if isinstance(value, float) and math.isnan(value):
            values[name] = None
    return ResultRow(**values)


def _checked_errors(errors: npt.ArrayLike, row: ResultRow, path: Path) -> FloatArray:
    values = np.asarray(errors, dtype=np.float32)
    if values.ndim != 1 or values.size == 0:
        raise LuxelError(f"{path.name}: errors of shape {values.shape}; give one number per test picture")
    if len(row.scenes) != values.size:
        raise LuxelError(f"{path.name}: {values.size} errors for pictures of {len(row.scenes)} scenes; give one each")
    bad = int(np.count_nonzero(~(np.isfinite(values) & (values >= 0))))
    if bad:
        raise LuxelError(f"{path.name}: {bad} of {values.size} errors are negative, nan or infinite; fix them first")
    return values


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
