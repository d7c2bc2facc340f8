"""The atomic writer: complete or absent after exceptions, kills and planted links; leftovers go with the next run."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from luxel import images
from luxel.errors import DatasetError, LuxelError
from luxel.jobs import atomic
from luxel.jobs.atomic import hidden_name, leftovers, remove_leftovers, write_file, writing_file, writing_folder

posix = pytest.mark.skipif(os.name == "nt", reason="locks and signals of POSIX")

WRITER = """
import sys, time
from itertools import count
from pathlib import Path
from luxel.jobs.atomic import writing_file, writing_folder
folder, kind, stop_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in count(1):
    part = bytes([number % 256]) * 40_000
    if kind == "file":
        with writing_file(folder / "f") as file:
            file.write(part)
            if number == stop_at:
                print("half", flush=True)
                time.sleep(60)
            file.write(part)
    else:
        with writing_folder(folder / "d") as new:
            for name in "abc":
                (new / name).write_bytes(part)
                if number == stop_at:
                    print("half", flush=True)
                    time.sleep(60)
    if number == 2:
        print("begun", flush=True)
"""


def test_a_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_file(path, b"one")
    path.chmod(0o640)
    write_file(path, "zwei ü \udce9", sync=True)
    assert path.read_bytes() == "zwei ü ".encode() + b"\\udce9"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [place.name for place in tmp_path.iterdir()] == ["a"]


def test_what_fails_changes_nothing(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"one")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "old").touch()
    with suppress(ZeroDivisionError), writing_file(tmp_path / "a") as file:
        file.write(b"half")
        raise ZeroDivisionError
    with suppress(KeyboardInterrupt), writing_folder(tmp_path / "d") as folder:
        (folder / "new").touch()
        raise KeyboardInterrupt
    assert (tmp_path / "a").read_bytes() == b"one"
    assert sorted(str(place.relative_to(tmp_path)) for place in tmp_path.rglob("*")) == ["a", "d", "d/old"]
    with pytest.raises(DatasetError, match="nowhere/a: cannot be written: No such file or directory; mount it"):
        write_file(tmp_path / "nowhere/a", b"", error=DatasetError, remedy="mount it")


def test_a_folder_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with writing_folder(tmp_path / "x/d", sync=True) as folder:
            (folder / content).write_text(content)
    assert [place.name for place in (tmp_path / "x/d").iterdir()] == ["two"]
    with writing_folder(tmp_path / "x/d", replace=False) as folder:
        (folder / "three").touch()
    assert [place.name for place in (tmp_path / "x/d").iterdir()] == ["two"], "the first stays"
    assert [place.name for place in (tmp_path / "x").iterdir()] == ["d"]


@posix
def test_links_are_never_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    planted = [f"{n:016x}" for n in range(3)]
    for name, target in zip(planted, (victim, tmp_path / "nowhere", tmp_path / "folder"), strict=True):
        (tmp_path / f".luxel-{name}.partial").symlink_to(target)
    guesses = iter([*planted, "f" * 16])
    monkeypatch.setattr(atomic.secrets, "token_hex", lambda count: next(guesses))
    monkeypatch.setattr(atomic, "remove_leftovers", lambda folder: None)
    for _ in planted:
        with pytest.raises(LuxelError, match="File exists"):
            write_file(tmp_path / "a", b"mine")
    (tmp_path / "a").symlink_to(victim)
    write_file(tmp_path / "a", b"mine")
    assert not (tmp_path / "a").is_symlink()
    monkeypatch.undo()
    remove_leftovers(tmp_path)
    assert leftovers(tmp_path) == []
    (tmp_path / "d").symlink_to(tmp_path / "folder")
    with writing_folder(tmp_path / "d"):
        pass
    assert not (tmp_path / "d").is_symlink()
    assert victim.read_text() == "precious"
    assert (tmp_path / "folder/inside").exists()
    assert not (tmp_path / "nowhere").exists()


@posix
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_kills_leave_whole_results_and_the_next_run_removes_the_rest(kind: str, tmp_path: Path) -> None:
    rng = random.Random(kind)
    for stop_at in (3, 0, 0, 0):  # in the middle of the third, then anywhere
        command = [sys.executable, "-c", WRITER, str(tmp_path), kind, str(stop_at)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            assert process.stdout.readline() == "half\n" if stop_at else True
            time.sleep(0 if stop_at else rng.random() * 0.02)
            process.send_signal(signal.SIGKILL)
        assert len(leftovers(tmp_path)) == 1 or not stop_at
        remove_leftovers(tmp_path)
        assert leftovers(tmp_path) == []
        found = [place.read_bytes() for place in tmp_path.rglob("*") if place.is_file()]
        assert [len(content) for content in found] == ([80_000] if kind == "file" else [40_000] * 3)
        assert len({byte for content in found for byte in set(content)}) == 1, "all of one version"


@posix
def test_what_a_living_process_writes_stays(tmp_path: Path) -> None:
    with writing_file(tmp_path / "a") as file, writing_folder(tmp_path / "d") as folder:
        remove_leftovers(tmp_path)
        assert len(leftovers(tmp_path)) == 2
        file.write(b"1")
        (folder / "x").touch()
    assert sorted(place.name for place in tmp_path.iterdir()) == ["a", "d"]


def test_the_first_write_into_a_folder_removes_leftovers(tmp_path: Path) -> None:
    day = time.time() - 2 * 86400  # also where there are no locks
    for name in (hidden_name(), hidden_name()):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (day, day))
    mine = [".luxel-mine.partial", ".luxel-0123.partial", "luxel-0123456789abcdef.partial"]
    for name in mine:
        (tmp_path / name).touch()
    images.write(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    assert sorted(place.name for place in tmp_path.iterdir()) == sorted(["a.png", *mine])


def test_a_folder_whose_replacement_never_came_is_put_back(tmp_path: Path) -> None:
    day = time.time() - 2 * 86400
    for name in (hidden_name("lost"), hidden_name("there"), "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
        os.utime(tmp_path / name, (day, day))
    remove_leftovers(tmp_path)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["lost", "there"]
    assert (tmp_path / "there/there").exists()
