"""Run the benchmark: every method on the same splits, budget and rules, one row per (method, task, split, seed).

Each method is trained in a process of its own: one that runs out of memory or crashes is a row with the reason, and the
next one starts clean. Rows that are there already are not made again, so a run resumes where it stopped.
"""

import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric

import luxel
from luxel import metrics
from luxel.benchmark.facts import BenchmarkTask
from luxel.benchmark.methods.ablations import ABLATIONS, loss_of
from luxel.benchmark.methods.controls import CONTROLS
from luxel.benchmark.methods.statistical import STATISTICAL
from luxel.benchmark.protocol.data import Frames, open_frames
from luxel.benchmark.protocol.footprint import Footprint, footprint
from luxel.benchmark.protocol.results import ResultRow, has_row, read_row, read_rows, write_row
from luxel.benchmark.protocol.settings import BenchmarkSettings
from luxel.benchmark.protocol.training import Spent, train_method
from luxel.benchmark.protocol.trivial import TRIVIAL
from luxel.benchmark.registry import NETWORKS, build, facts
from luxel.errors import LuxelError
from luxel.jobs.atomic import is_disk_full
from luxel.jobs.processes import Pool, TaskError
from luxel.photometry import FloatArray, as_unit_float
from luxel.residual import mean_residual_score
from luxel.samples.validation import mean_measures, measure

SHIPPED, RELEASED = "shipped", "released"
"""Rows that are not trained here: luxel's own weights, and the authors' checkpoint where the user has it."""

QUIET_CPU = {
    "MALLOC_MMAP_THRESHOLD_": str(2**33),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_TOP_PAD_": str(2**28),
    "OMP_WAIT_POLICY": "passive",
}
"""Environment of a training process, unless the user set it otherwise. glibc gives the large blocks of every step back
to the system and fetches them again, page by page, which can take more time than the network; and threads that wait by
spinning would spend the budget. Other systems ignore all four."""


MapPredictor = Callable[[npt.NDArray[np.uint8]], FloatArray]
ScorePredictor = Callable[[npt.NDArray[np.uint8]], float]


@dataclass(frozen=True, slots=True)
class Job:
    """One row to make."""

    method: str
    task: BenchmarkTask
    split: int
    seed: int

    def __str__(self) -> str:
        return f"{self.method}, {self.task}, split {self.split}, seed {self.seed}"


def untrained(task: BenchmarkTask) -> tuple[str, ...]:
    """Names of the rows that need no training: trivial predictors, luxel as shipped, and for scores the statistics."""
    return (*TRIVIAL, SHIPPED, *(STATISTICAL if task == "score" else ()))


def is_untrained(name: str) -> bool:
    """Whether a row needs no training here."""
    return name in untrained("score") or name == RELEASED


def choose_methods(names: Sequence[str], task: BenchmarkTask) -> list[str]:
    """The methods of a run from what the user typed: names, "all", "ablations", "untrained".

    "all" is every trained method and control that has the task, and the untrained rows, which every choice of trained
    methods gets too: a table without trivial predictors proves nothing. Raises LuxelError for an unknown name or a task
    that a named method does not have.
    """
    chosen: list[str] = list(untrained(task))
    for name in names:
        if name == "all":
            chosen += [method for method in (*NETWORKS, *CONTROLS) if task in facts(method).tasks]
        elif name == "ablations":
            chosen += ["pieanet", *(method for method in ABLATIONS if task in facts(method).tasks)]
        elif name == "untrained" or name in (*TRIVIAL, SHIPPED, RELEASED, *STATISTICAL):
            chosen += [] if name == "untrained" else [name]
        elif task not in facts(name).tasks:
            raise LuxelError(f"{name}: has no {task} task; it has {', '.join(facts(name).tasks)}")
        else:
            chosen.append(name)
    return list(dict.fromkeys(chosen))


def plan(methods: Sequence[str], task: BenchmarkTask, *, splits: int, seeds: int) -> list[Job]:
    """The rows of a run, split by split, so that an unfinished run has whole splits. Untrained rows have one seed."""
    return [
        Job(method, task, split, seed)
        for split in range(splits)
        for method in methods
        for seed in range(1 if is_untrained(method) else seeds)
    ]


