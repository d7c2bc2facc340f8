"""Running rows: footprint, choice of methods, rules, killed and resumed runs."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from luxel.benchmark.methods.ablations import ABLATIONS
from luxel.benchmark.protocol import run as protocol
from luxel.benchmark.protocol.data import open_frames
from luxel.benchmark.protocol.footprint import footprint, parameters
from luxel.benchmark.protocol.results import ResultRow, read_row, write_row
from luxel.benchmark.protocol.settings import BenchmarkSettings
from luxel.benchmark.protocol.training import Budget
from luxel.benchmark.registry import NETWORKS, build, facts
from luxel.errors import LuxelError
from luxel.jobs.processes import Pool, TaskError
from stand_ins.footprints import footprint_maker, memory_of_small_network
from stand_ins.same_process import SameProcess


def test_a_footprint_counts_what_the_network_has() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 1, 1))
    measured = footprint(network, torch.device("cpu"))
    assert measured.params == parameters(network) == 3 * 4 * 9 + 4 + 4 + 1
    assert measured.latency_ms > 0
    assert measured.memory_mb >= measured.params * 4 / 2**20


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is known on Linux only")
def test_a_small_network_is_not_charged_with_what_others_held() -> None:
    once = bytearray(300 * 2**20)
    once[:: 2**12] = b"x" * len(once[:: 2**12])  # really held, by this process and as its children's getrusage tells it
    with Pool(footprint_maker, workers=1) as pool:
        of_child = pool.submit(None).result()
    assert not isinstance(of_child, TaskError)
    del once
    assert of_child < 100
    assert memory_of_small_network() < 100


def test_every_choice_of_methods_comes_with_the_trivial_rows() -> None:
    chosen = protocol.choose_methods(["pieanet"], "pixel")
    assert {"zero", "constant", "mid_grey", "local_mid_grey", "shipped"} < set(chosen)
    assert chosen[-1] == "pieanet"
    assert set(ABLATIONS) < set(protocol.choose_methods(["ablations"], "pixel"))
    table3 = {"pieanet-no-dwt", "pieanet-no-structure", "pieanet-no-lightness"}
    assert set(protocol.choose_methods(["ablations"], "score")) & set(ABLATIONS) == table3
    with pytest.raises(LuxelError, match="did you mean mslt"):
        protocol.choose_methods(["mstl"], "pixel")


def test_untrained_rows_are_made_once_per_split() -> None:
    jobs = protocol.plan(["zero", "pieanet"], "pixel", splits=2, seeds=3)
    assert [job.method for job in jobs].count("zero") == 2
    assert [job.method for job in jobs].count("pieanet") == 6
    assert [job.split for job in jobs] == sorted(job.split for job in jobs)


@pytest.fixture
def settings(place: Path, tmp_path: Path) -> BenchmarkSettings:
    return BenchmarkSettings(
        frames=place, out=tmp_path, budget=Budget(images=16), batch=4, tiny=True, accelerator="cpu"
    )


def test_a_run_writes_its_rows_and_resumes_where_it_stopped(
    settings: BenchmarkSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "Pool", SameProcess)
    jobs = [protocol.Job("zero", "pixel", 0, 0), protocol.Job("pieanet", "score", 0, 0)]
    lines: list[str] = []
    first = protocol.run_rows(jobs[:1], settings, report=lines.append)
    again = protocol.run_rows(jobs, settings, report=lines.append)
    assert [row.method for row in first] == ["zero"]
    assert [row.method for row in again] == ["pieanet"]
    assert len(lines) == 2
    row = read_row(settings.out, "pieanet", "score", 0, 0)
    assert row.status == "ok"
    assert row.images_seen == 16
    assert row.params == parameters(build("pieanet", "score", tiny=True))
    frames = open_frames(settings.frames)
    zero = read_row(settings.out, "zero", "pixel", 0, 0)
    true = np.abs(np.asarray(frames.maps[frames.indices(0, "test")], np.float32)).mean((1, 2))
    assert zero.mae == pytest.approx(float(true.mean()), rel=1e-4)  # the zero map's error is the map


def test_a_method_that_fails_is_a_row_with_the_reason(settings: BenchmarkSettings, tmp_path: Path) -> None:
    job = protocol.Job("released", "pixel", 0, 0)
    made = protocol.run_rows([job], settings, report=lambda line: None)
    assert made[0].status == "failed"
    assert "--released" in (made[0].reason or "")
    assert protocol.run_rows([job], settings, report=lambda line: None) == []
    again = protocol.run_rows([job], settings, report=lambda line: None, retry_failed=True)
    assert [row.status for row in again] == ["failed"]


def test_rows_of_another_budget_do_not_mix(settings: BenchmarkSettings) -> None:
    spent = ResultRow(
        method="pieanet",
        task="pixel",
        split=0,
        seed=0,
        budget="8 images",
        status="ok",
        version="0",
        mae=0.1,
        images_seen=8,
    )
    write_row(settings.out, spent)
    with pytest.raises(LuxelError, match=r"this run has procedural, 48 px .*; 16 images; batch 4; give another --out"):
        protocol.run_rows([protocol.Job("zero", "pixel", 0, 0)], settings)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"data": "procedural, 48 px (checksum 0)"}, r"checksum 0\)"),
        ({"rules": "batch 5"}, "batch 5"),
        ({"rules": "batch 4 over 8 devices"}, "over 8 devices"),
        ({"backbones": "backbone=other.pth"}, "backbone=other.pth; this run has .*random weights"),
    ],
)
def test_rows_by_other_rules_do_not_mix(settings: BenchmarkSettings, change: dict[str, str], expected: str) -> None:
    job = protocol.Job("nima", "score", 0, 0)
    row = ResultRow(
        method="nima",
        task="score",
        split=0,
        seed=1,
        budget="16 images",
        status="ok",
        version="0",
        images_seen=16,
        rules=settings.rules,
        data=open_frames(settings.frames).name,
    )
    write_row(settings.out, row)
    write_row(settings.out, replace(row, seed=0))  # there already: nothing is trained
    assert protocol.run_rows([job], settings) == []
    write_row(settings.out, replace(row, **change))
    with pytest.raises(LuxelError, match=f"holds nima .*{expected}"):
        protocol.run_rows([job], settings)


def test_a_batch_is_shared_out_evenly(settings: BenchmarkSettings) -> None:
    assert replace(settings, batch=6, devices=3).rules == "batch 6 over 3 devices"
    with pytest.raises(LuxelError, match="batch 4: does not divide among 3 devices; give a multiple of 3"):
        replace(settings, devices=3)


def test_a_map_without_error_has_no_psnr(settings: BenchmarkSettings, tmp_path: Path) -> None:
    place = tmp_path / settings.frames.name
    shutil.copytree(settings.frames, place)
    first = int(open_frames(place).indices(0, "test")[0])
    residuals = np.memmap(place / "residual.f16", np.float16, "r+", shape=open_frames(place).residuals.shape)
    residuals[first] = 0  # a frame that is its own reference
    (row,) = protocol.run_rows([protocol.Job("zero", "pixel", 0, 0)], replace(settings, frames=place))
    assert (row.status, row.psnr) == ("ok", None)
    assert row.ssim is not None
    assert row.ssim_2 is not None
    assert row.ssim < row.ssim_2  # the wider the range, the less a difference counts


_KILLED = """
import sys
from pathlib import Path
from luxel.benchmark.protocol import run as protocol
from luxel.benchmark.protocol.settings import BenchmarkSettings
from luxel.benchmark.protocol.training import Budget

