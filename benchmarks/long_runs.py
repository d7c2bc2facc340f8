"""Memory of a run over a million pictures: what is around the assessments, which a stand-in replaces.

    python benchmarks/long_runs.py --rows 1000000

Prints seconds and the largest resident memory after each step: the list of files, a run with Parquet parts, and a
resumed run that keeps every row but 1,000. Every step is a process of its own.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from luxel.assessment import batch
from luxel.assessment.batch import Run, Settings
from luxel.assessment.tables import ParquetFile, RunSummary
from luxel.jobs.file_list import FileList, Found
from luxel.jobs.file_names import listed
from luxel.jobs.find import find

ROW = {
    "width": 4000,
    "height": 3000,
    "score": 6.123456789,
    "mean_abs_residual": 0.123456789,
    "over": 0.0123456789,
    "under": 0.23456789,
    "ev": 0.7,
    "ev_bound": "exact",
    "ev_reason": None,
    "threshold": 0.2,
    "weights": {"name": "pieanet", "sha256": "0" * 64},
    "head": None,
    "notes": ["turned by its EXIF orientation"],
    "outputs": {},
    "error": None,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--step", choices=("list", "run", "resume"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        step(asked.step, asked.folder, asked.rows)
        return
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder, "list.txt")
        with names.open("w") as file:
            file.writelines(f"/photos/{n // 1000:05d}/IMG_{n:08d}.jpg\n" for n in range(asked.rows))
        for name in ("list", "run", "resume"):
            command = [sys.executable, __file__, "--rows", str(asked.rows), "--step", name, "--folder", folder]
            subprocess.run(command, check=True)


def step(name: str, folder: Path, rows: int) -> None:
    """Does one step and prints what it took."""
    begun = time.monotonic()
    files = find([], listed=listed(str(folder / "list.txt")), endings=(".jpg",))
    if name != "list":
        run_over(files, folder / "out", resume=name == "resume")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{name}: {rows:,} rows, {time.monotonic() - begun:.0f} s, {peak / 1e6:.0f} MB at most", flush=True)


def run_over(files: FileList, out: Path, *, resume: bool) -> None:
    """A run whose pictures cost nothing; the last 1,000 fail at first, so that they are tried again."""
    last = len(files) - 1000

    def assess_one(picture: Found, *_: object) -> batch.Row:
        failed = not resume and int(picture.path.stem[4:]) >= last
        return {**ROW, "path": picture.source, "error": "is empty" if failed else None}

    batch.assess_one = assess_one  # type: ignore[assignment]
    run = Run(files, Settings(), out=out, resume=resume)
    assert run.earlier == (last if resume else 0)
    summary = RunSummary()
    os.makedirs(out, exist_ok=True)  # noqa: PTH103
    with ParquetFile(out / "results", part_rows=100_000) as table:
        for row in run.rows():
            summary.add(row)
            table.add(row)
    print(summary, flush=True)


if __name__ == "__main__":
    main()
