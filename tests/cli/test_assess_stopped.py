"""`luxel assess` killed and interrupted, and resumed."""

import json
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from stand_ins.assess_runs import arguments, command_line, write_picture
from stand_ins.onnx_files import grey_target

COUNT = 12


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for n in range(COUNT):
        write_picture(tmp_path / f"in/{n:02}.png", 20 * n, (200, 300))
    return tmp_path


@pytest.fixture(scope="session")
def slow_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that looks far and takes its time, so that a run is still going when it is stopped."""
    return grey_target(tmp_path_factory.mktemp("weights") / "slow.onnx", size=151)


def start(folder: Path, weights: Path, jobs: int) -> "subprocess.Popen[str]":
    """A run over `folder`/in, in its own process group, that has stored at least two rows and is not done."""
    command = command_line(*arguments(folder, weights), "--jobs", jobs)
    # A shell's background job ignores Ctrl-C, and so would a program started by tests that run in one.
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    journal = folder / "out" / "results.jsonl"
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 2):
        time.sleep(0.01)
    return process


def stored_rows(folder: Path) -> list[dict[str, object]]:
    """The rows of lines that were written whole."""
    lines = (folder / "out" / "results.jsonl").read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def assert_all_gone(group: int) -> None:
    """No process of the group is left, after a while for those that finish a picture."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    pytest.fail("worker processes outlived the run")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_any_point_it_loses_only_what_was_in_flight(many: Path, slow_weights: Path, jobs: int) -> None:
    process = start(many, slow_weights, jobs)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert_all_gone(process.pid)
    done = len(stored_rows(many))
    assert 2 <= done < COUNT
    assert done <= len(list((many / "out").glob("*.heatmap.jpg"))) <= done + 2 * jobs

    command = command_line(*arguments(many, slow_weights), "--resume")
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{done} of {COUNT} pictures were done before" in again.stderr
    rows = [json.loads(line) for line in again.stdout.splitlines()]
    assert [Path(row["path"]).name for row in rows] == [f"{n:02}.png" for n in range(COUNT)]
    assert [row["path"] for row in stored_rows(many)] == [row["path"] for row in rows]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_stops_cleanly_and_says_how_to_resume(many: Path, slow_weights: Path, jobs: int) -> None:
    process = start(many, slow_weights, jobs)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(err.splitlines()) == 1, err
    (line,) = err.splitlines()
    assert re.search(rf"stopped after \d+ of {COUNT} pictures; resume with: luxel assess .* --resume$", line)
    assert all(json.loads(text)["error"] is None for text in out.splitlines())
    assert_all_gone(process.pid)
    assert not list((many / "out").glob(".*")), "nothing half-written stays"
    done = len(stored_rows(many))
    resumed = shlex.split(line.split("resume with: luxel ")[1])
    again = subprocess.run(command_line(*resumed), capture_output=True, text=True, check=True)
    assert f"{done} of {COUNT} pictures were done before" in again.stderr
    assert len(again.stdout.splitlines()) == COUNT
