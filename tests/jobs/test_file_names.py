"""Lists of files in files, and files that are not local."""

import os
import sys
from pathlib import Path

import pytest

fsspec = pytest.importorskip("fsspec", reason="needs luxel[remote]")
pytest.importorskip("pyarrow", reason="needs luxel[parquet]")
import pyarrow.parquet  # noqa: E402

from luxel.errors import ImageError, LuxelError, MissingExtraError  # noqa: E402
from luxel.jobs.file_names import listed  # noqa: E402
from luxel.jobs.find import find  # noqa: E402
from luxel.jobs.remote import fetch  # noqa: E402


def test_text_csv_and_parquet_give_the_same(tmp_path: Path) -> None:
    names = ["a b.jpg", "s3://bucket/ü.jpg", "x,y.png"]
    (tmp_path / "l.txt").write_text("\ufeff" + "\r\n".join(names) + "\r\n\n", encoding="utf-8")
    (tmp_path / "l.csv").write_text('n,URL\n1,a b.jpg\n2,s3://bucket/ü.jpg\n\n4,"x,y.png"\n5,\n', encoding="utf-8")
    pyarrow.parquet.write_table(pyarrow.table({"n": [1, 2, 3, 4], "path": [*names, None]}), tmp_path / "l.parquet")
    for name in ("l.txt", "l.csv", "l.parquet"):
        assert list(listed(str(tmp_path / name))) == names
    pyarrow.parquet.write_table(pyarrow.table({"photo": names, "path": [1, 2, 3]}), tmp_path / "l.parquet")
    assert list(listed(str(tmp_path / "l.parquet"), "photo")) == names


def test_lists_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "l.csv").write_text("n,m\n1,2\n")
    (tmp_path / "l.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "l.txt").write_text("a")
    pyarrow.parquet.write_table(pyarrow.table({"path": [1]}), tmp_path / "n.parquet")
    for name, column, words in (
        ("gone.txt", None, r"gone\.txt: cannot be read: No such file or directory; give a readable list"),
        ("l.csv", None, r"l\.csv: has no column with paths; its columns: n, m; name one with --column"),
        ("l.csv", "k", r"l\.csv: has no column k; its columns: n, m"),
        ("l.parquet", None, r"l\.parquet: cannot be read as Parquet"),
        ("n.parquet", None, r"n\.parquet: column path holds int, not text"),
        ("l.txt", "k", r"l\.txt: is not a \.csv or \.parquet file"),
    ):
        with pytest.raises(LuxelError, match=words) as caught:
            list(listed(str(tmp_path / name), column))
        assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match=r"reading URLs needs .* pip install fsspec"):
        list(listed("memory://l.txt"))


def test_bytes_that_are_not_utf8_are_names_too(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_bytes(b"caf\xe9.png\n")
    assert list(listed(str(tmp_path / "l.txt"))) == [os.fsdecode(b"caf\xe9.png")]


def test_urls_are_found_named_and_fetched(tmp_path: Path) -> None:
    system = fsspec.filesystem("memory")
    for name in ("/luxel/x/a.jpg", "/luxel/y/a.jpg", "/luxel/x/b.heatmap.jpg", "/luxel/x/note.txt"):
        system.pipe(name, name.encode())
    found = find(["memory://luxel/**/*", "https://host/b/a.jpg", "https://host/a%20b.jpg?v=1"], endings=(".jpg",))
    assert [(file.source, file.name) for file in found] == [
        ("memory:///luxel/x/a.jpg", "luxel/x/a"),
        ("memory:///luxel/y/a.jpg", "luxel/y/a"),
        ("https://host/b/a.jpg", "host/b/a"),
        ("https://host/a%20b.jpg?v=1", "a%20b"),
    ]
    assert fetch("memory://luxel/x/a.jpg") == b"/luxel/x/a.jpg"
    with pytest.raises(ImageError, match=r"memory://luxel/gone\.jpg: cannot be read: "):
        fetch("memory://luxel/gone.jpg")
    with pytest.raises(LuxelError, match="no picture"):
        find(["memory://luxel/*.png"], endings=(".png",))
    with pytest.raises(LuxelError, match=r"nope://x/\*: cannot be listed: Protocol not known"):
        find(["nope://x/*"], endings=(".png",))
    (tmp_path / "l.txt").write_text("memory://luxel/x/a.jpg\n")
    (only,) = find([], listed=listed(str(tmp_path / "l.txt")), endings=(".jpg",))
    assert only.url == "memory://luxel/x/a.jpg"
