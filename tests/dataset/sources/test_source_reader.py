"""Files of a scan are read once, at reduced size, and within their time."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2", reason="needs luxel[dataset]")

from luxel import images
from luxel.dataset.align.same_scene import COARSE_SIDE
from luxel.dataset.align.tones import tones
from luxel.dataset.sources import source_reader
from luxel.dataset.sources.scan import scan_sources
from luxel.dataset.sources.source_reader import SourceReader
from luxel.errors import ImageError
from stand_ins.exif_files import shots


def blocks(side: int) -> np.ndarray:
    """A picture of flat blocks, [20 * side, 30 * side, 3]."""
    small = np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    return np.kron(small, np.ones((side, side, 1), np.uint8))


def test_frames_are_read_once_at_reduced_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = images.read
    seen: list[tuple[str, int]] = []

    def counted(path: Path, **options: object) -> object:
        picture = read(path, **options)  # type: ignore[arg-type]
        seen.append((path.name, min(picture.pixels.shape[:2])))
        return picture

    monkeypatch.setattr(source_reader.images, "read", counted)
    shots(tmp_path, [0.01, 0.04, 0.01, 0.04, 0.04, 0.01], pixels=blocks(40))
    assert scan_sources([tmp_path])
    assert sorted(name for name, _ in seen) == [f"{i}.jpg" for i in range(1, 7)]
    assert {side for _, side in seen} == {256}


def test_reduced_tones_are_those_of_every_pixel(tmp_path: Path) -> None:
    pixels = blocks(40)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with SourceReader() as reader:
        found = reader.tones(tmp_path / "a.png").turned(1)
    wanted = tones(np.rot90(pixels), COARSE_SIDE)
    assert found.lightness.shape == wanted.lightness.shape == (96, 64)
    assert np.abs(found.lightness - wanted.lightness).mean() < 0.01
    assert np.mean(found.seen == wanted.seen) > 0.98


def test_a_file_beyond_the_time_limit_is_an_error_and_the_next_is_read(tmp_path: Path) -> None:
    Image.fromarray(np.full((7000, 9000, 3), 200, np.uint8)).save(tmp_path / "large.png", compress_level=1)
    Image.fromarray(np.full((8, 9, 3), 200, np.uint8)).save(tmp_path / "small.png")
    with SourceReader(timeout=0.5) as reader:
        with pytest.raises(ImageError, match=r"large\.png: took longer than 0\.5 s"):
            reader.tones(tmp_path / "large.png")
        assert (reader.header(tmp_path / "small.png").width, reader.header(tmp_path / "small.png").height) == (9, 8)
