"""The frames a benchmark trains and tests on."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luxel.benchmark.protocol.data import Frames, open_frames, prepare_frames, to_square
from luxel.photometry import lightness
from luxel.residual import mean_residual_score


@pytest.mark.parametrize("split", range(5))
def test_no_scene_is_in_two_parts(frames: Frames, split: int) -> None:
    groups = [{frames.entries[i].group for i in frames.indices(split, name)} for name in ("train", "val", "test")]
    assert all(groups)
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]


def test_scores_are_those_of_the_maps(frames: Frames) -> None:
    for i in range(0, len(frames.entries), 37):
        stored = np.asarray(frames.maps[i], np.float32)
        assert frames.scores[i] == pytest.approx(mean_residual_score(stored), abs=0.01)


def test_frames_killed_half_way_are_made_again(tmp_path: Path) -> None:
    whole = open_frames(prepare_frames("procedural", 32, tmp_path / "whole"))

    def killed(stream: Iterable[Any], total: int) -> Iterable[Any]:
        yield from itertools.islice(stream, total // 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_frames("procedural", 32, tmp_path / "cut", progress=killed)
    assert list((tmp_path / "cut").iterdir()) == []
    again = open_frames(prepare_frames("procedural", 32, tmp_path / "cut"))
    assert np.array_equal(again.images, whole.images)
    assert np.allclose(again.maps, whole.maps, atol=1e-3)  # fusion rounds differently now and then


def test_frames_prepared_twice_at_once_are_those_of_the_first(tmp_path: Path) -> None:
    def overtaken(stream: Iterable[Any], total: int) -> Iterable[Any]:
        first = prepare_frames("procedural", 32, tmp_path)
        opened.append(open_frames(first))
        return stream

    opened: list[Frames] = []
    place = prepare_frames("procedural", 32, tmp_path, progress=overtaken)
    assert [path.name for path in tmp_path.iterdir()] == [place.name]
    assert opened[0].images.any()  # still there under whoever reads it
    assert np.array_equal(opened[0].images, open_frames(place).images)


def test_frames_of_the_same_name_are_distinguished(tmp_path: Path) -> None:
    names = {open_frames(prepare_frames("procedural", side, tmp_path)).name for side in (32, 33)}
    checksums = {name.partition("checksum ")[2] for name in names}
    assert len(names) == len(checksums) == 2


def test_frames_are_made_once(place: Path) -> None:
    before = (place / "image.u8").stat().st_mtime_ns
    assert prepare_frames("procedural", 48, place.parent) == place
    assert (place / "image.u8").stat().st_mtime_ns == before


def test_squaring_keeps_the_mean_of_picture_and_map() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)
    residual = rng.uniform(-1, 1, (60, 90)).astype(np.float32)
    picture, stretched = to_square(image, 30), to_square(residual, 30)
    assert picture.shape == (30, 30, 3)
    assert stretched.shape == (30, 30)
    assert lightness(picture).mean() == pytest.approx(lightness(image).mean(), abs=2e-3)
    assert np.float32(stretched).mean() == pytest.approx(residual.mean(), abs=1e-3)
