"""Lists of files on disk: order, names, shards; the same as with everything in memory."""

import random
from contextlib import suppress
from pathlib import Path

import pytest

from luxel.errors import LuxelError
from luxel.jobs.file_list import FileList, Found, in_order
from luxel.jobs.find import find


def of(*names: str) -> FileList:
    return FileList(Found(Path(name), Path(name).stem) for name in names)


def test_a_list_behaves_like_a_sequence() -> None:
    files = of("x/a.jpg", "b.jpg", "./b.jpg", "c.jpg")
    assert [file.name for file in files] == ["a", "b", "c"]
    assert (len(files), files[-1].name, [file.name for file in files[1:]]) == (3, "c", ["b", "c"])
    with pytest.raises(IndexError):
        files[3]
    assert not FileList()


def test_names_climb_together_and_the_rest_gets_numbers() -> None:
    files = of("x/a.jpg", "x/a.png", "y/a.jpg", "y/b.jpg", "y/a-jpg.tif", "../y/b.jpg")
    files.settle_names()
    assert [file.name for file in files] == ["x/a", "a-png", "y/a", "y/b-jpg", "a-jpg-tif", "y/b-jpg-2"]


def test_sorting_is_that_of_path_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    parts = ["a", "A", "b", "a b", "a.b", "a-b", "é", "\udce9", "𝕏", "Z"]
    paths = {Path(*rng.choices(parts, k=rng.randint(1, 4))) for _ in range(400)} | {Path("/x/a"), Path("/X/a")}
    expected = sorted(paths, key=lambda p: (tuple(part.lower() for part in p.parts), p.parts))
    assert list(in_order(paths)) == expected


def test_shards_part_the_list_and_hold_when_files_come_and_go() -> None:
    names = [f"f/{n}.jpg" for n in range(3000)]
    shards = []
    for shard in (1, 2, 3):
        files = of(*names)
        files.keep_shard(shard, 3)
        assert [files[n] for n in range(len(files))] == list(files)
        shards.append([str(file.path) for file in files])
    assert sorted(name for shard in shards for name in shard) == sorted(names)
    assert all(900 < len(shard) < 1100 for shard in shards)
    assert all(shard == [name for name in names if name in set(shard)] for shard in shards), "the order stays"
    fewer = of(*names[::7])
    fewer.keep_shard(2, 3)
    assert [str(file.path) for file in fewer] == [name for name in shards[1] if name in names[::7]]
    with pytest.raises(LuxelError, match=r"shard 4/3: give I/N"):
        of("a").keep_shard(4, 3)


def test_shards_share_output_names(tmp_path: Path) -> None:
    """Their folders can be put together afterwards: no name depends on the shard."""
    for name in ("x/a.png", "y/a.png", "x/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    search = [str(tmp_path / "x"), str(tmp_path / "y")]
    whole = {file.path: file.name for file in find(search, endings=(".png",))}
    parts: dict[Path, str] = {}
    for shard in (1, 2):
        with suppress(LuxelError):  # a part may have none of so few
            parts |= {file.path: file.name for file in find(search, endings=(".png",), shard=(shard, 2))}
    assert parts == whole
