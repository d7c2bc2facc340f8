"""Names and values that records hold are checked once: nothing leaves its folder, nothing ends in a traceback."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from luxel.errors import CriteriaError, DatasetError
from luxel.jobs.records import (
    from_record,
    inside,
    name_problem,
    open_regular,
    read_json,
    read_regular,
    read_text,
    read_toml,
    single_name,
)

BAD_NAMES = [
    "/etc/passwd",
    "../a.png",
    "a/../../b.png",
    "a/..",
    "C:/a.png",
    "c:a.png",
    "\\\\server\\share\\a.png",
    "..\\a.png",
    "a\0.png",
    "a\n.png",
    "\x1b[31ma.png",
    "\ud800.png",
    "",
    " ",
    ".",
    "./",
    "a" * 300,
    "é" * 200,
    "a/" * 600 + "b",
    None,
    5,
    ["a.png"],
    {"a": 1},
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:20])
def test_names_that_are_rejected(name: object, tmp_path: Path) -> None:
    assert name_problem(name)
    with pytest.raises(CriteriaError) as error:
        inside(tmp_path, name, kind=CriteriaError)
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)
    with pytest.raises(DatasetError):
        single_name(name, where="here")


@pytest.mark.parametrize("name", ["a.png", "scenes/a b/P0.png", "ü/日本.png", "a..b/..c", "./a.png", "a\u202fb.png"])
def test_names_that_stay_inside(name: str, tmp_path: Path) -> None:
    assert name_problem(name) == ""
    assert inside(tmp_path, name) == tmp_path / name


def test_links_may_not_leave_the_folder(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    (other / "secret").write_text("s")
    (home / "file").symlink_to(other / "secret")
    (home / "folder").symlink_to(other)
    (home / "loop").symlink_to(home / "loop")
    (home / "kept").symlink_to(home / "real")
    for name in ("file", "folder/secret", "folder/new"):
        with pytest.raises(DatasetError, match="symbolic link"):
            inside(home, name)
    assert inside(home, "kept") == home / "kept"
    (tmp_path / "alias").symlink_to(home)
    assert inside(tmp_path / "alias", "a.png") == tmp_path / "alias" / "a.png"


@pytest.mark.parametrize("name", ["a/b", ".hidden", "..", "."])
def test_single_names_have_one_visible_part(name: str) -> None:
    with pytest.raises(DatasetError, match="here"):
        single_name(name, where="here")


def test_pipes_devices_and_folders_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    begun = time.monotonic()
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
            open_regular(path)
        with pytest.raises(DatasetError):
            read_json(path)
    assert time.monotonic() - begun < 2
    (tmp_path / "large").write_bytes(b"x" * 11)
    with pytest.raises(OSError, match="larger than"):
        read_regular(tmp_path / "large", 10)
    assert read_regular(tmp_path / "large", 11) == b"x" * 11


BAD_JSON = {
    "not text": b"\xff\xfe\x00",
    "cut": b'{"a": ',
    "list": b"[1, 2]",
    "deep": b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "nan": b'{"a": NaN}',
    "infinite": b'{"a": -Infinity}',
    "too large": b'{"a": 1e999}',
    "digits": b'{"a": ' + b"9" * 5000 + b"}",
    "half a surrogate": b'{"a": "\\ud83d"}',
    "empty": b"",
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_json_that_is_rejected_in_one_line(case: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(BAD_JSON[case])
    with pytest.raises(DatasetError, match=r"r\.json") as error:
        read_json(tmp_path / "r.json")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_json_and_text_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00", "b": 1e3}')
    assert read_json(tmp_path / "r.json") == {"a": "😀", "b": 1000.0}
    (tmp_path / "t").write_bytes(b"\xef\xbb\xbfab")
    assert read_text(tmp_path / "t") == "ab"


@pytest.mark.parametrize("text", [b"\xff", b"a = [" + b"[" * 5000, b"a = ", b"a = " + b"9" * 5000])
def test_toml_that_is_rejected_in_one_line(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_bytes(text)
    with pytest.raises(CriteriaError, match=r"r\.toml"):
        read_toml(tmp_path / "r.toml", kind=CriteriaError)


@dataclass
class Facts:
    name: str
    count: int
    share: float | None
    pair: tuple[float, float]
    kind: Literal["a", "b"] = "a"
    all: tuple[str, ...] = ()


GOOD = {"name": "x", "count": 2, "share": None, "pair": [1, 2.5], "all": ["p", "q"]}


def test_records_become_dataclasses() -> None:
    assert from_record(Facts, GOOD, where="w") == Facts("x", 2, None, (1.0, 2.5), "a", ("p", "q"))


@pytest.mark.parametrize(
    "change",
    [
        {"name": 5},
        {"count": 2.0},
        {"count": True},
        {"count": 10**400},
        {"share": float("nan")},
        {"share": "1"},
        {"pair": [1]},
        {"pair": [1, "2"]},
        {"pair": 3},
        {"kind": "c"},
        {"kind": ["a"]},
        {"all": "pq"},
        {"more": 1},
    ],
    ids=str,
)
def test_values_of_another_type_are_named(change: dict[str, object]) -> None:
    with pytest.raises(DatasetError, match=f"w: .*{next(iter(change))}") as error:
        from_record(Facts, GOOD | change, where="w")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("record", [None, [], "x", 3, {"name": "x"}])
def test_incomplete_records_are_named(record: object) -> None:
    with pytest.raises(DatasetError, match="w"):
        from_record(Facts, record, where="w")
