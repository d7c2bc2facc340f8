"""A disk that is full ends a benchmark in one line: a failed row would say that the method is at fault."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from luxel.benchmark.protocol import run as protocol
from luxel.benchmark.protocol.data import prepare_frames
from luxel.benchmark.protocol.settings import BenchmarkSettings
from luxel.benchmark.protocol.training import Budget
from luxel.errors import DatasetError, LuxelError
from luxel.jobs.atomic import leftovers
from stand_ins.full_disk import Disk


def test_a_full_disk_is_not_a_row(tmp_path: Path) -> None:
    with Disk(500_000).used(), pytest.raises(DatasetError, match="No space left on device"):
        prepare_frames("procedural", 32, tmp_path / "frames")
    assert leftovers(tmp_path / "frames") == []
    frames = prepare_frames("procedural", 32, tmp_path / "frames")
    settings = BenchmarkSettings(frames=frames, out=tmp_path / "out", budget=Budget.parse("8"))
    jobs = [protocol.Job("zero", "pixel", 0, 0)]
    for room in (0, 300):
        with Disk(room).used(), pytest.raises(LuxelError, match="No space left on device"):
            protocol.run_rows(jobs, settings, report=lambda line: None)
        assert list((tmp_path / "out").glob("*.json")) == []
    assert protocol.run_rows(jobs, settings, report=lambda line: None)[0].status == "ok"
