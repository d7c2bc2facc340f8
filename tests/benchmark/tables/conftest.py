"""Rows of a small run, for the tests of tables."""

from dataclasses import replace
from pathlib import Path

import pytest

from luxel.benchmark.protocol.results import write_row
from stand_ins.benchmark_rows import errors, row


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rows of a small run: two splits of the pixel task, one of the score task, failures among them."""
    for split in (0, 1):
        for i, (name, mean) in enumerate({"pieanet": 0.05, "zero": 0.25, "mid_grey": 0.1, "shipped": 0.0501}.items()):
            values = errors(mean * (1 + split / 10), seed=10 * split + i)
            made = row(name, split=split, mae=float(values.mean()), ssim=0.5, psnr=20.0, sign=None)
            if name == "pieanet":
                made = replace(made, params=1_950_036, latency_ms=80.0, memory_mb=300.0, images_seen=900, device="cpu")
                made = replace(made, sign=0.9)
            write_row(tmp_path, made, values)
    write_row(tmp_path, row("released", status="failed", reason="no file | given\nuse --released", data=""))
    write_row(tmp_path, row("pieanet", "score", srcc=0.8, lcc=0.7, acc=0.9), errors(1.0))
    write_row(tmp_path, row("rahman", "score", srcc=0.5, lcc=0.4, acc=0.6), errors(2.0, seed=1))
    write_row(tmp_path, row("zero", "score", srcc=float("nan"), acc=0.5), errors(2.0, seed=2))
    write_row(tmp_path, row("zhang", "score", srcc=0.3, lcc=0.2))
    return tmp_path
