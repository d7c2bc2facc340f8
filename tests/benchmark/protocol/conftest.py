"""Small frames, for the tests of the protocol."""

from pathlib import Path

import pytest

from luxel.benchmark.protocol.data import Frames, open_frames, prepare_frames


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_frames("procedural", 48, tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="module")
def frames(place: Path) -> Frames:
    return open_frames(place)
