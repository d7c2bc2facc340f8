"""Ctrl-C never reaches a worker process, not even the first one while it starts."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import signal
from multiprocessing import resource_tracker
from luxel.jobs import processes
processes._block_interrupts()
resource_tracker.ensure_running()  # what the first spawned process of a program does
print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_interrupts_stay_blocked_when_the_first_worker_starts() -> None:
    shown = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "True"
