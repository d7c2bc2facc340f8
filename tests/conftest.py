"""Settings for every test: one thread per process, so that parallel test processes do not wait for each other."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each process gets tests that follow each other, so that a module's fixtures are made once; an idle one takes
    half of what another has left."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Random weights and inputs are the same in whatever order tests run."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A small file of every format."""
    from stand_ins.picture_files import every_format  # here, so that tests without pictures need no codecs

    return every_format(tmp_path_factory.mktemp("zoo"))