def run_rows(
    jobs: Sequence[Job],
    settings: BenchmarkSettings,
    *,
    report: Callable[[str], None] = print,
    starting: Callable[[int, Job], None] | None = None,
    retry_failed: bool = False,
) -> list[ResultRow]:
    """Makes the rows that are missing, one after the other, and returns those it made.

    report: gets a line per row. starting: gets the number of rows done and the job that begins. retry_failed: make
    failed rows again. A failure is a row, never an exception. Raises LuxelError if the folder holds rows of another
    budget, other rules or other data, which would not stand beside these.
    """
    _reject_other_runs(jobs, settings)
    made = []
    for name, value in QUIET_CPU.items():
        os.environ.setdefault(name, value)
    # A process for each training: the next one starts clean, whatever became of the one before.
    with Pool(partial(_row_maker, settings), workers=1, tasks_per_worker=1, nested=True, grace=0.0) as pool:
        for number, job in enumerate(jobs, 1):
            if has_row(settings.out, job.method, job.task, job.split, job.seed, failed=not retry_failed):
                continue
            if starting:
                starting(number - 1, job)
            if is_untrained(job.method):
                _make_row(job, settings)
            else:
                _train_in_process(job, settings, pool)
            row = read_row(settings.out, job.method, job.task, job.split, job.seed)
            made.append(row)
            report(f"[{number}/{len(jobs)}] {job}: {_summary(row)}")
    return made


def _reject_other_runs(jobs: Sequence[Job], settings: BenchmarkSettings) -> None:
    if not any(settings.out.glob("*.json")):
        return
    data, methods = open_frames(settings.frames).name, {job.method for job in jobs}
    for row in read_rows(settings.out):
        held, wanted = [row.data or data], [data]
        if row.images_seen is not None:  # trained
            held += [row.budget, row.rules]
            wanted += [str(settings.budget), settings.rules]
            if row.method in methods:
                held.append(row.backbones or "random weights")
                wanted.append(settings.backbones_of(row.method) or "random weights")
        if held != wanted:
            raise LuxelError(
                f"{settings.out}: holds {row.method} with {'; '.join(held)}; this run has {'; '.join(wanted)}; "
                "give another --out"
            )


def _summary(row: ResultRow) -> str:
    if row.status == "failed":
        return f"failed: {row.reason}"
    seen = "" if row.images_seen is None else f" after {row.images_seen} images"
    if row.task == "pixel":
        return f"MAE {row.mae:.4f} SSIM {row.ssim:.3f}{seen}"
    return f"SRCC {_number(row.srcc)} LCC {_number(row.lcc)}{seen}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _train_in_process(job: Job, settings: BenchmarkSettings, pool: Pool[Job, None]) -> None:
    result = pool.submit(job).result()
    if isinstance(result, TaskError):
        write_row(settings.out, _failed(job, settings, result.reason))


def _row_maker(settings: BenchmarkSettings) -> Callable[[Job], None]:
    """What a training process begins with."""
    return partial(_make_row, settings=settings)


def _failed(job: Job, settings: BenchmarkSettings, reason: str) -> ResultRow:
    return ResultRow(
        method=job.method,
        task=job.task,
        split=job.split,
        seed=job.seed,
        budget=str(settings.budget),
        status="failed",
        reason=reason,
        version=luxel.__version__,
    )


def _make_row(job: Job, settings: BenchmarkSettings) -> None:
    """One row; training starts more processes where there are more devices."""
    try:
        if is_untrained(job.method):
            torch.set_num_threads(settings.threads)
            write_row(settings.out, *_untrained_row(job, settings, open_frames(settings.frames)))
        else:
            several = settings.devices > 1 or settings.nodes > 1
            fabric = Fabric(
                accelerator=settings.accelerator,
                devices=settings.devices,
                num_nodes=settings.nodes,
                strategy="ddp_spawn" if several else "auto",
                precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
            )
            fabric.launch(partial(_train_row, job=job, settings=settings))
    except Exception as error:  # whatever goes wrong in a network is that row's result
        if is_disk_full(error):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        write_row(settings.out, _failed(job, settings, " ".join(reason.split())))


def _train_row(fabric: Fabric, job: Job, settings: BenchmarkSettings) -> None:
    """Trains on every device; the first one measures and writes the row."""
    torch.set_num_threads(settings.threads)
    frames = open_frames(settings.frames)
    torch.manual_seed(job.seed)
    weights = {given.backbone: given.file for given in settings.backbones if given.method == job.method}
    model = build(job.method, job.task, tiny=settings.tiny, weights=weights)
    cost = footprint(model, fabric.device) if fabric.is_global_zero else None
    torch.manual_seed(job.seed)
    spent = train_method(
        fabric,
        model,
        frames,
        frames.indices(job.split, "train"),
        task=job.task,
        lr=facts(job.method).lr,
        budget=settings.budget,
        batch=settings.batch,
        seed=job.seed,
        loss=loss_of(job.method) if job.task == "pixel" else torch.nn.functional.l1_loss,
    )
    if cost is not None:
        network = model.to(fabric.device).eval()
        row = _row(job, settings, str(fabric.device), cost, spent)
        if job.task == "pixel":
            row, errors = _measure_maps(row, frames, _map_of(network, fabric.device))
        else:
            row, errors = _measure_scores(row, frames, _score_of(network, fabric.device))
        write_row(settings.out, row, errors)
    fabric.barrier()


