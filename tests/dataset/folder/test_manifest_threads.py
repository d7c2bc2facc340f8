"""Reading a manifest starts no thread that could outlive it and end the process while Python shuts down."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SCRIPT = """
import os, sys
from luxel.dataset.folder.manifest import read_parquet
from luxel.jobs import file_names
before = len(os.listdir("/proc/self/task"))
table = read_parquet(__import__("pathlib").Path(sys.argv[1]))
with open(sys.argv[1], "rb") as file:
    names = list(file_names._of_parquet(file, "list", None))
print(table.num_rows, len(names), len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
def test_reading_parquet_starts_no_threads(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    columns = {f"c{n}": list(range(5000)) for n in range(20)} | {"path": [f"{n}.jpg" for n in range(5000)]}
    pq.write_table(pa.table(columns), path, row_group_size=500)
    shown = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["5000", "5000", "0"]
