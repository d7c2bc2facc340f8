"""The memory-mapped store: what was written comes back, atomically, and shared rather than copied."""

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from luxel.errors import DatasetError
from luxel.jobs.atomic import leftovers
from luxel.samples.store import INDEX, Plane, Store, StoreLayout, writing_store
from stand_ins.full_disk import Disk


@dataclass(frozen=True)
class Facts:
    number: int


class TwoPlanes(Store):
    layout = StoreLayout("things", Facts, (Plane("colour.u8", np.uint8, 3), Plane("value.f16", np.float16)))


def items(*sizes: tuple[int, int]) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [(rng.integers(0, 256, (*size, 3), dtype=np.uint8), rng.random(size).astype(np.float16)) for size in sizes]


def write(folder: Path, things: list[tuple[np.ndarray, np.ndarray]], **facts: object) -> TwoPlanes:
    with writing_store(folder, TwoPlanes.layout, **facts) as writer:
        for number, planes in enumerate(things):
            writer.add(*planes, number=number)
    return TwoPlanes(folder)


def test_items_come_back_as_they_were(tmp_path: Path) -> None:
    things = items((4, 6), (3, 3), (5, 2))
    store = write(tmp_path / "s", things, made_by="test")
    assert len(store) == 3
    assert store.facts == {"made_by": "test"}
    for i, planes in enumerate(things):
        assert store.entries[i]["number"] == i
        assert store.size(i) == planes[0].shape[:2]
        for found, window, plane in zip(
            store.planes(i), store.planes(i, slice(1, 3), slice(0, 2)), planes, strict=True
        ):
            np.testing.assert_array_equal(found, plane)
            np.testing.assert_array_equal(window, plane[1:3, :2])
            assert not found.flags.writeable
    other = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(other.planes(2)[0], things[2][0])
    assert len(pickle.dumps(store)) < 500, "the folder is sent, not the pixels"


def test_items_of_one_size_are_one_array(tmp_path: Path) -> None:
    things = items((4, 6), (4, 6))
    colour, value = write(tmp_path / "s", things).stacked()
    np.testing.assert_array_equal(colour, [thing[0] for thing in things])
    np.testing.assert_array_equal(value, [thing[1] for thing in things])


def test_the_first_store_of_a_name_stays(tmp_path: Path) -> None:
    write(tmp_path / "s", items((4, 6)))
    assert len(write(tmp_path / "s", items((2, 2), (2, 2)))) == 1
    assert [place.name for place in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("room", [0, 100, 2100, 2200])
def test_a_full_disk_leaves_nothing(room: int, tmp_path: Path) -> None:
    with Disk(room).used(), pytest.raises(DatasetError, match="s: cannot be written: No space left on device"):
        write(tmp_path / "s", items((20, 20), (5, 5)))
    assert not (tmp_path / "s").exists()
    assert leftovers(tmp_path) == []


def test_damaged_stores_are_named(tmp_path: Path) -> None:
    write(tmp_path / "s", items((4, 6)))
    (tmp_path / "s" / INDEX).rename(tmp_path / INDEX)
    entry = json.loads((tmp_path / INDEX).read_text())["things"][0]
    wrong = [{}, 7, {**entry, "offset": -1}, {**entry, "offset": 1}, {**entry, "height": 0}, {**entry, "width": "6"}]
    wrong += [{**entry, "number": None}, {**entry, "more": 1}, {**entry, "height": 10**9}]
    for index in (None, "{", "[]", "{}", '{"things": []}', *(json.dumps({"things": [each]}) for each in wrong)):
        if index is not None:
            (tmp_path / "s" / INDEX).write_text(index)
        with pytest.raises(DatasetError) as caught:
            TwoPlanes(tmp_path / "s")
        assert str(tmp_path / "s" / INDEX) in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / "s" / INDEX).write_text(json.dumps({"things": [entry]}))
    assert len(TwoPlanes(tmp_path / "s")) == 1
    (tmp_path / "s" / "value.f16").unlink()
    with pytest.raises(DatasetError, match=r"value\.f16.*remove the folder"):
        TwoPlanes(tmp_path / "s")