def _row(
    job: Job, settings: BenchmarkSettings, device: str, cost: Footprint | None = None, spent: Spent | None = None
) -> ResultRow:
    return ResultRow(
        method=job.method,
        task=job.task,
        split=job.split,
        seed=job.seed,
        budget=str(settings.budget),
        status="ok",
        data=open_frames(settings.frames).name,
        version=luxel.__version__,
        device=device,
        params=cost.params if cost else None,
        latency_ms=cost.latency_ms if cost else None,
        memory_mb=cost.memory_mb if cost else None,
        seconds_trained=spent.seconds if spent else None,
        images_seen=spent.images if spent else None,
        rules=settings.rules if spent else "",
        backbones=settings.backbones_of(job.method) if spent else "",
    )


def _map_of(network: torch.nn.Module, device: torch.device) -> MapPredictor:
    def predict(image: npt.NDArray[np.uint8]) -> FloatArray:
        with torch.inference_mode():
            return np.asarray(network(_as_batch(image, device))[0, 0].float().cpu().numpy())

    return predict


def _score_of(network: torch.nn.Module, device: torch.device) -> ScorePredictor:
    def predict(image: npt.NDArray[np.uint8]) -> float:
        with torch.inference_mode():
            return float(network(_as_batch(image, device))[0])

    return predict


def _as_batch(image: npt.NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    return torch.tensor(image).to(device).permute(2, 0, 1)[None].float() / 255


def _untrained_row(job: Job, settings: BenchmarkSettings, frames: Frames) -> tuple[ResultRow, FloatArray | None]:
    row = replace(_row(job, settings, "cpu"), budget="none")
    if job.method in STATISTICAL:
        method = STATISTICAL[job.method]
        rate = method.score or method.statistic
        row, errors = _measure_scores(row, frames, lambda image: rate(as_unit_float(image)))
        # Without a scale of its own a number can rank pictures, no more.
        return (row, errors) if method.score else (replace(row, lcc=None, acc=None), None)
    predict = _untrained_map(job.method, settings)
    if job.task == "pixel":
        return _measure_maps(row, frames, predict)
    return _measure_scores(row, frames, lambda image: mean_residual_score(predict(image)))  # 5.2, without fine-tuning


def _untrained_map(name: str, settings: BenchmarkSettings) -> MapPredictor:
    if name in TRIVIAL:
        return lambda image: TRIVIAL[name](as_unit_float(image))
    if name == RELEASED:
        from luxel.model.released import load_released

        if settings.released is None:
            raise LuxelError("released: the authors' checkpoint is not part of luxel; give its file with --released")
        authors = load_released(settings.released)
        return lambda image: authors.predict(as_unit_float(image))
    from luxel.assessment.runtime import load, predict
    from luxel.assessment.weights import locate

    network = load(locate(None))
    return lambda image: predict(network, as_unit_float(image))


def _measure_maps(row: ResultRow, frames: Frames, predict: MapPredictor) -> tuple[ResultRow, FloatArray]:
    """The row with MAE, SSIM, PSNR and sign of its maps on the test frames, and MAE picture by picture."""
    measured = [
        measure(np.asarray(frames.maps[i], np.float32), predict(np.array(frames.images[i])))
        for i in frames.indices(row.split, "test")
    ]
    mean = mean_measures(measured)
    # A map without any error has no finite PSNR: zero, on a frame that is its own reference. Nor has the mean, then.
    psnr = mean.psnr_1 if np.isfinite(mean.psnr_1) else None
    row = replace(row, mae=mean.mae, ssim=mean.ssim_1, ssim_2=mean.ssim, psnr=psnr, sign=mean.sign)
    return replace(row, scenes=frames.scenes(row.split, "test")), np.array([m.mae for m in measured], np.float32)


def _measure_scores(row: ResultRow, frames: Frames, predict: ScorePredictor) -> tuple[ResultRow, FloatArray]:
    """The row with SRCC, LCC and ACC of its scores on the test frames, and |error| picture by picture."""
    indices = frames.indices(row.split, "test")
    true, predicted = frames.scores[indices], np.array([predict(np.array(frames.images[i])) for i in indices])
    acc = metrics.acc(true, predicted)
    errors = np.abs(true - predicted).astype(np.float32)
    row = replace(row, scenes=frames.scenes(row.split, "test"))
    if np.ptp(predicted) == 0 or np.ptp(true) == 0:  # a constant has no correlation with anything
        return replace(row, acc=acc), errors
    return replace(row, srcc=metrics.srcc(true, predicted), lcc=metrics.lcc(true, predicted), acc=acc), errors
