"""Datasets of pairs: every layout, paired by number whatever the order, and what is left out is said."""

from pathlib import Path

import numpy as np
import pytest

from luxel.enhance.pairs import PairsPart, find_pairs, left_out_numbers, read_pairs
from luxel.enhance.scenes import perceptual_hash, sharing_a_scene
from luxel.errors import DatasetError
from stand_ins.low_light import dataset, pair, write_pair

LAYOUTS = [
    ("our485/low", "our485/high", ("", ""), 1),
    ("Train/input", "Train/target", ("", ""), 1),
    ("Real_captured/Train/Low", "Real_captured/Train/Normal", ("low", "normal"), 5),
    ("Real_captured/Train/Low", "Real_captured/Train/Normal", ("", ""), 5),
    ("LOLdataset/our485/low", "LOLdataset/our485/high", ("", ""), 1),
    ("LOLv2/Real_captured/Train/Low", "LOLv2/Real_captured/Train/Normal", ("low", "normal"), 5),
]


@pytest.mark.parametrize(("low", "high", "prefixes", "digits"), LAYOUTS)
def test_every_layout_is_found(tmp_path: Path, low: str, high: str, prefixes: tuple[str, str], digits: int) -> None:
    for number in (2, 10, 690):
        write_pair(tmp_path / low, tmp_path / high, pair(number), prefixes=prefixes, digits=digits)
    found = read_pairs(find_pairs(tmp_path, "train"))
    assert [one.name for one in found] == ["2", "10", "690"]
    for one in found:
        np.testing.assert_array_equal(one.high, pair(int(one.name)).high)
        np.testing.assert_array_equal(one.low, pair(int(one.name)).low)


def test_synthetic_images_beside_the_real_ones_are_left_alone(tmp_path: Path) -> None:
    for kind, number in (("Real_captured", 1), ("Synthetic", 2)):
        write_pair(tmp_path / kind / "Test" / "Low", tmp_path / kind / "Test" / "Normal", pair(number))
    assert [file.number for file in find_pairs(tmp_path, "test")] == [1]


def test_a_missing_file_shifts_nothing(tmp_path: Path) -> None:
    """Sorted lists would pair 2 with 3's ground truth."""
    dataset(tmp_path, train=4)
    (tmp_path / "our485" / "high" / "2.png").unlink()
    lines: list[str] = []
    found = read_pairs(find_pairs(tmp_path, "train", warn=lines.append))
    assert [one.name for one in found] == ["1", "3", "4"]
    assert all(np.array_equal(one.high, pair(int(one.name)).high) for one in found)
    assert len(lines) == 1
    assert lines[0].endswith("without a ground truth: 2")


def test_a_damaged_pair_is_left_out_with_the_reason(tmp_path: Path) -> None:
    dataset(tmp_path, train=3)
    (tmp_path / "our485" / "low" / "1.png").write_bytes(b"not an image")
    write_pair(tmp_path / "our485" / "low", tmp_path / "x", pair(2, 20, 24))
    lines: list[str] = []
    assert [one.name for one in read_pairs(find_pairs(tmp_path, "train"), warn=lines.append)] == ["3"]
    assert "pair 1" in lines[0]
    assert "24 x 20 and 48 x 40 pixels" in lines[1]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("train", "01.png and 1.png have one number"),
        ("test", "no test pairs in a known"),
    ],
)
def test_what_cannot_be_paired_is_one_line(tmp_path: Path, part: PairsPart, message: str) -> None:
    dataset(tmp_path, test=0)
    write_pair(tmp_path / "our485" / "low", tmp_path / "x", pair(1), digits=2)
    with pytest.raises(DatasetError, match=message):
        find_pairs(tmp_path, part)


def test_several_datasets_must_be_chosen_from(tmp_path: Path) -> None:
    for name in ("LOLv1", "other"):
        dataset(tmp_path / name)
    with pytest.raises(DatasetError, match="several datasets"):
        find_pairs(tmp_path, "test")


def test_numbers_to_leave_out(tmp_path: Path) -> None:
    table = tmp_path / "shared.csv"
    table.write_text("our485,eval15,phash_distance\n2.png,1.png,14\n21,22.png,6\n")
    assert left_out_numbers(table) == {2, 21}
    table.write_text("our485,eval15\nsomething.png,1.png\n")
    with pytest.raises(DatasetError, match="line 2"):
        left_out_numbers(table)


def test_exposure_does_not_change_what_a_scene_is() -> None:
    train, brighter = [pair(1), pair(2)], pair(2)
    test = [type(brighter)("9", brighter.low, np.minimum(brighter.high * 1.3, 255).astype(np.uint8)), pair(3)]
    assert sharing_a_scene(train, test) == ["2"]
    assert perceptual_hash(pair(1).high).shape == (256,)
