"""The process pool: warm workers, deaths and time limits that cost one task, no process outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from luxel.errors import LuxelError, MissingExtraError, WeightsError
from luxel.jobs.processes import Pool, TaskError, ordered_results, results
from stand_ins.interrupts import takes_interrupts

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def start(log: Path) -> Callable[[object], object]:
    with log.open("a") as file:
        file.write(f"{os.getpid()}\n")
    return work


def work(task: object) -> object:
    if isinstance(task, signal.Signals):
        os.kill(os.getpid(), task)
    if task == "sleep":
        time.sleep(60)
    if task == "weights":
        raise WeightsError("no more")
    if task == "extra":
        raise MissingExtraError("HEIC", "heif")
    if task == "fault":
        raise ZeroDivisionError("by\nzero")
    if task == "lambda":
        return lambda: None
    return os.getpid() if task == "pid" else task


def start_badly() -> Callable[[object], object]:
    raise LuxelError("cannot start; do this")


def start_dead() -> Callable[[object], object]:
    os._exit(3)


@posix
def test_what_goes_wrong_with_a_task_costs_that_task_only(tmp_path: Path) -> None:
    tasks = [0, signal.SIGSEGV, "fault", 3, signal.SIGKILL, "lambda", "sleep", 7, lambda: None]
    log = tmp_path / "log"
    found = dict(results(tasks, partial(start, log), jobs=2, timeout=3.0))
    errors = {n: result for n, result in found.items() if isinstance(result, TaskError)}
    assert {n: result for n, result in found.items() if n not in errors} == {0: 0, 3: 3, 7: 7}
    assert {n: error.kind for n, error in errors.items()} == {
        1: "died",
        2: "error",
        4: "died",
        5: "error",
        6: "timeout",
        8: "error",
    }
    assert "SIGSEGV" in errors[1].reason
    assert errors[2].reason.startswith("unexpected ZeroDivisionError: by zero (test_processes.py:")
    assert "out of memory" in errors[4].reason
    assert errors[6].reason == "took longer than 3 s and was stopped"
    assert not any("\n" in error.reason for error in errors.values())
    pids = log.read_text().split()
    assert len(pids) <= 5, "two workers, and one more for each that died or was stopped"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_results_come_in_order_from_warm_workers(tmp_path: Path) -> None:
    tasks = ["fault", *range(1, 20)]
    for jobs in (1, 2):
        first, *rest = ordered_results(tasks, partial(start, tmp_path / f"log{jobs}"), jobs=jobs)
        assert isinstance(first, TaskError)
        assert rest == list(range(1, 20))
        assert len((tmp_path / f"log{jobs}").read_text().split()) == jobs


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_ours_is_raised(jobs: int, tmp_path: Path) -> None:
    begin = partial(start, tmp_path / "log")
    with pytest.raises(WeightsError, match=r"^no more$"):
        list(results([1, "weights", 2], begin, jobs=jobs))
    with pytest.raises(MissingExtraError, match=r"^HEIC needs"):
        list(ordered_results(["extra"], begin, jobs=jobs))
    with pytest.raises(LuxelError, match="cannot start; do this"):
        list(results([1, 2], start_badly, jobs=jobs))


def test_workers_that_never_start_end_the_run() -> None:
    with pytest.raises(LuxelError, match="do not start: the last one stopped with exit code 3"):
        list(results([1, 2], start_dead, jobs=2))


def test_a_pool_serves_single_tasks_with_limits_of_their_own(tmp_path: Path) -> None:
    with Pool(partial(start, tmp_path / "log"), workers=1, tasks_per_worker=2) as pool:
        slow = pool.submit("sleep", timeout=0.5)
        pids = [pool.submit("pid") for _ in range(4)]
        result = slow.result(30)
        assert isinstance(result, TaskError)
        assert result.kind == "timeout"
        first, second, third, fourth = (future.result(30) for future in pids)
    assert first == second != third == fourth, "a process is replaced after two tasks"
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(1)


SCRIPT = """
import os, time
from luxel.jobs.processes import Pool

def start():
    print(os.getpid(), flush=True)
    return time.sleep

if __name__ == "__main__":
    with Pool(start, workers=2, grace=0.1) as pool:
        for future in [pool.submit(60.0) for _ in range(2)]:
            future.result()
"""


@posix
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(SCRIPT)
    run = subprocess.Popen(
        [sys.executable, tmp_path / "run.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=takes_interrupts,
    )
    assert run.stdout is not None
    assert len({run.stdout.readline() for _ in range(2)}) == 2
    if how == signal.SIGINT:
        os.killpg(run.pid, how)  # as a terminal does
    else:
        run.send_signal(how)
    # Ends when the last process that holds the pipes has ended: the tasks alone would take a minute.
    output, errors = run.communicate(timeout=30)
    assert output == ""
    assert errors.count("Traceback") == (1 if how == signal.SIGINT else 0), "none of the workers'"