if __name__ == "__main__":
    settings = BenchmarkSettings(
        frames=Path(sys.argv[1]), out=Path(sys.argv[2]), budget=Budget(seconds=600), batch=4, tiny=True,
        accelerator="cpu",
    )
    jobs = [protocol.Job("zero", "pixel", 0, 0), protocol.Job("pieanet", "pixel", 0, 0)]
    protocol.run_rows(jobs, settings, report=lambda line: print(line, flush=True))
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_killed_run_stops_its_training_and_resumes_from_its_rows(settings: BenchmarkSettings, tmp_path: Path) -> None:
    """By SIGKILL, the hardest; the pool's own tests have the other signals."""
    script = tmp_path / "killed.py"
    script.write_text(_KILLED)
    run = subprocess.Popen(
        [sys.executable, script, settings.frames, settings.out],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline().startswith("[1/2] zero")
    # the tracker of multiprocessing's resources is a child of the run, too
    training = _awaited(lambda: [pid for pid in _children(run.pid) if b"spawn_main" in _command(pid)])
    run.send_signal(signal.SIGKILL)
    assert run.wait(120) != 0
    _awaited(lambda: not any(_command(pid) for pid in training))
    assert {path.suffix for path in settings.out.iterdir() if path.name.startswith("zero.")} == {".json", ".npy"}
    assert not list(settings.out.glob("pieanet.*"))
    jobs = [protocol.Job(name, "pixel", 0, 0) for name in ("zero", "pieanet")]
    begun = []

    def starting(done: int, job: protocol.Job) -> None:
        begun.append((done, job.method))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        protocol.run_rows(jobs, settings, starting=starting)
    assert begun == [(1, "pieanet")]


def _awaited(found: Callable[[], Any]) -> Any:
    for _ in range(3000):
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError("not within five minutes")


def _children(pid: int) -> list[int]:
    # The kernel lists them by the thread that started them.
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def _command(pid: int) -> bytes:
    """What a process was started with; nothing once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_two_processes_train_one_row(settings: BenchmarkSettings) -> None:
    job = protocol.Job("pieanet", "pixel", 0, 0)
    made = protocol.run_rows([job], replace(settings, devices=2), report=lambda line: None)
    assert made[0].status == "ok", made[0].reason
    assert made[0].images_seen == 16


def test_every_method_names_its_facts() -> None:
    for name in NETWORKS:
        known = facts(name)
        assert known.name == name
        assert known.reference
        assert known.licence
        assert known.tasks


def test_the_registry_and_the_statistics_are_at_hand_without_torch() -> None:
    modules = "luxel.benchmark, luxel.benchmark.methods.statistical"
    code = f"import sys, {modules}; print(callable(luxel.benchmark.build), 'torch' in sys.modules)"
    expected = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert expected.stdout.split() == ["True", "False"]
