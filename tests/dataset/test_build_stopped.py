"""A build that is stopped: processes that die, a kill, a full disk."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from luxel import images
from luxel.dataset.build import SceneOutcome
from luxel.dataset.check.check import check_dataset
from luxel.errors import DatasetError, ImageError
from luxel.jobs.atomic import hidden_name
from stand_ins.built_datasets import make, rows_of, sources_of, times
from stand_ins.dataset_scenes import write_source


def test_processes_give_the_same_bytes_and_lose_only_bad_scenes(tmp_path: Path) -> None:
    """One process dies over its scene, another exceeds the time limit."""
    sources = sources_of(tmp_path / "in", 2)
    crash, stuck = (write_source(tmp_path / "in", name, 1) for name in ("crash", "stuck"))
    make(tmp_path / "one", sources)
    outcomes = make(tmp_path / "two", [crash, *sources, stuck], jobs=2, timeout=4.0)
    assert [outcome.state for outcome in outcomes] == ["failed", "built", "built", "failed"]
    assert "was killed" in outcomes[0].reason
    assert "took longer than 4 s" in outcomes[3].reason
    files = sorted(place.relative_to(tmp_path / "one") for place in (tmp_path / "one/scenes").rglob("*.*"))
    assert len(files) == 2 * (3 * 4 + 6)
    for file in [*files, Path("manifest.parquet")]:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


KILLED = """
import sys
from pathlib import Path
from stand_ins.dataset_scenes import prepare, write_source
from luxel.dataset.build import BuildSettings, build_dataset

if __name__ == "__main__":
    sources = [write_source(Path(sys.argv[1]), f"slow{i:02}", i) for i in range(6)]
    build_dataset(sources, Path(sys.argv[2]), settings=BuildSettings(short_side=48), prepare=prepare, jobs=2,
          progress=lambda outcome: print(outcome.scene_id, outcome.state, flush=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_and_run_again_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, str(script), str(tmp_path / "in"), str(tmp_path / "out")]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    finished = [process.stdout.readline().split()[0] for _ in range(2)]
    time.sleep(0.2)  # into the middle of the next scenes
    process.send_signal(signal.SIGKILL)
    process.wait()
    standing = times(tmp_path / "out")
    assert set(finished) <= standing.keys()

    # The processes end with their parent, and the lock is free at once.
    sources = [write_source(tmp_path / "in", f"slow{i:02}", i) for i in range(6)]
    outcomes = make(tmp_path / "out", sources)
    states = {outcome.scene_id: outcome.state for outcome in outcomes}
    assert set(states.values()) <= {"built", "kept"}
    for scene in finished:
        assert states[scene] == "kept"
        assert times(tmp_path / "out")[scene] == standing[scene]
    assert len(rows_of(tmp_path / "out")) == 6 * 3
    assert check_dataset(tmp_path / "out").problems == []
    assert not list((tmp_path / "out/scenes").glob(".*"))


def test_half_a_scene_is_never_taken_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("luxel.dataset.folder.scene_files.save_rows", stop)  # the last thing written
    sources = sources_of(tmp_path / "in", 1)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", sources)
    monkeypatch.undo()
    assert times(tmp_path / "out") == {}
    assert make(tmp_path / "out", sources)[0].state == "built"


def test_a_full_disk_stops_the_build_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = images.write
    full = {"now": False}

    def write(path: Path, pixels: np.ndarray) -> None:
        if full["now"] and "residual" in path.name:
            raise ImageError(f"{path}: cannot be written: No space left on device") from OSError(errno.ENOSPC, "full")
        written(path, pixels)

    monkeypatch.setattr(images, "write", write)
    sources = sources_of(tmp_path / "in", 3)

    def fill(outcome: SceneOutcome) -> None:
        full["now"] = True

    with pytest.raises(DatasetError, match=r"No space left.*free some space and run the same build again"):
        make(tmp_path / "out", sources, progress=fill)
    assert times(tmp_path / "out").keys() == {"scene00"}
    assert not list((tmp_path / "out/scenes").glob(".*"))
    full["now"] = False
    monkeypatch.undo()
    assert [outcome.state for outcome in make(tmp_path / "out", sources)] == ["kept", "built", "built"]


def test_a_scene_whose_replacement_was_killed_is_put_back(dataset: Path, pristine: Path) -> None:
    (dataset / "scenes/scene00").rename(dataset / "scenes" / hidden_name("scene00"))
    (dataset / "scenes" / hidden_name()).mkdir()
    sources = sources_of(pristine.parent / "in", 3)
    assert [outcome.state for outcome in make(dataset, sources)] == ["kept"] * 3
    assert check_dataset(dataset).problems == []
    assert not list((dataset / "scenes").glob(".*"))
